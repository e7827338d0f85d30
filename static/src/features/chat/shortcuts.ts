import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';

export type ShortcutName = 'help' | 'newChat' | 'search' | 'notifications' | 'focusMessage' | 'stop' | 'copyAnswer' | 'toggleList';

export interface Shortcut {
  name: ShortcutName;
  label: string;
  keys: string[];
  matches: (event: KeyboardEvent) => boolean;
}

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
const COMMAND = isMac ? '⌘' : 'Ctrl';

const withCommand = (event: KeyboardEvent) => (event.metaKey || event.ctrlKey) && !event.altKey;
const plain = (event: KeyboardEvent) => !event.metaKey && !event.ctrlKey && !event.altKey;
/** Goes by the place on the keyboard if the letter is not a Latin one. */
const isLetter = (event: KeyboardEvent, letter: string) =>
  event.key.toLowerCase() === letter || (event.code === `Key${letter.toUpperCase()}` && !/^[a-z]$/i.test(event.key));

export const SHORTCUTS: Shortcut[] = [
  { name: 'newChat', label: 'New chat', keys: [COMMAND, 'Shift', 'O'], matches: (event) => withCommand(event) && event.shiftKey && isLetter(event, 'o') },
  { name: 'search', label: 'Search chats', keys: [COMMAND, 'K'], matches: (event) => withCommand(event) && !event.shiftKey && isLetter(event, 'k') },
  { name: 'toggleList', label: 'Show or hide the chat list', keys: [COMMAND, 'Shift', 'S'], matches: (event) => withCommand(event) && event.shiftKey && isLetter(event, 's') },
  { name: 'focusMessage', label: 'Go to the message field', keys: ['Shift', 'Esc'], matches: (event) => plain(event) && event.shiftKey && event.key === 'Escape' },
  { name: 'stop', label: 'Stop the answer', keys: ['Esc'], matches: (event) => plain(event) && !event.shiftKey && event.key === 'Escape' },
  { name: 'copyAnswer', label: 'Copy the last answer', keys: [COMMAND, 'Shift', 'Y'], matches: (event) => withCommand(event) && event.shiftKey && isLetter(event, 'y') },
  { name: 'notifications', label: 'Go to the last notice, to undo or try again', keys: [isMac ? '⌥' : 'Alt', 'T'], matches: () => false },
  { name: 'help', label: 'This list', keys: [COMMAND, '/'], matches: (event) => withCommand(event) && event.key === '/' },
];
/** A single key. Speech input and unsteady hands may press it by mistake, so it can be switched off (WCAG 2.1.4). */
const QUESTION_MARK: Pick<Shortcut, 'name' | 'matches'> = {
  name: 'help',
  matches: (event) => plain(event) && event.key === '?' && !isTyping(event.target) && singleKeys.get(),
};

const SINGLE_KEYS = 'chat.single-keys';
const listeners = new Set<() => void>();
let switchedOff = false;

/** Whether a single key is a shortcut; kept by the browser. */
export const singleKeys = {
  get: (): boolean => {
    try {
      return window.localStorage.getItem(SINGLE_KEYS) !== 'off';
    } catch {
      return !switchedOff;
    }
  },
  set: (on: boolean): void => {
    switchedOff = !on;
    try {
      if (on) window.localStorage.removeItem(SINGLE_KEYS);
      else window.localStorage.setItem(SINGLE_KEYS, 'off');
    } catch {
      // A browser that keeps nothing: as long as the page is open.
    }
    listeners.forEach((tell) => tell());
  },
  subscribe: (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};

export function useSingleKeys(): boolean {
  return useSyncExternalStore(singleKeys.subscribe, singleKeys.get);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}

/** `run` returns whether it did something; if not, the key goes on to the browser. */
export function useShortcuts(run: (name: ShortcutName) => boolean): void {
  const onKeyDown = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    const shortcut = [...SHORTCUTS, QUESTION_MARK].find(({ matches }) => matches(event));
    if (shortcut === undefined) return;
    // An open dialog has the keyboard to itself; the one with the list of chats has its search too.
    const own = [...document.querySelectorAll('[role="dialog"], [role="alertdialog"], [role="menu"]')];
    if (own.some((each) => shortcut.name !== 'search' || each.querySelector('[role="searchbox"]') === null)) return;
    if (run(shortcut.name)) event.preventDefault();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKeyDown(event);
    document.addEventListener('keydown', listener);
    return () => document.removeEventListener('keydown', listener);
  }, []);
}
