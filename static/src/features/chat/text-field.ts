import { useLayoutEffect, useRef, type KeyboardEvent, type RefObject } from 'react';

/** While an input method composes, Enter and Escape are its own; Safari says so by the key code alone. */
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

/** What was pressed goes away with what it did, and would take the focus with it. */
export function keepFocus(): void {
  if (hasKeyboard()) focusMessageField();
}

/** It has no place any more: the message field, or where that is out of reach the list of chats. */
export function recoverFocus(): void {
  keepFocus();
  if (document.activeElement === document.body) focusFirst('nav[aria-label="Chats"]');
}

/** Whoever was writing goes on; for anybody else the chat that is back in the list. */
export function focusReturned(sessionId: string): void {
  // Once it is drawn: the cache tells the page of it a task later.
  setTimeout(() => {
    if (document.activeElement?.matches('input, textarea') !== true) focusFirst(`[data-session="${sessionId}"] a`);
  });
}

/** The list is there twice while its drawer is open; what is hidden or inert doesn't take the focus. */
function focusFirst(selector: string): void {
  for (const element of document.querySelectorAll<HTMLElement>(selector)) {
    if (element.closest('[inert]') === null) element.focus();
    if (document.activeElement === element) return;
  }
}

/** Browsers that do it themselves spare a layout for each key (the class `field-sizing-content`). */
const GROWS_BY_ITSELF = 'fieldSizing' in document.documentElement.style;

/** As high as its text; CSS says where that ends. */
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
