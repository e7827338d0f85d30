import { useLayoutEffect, useRef, type KeyboardEvent, type RefObject } from 'react';

/** While an input method composes, Enter and Escape belong to it; Safari shows that by the key code alone. */
export function isComposing(event: KeyboardEvent): boolean {
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  return event.nativeEvent.isComposing || event.keyCode === 229;
}

/** On a touch screen focus would bring up the keyboard unasked. */
export function hasKeyboard(): boolean {
  return window.matchMedia('(pointer: fine)').matches;
}

/** Where messages are written. */
export function focusMessageField(): void {
  focusFirst('textarea[aria-label="Message"]');
}

/** The pressed element disappears with its action, and would take the focus with it. */
export function keepFocus(): void {
  if (hasKeyboard()) focusMessageField();
}

/** The focus has no place any more: it goes to the message field, or, if that is out of reach, to the list of chats. */
export function recoverFocus(): void {
  keepFocus();
  if (document.activeElement === document.body) focusFirst('nav[aria-label="Chats"]');
}

/** A reader who was writing keeps the focus; otherwise it goes to the chat that is back in the list. */
export function focusReturned(sessionId: string): void {
  // Once it is drawn: the cache tells the page of it a task later.
  setTimeout(() => {
    if (document.activeElement?.matches('input, textarea') !== true) focusFirst(`[data-session="${sessionId}"] a`);
  });
}

/** The list exists twice while its drawer is open; a hidden or inert element doesn't take the focus. */
function focusFirst(selector: string): void {
  for (const element of document.querySelectorAll<HTMLElement>(selector)) {
    if (element.closest('[inert]') === null) element.focus();
    if (document.activeElement === element) return;
  }
}

/** Browsers that size the field themselves save a layout for each key (the class `field-sizing-content`). */
const GROWS_BY_ITSELF = 'fieldSizing' in document.documentElement.style;

/** As high as its text; CSS limits that. */
export function fitHeight(field: HTMLTextAreaElement | null): void {
  if (field === null || GROWS_BY_ITSELF) return;
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}

export function useAutoHeight(text: string): RefObject<HTMLTextAreaElement | null> {
  const input = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => fitHeight(input.current), [text]);
  return input;
}
