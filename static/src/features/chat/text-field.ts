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
  document.querySelector<HTMLElement>('textarea[aria-label="Message"]')?.focus();
}

/** What was pressed goes away with what it did, and would take the focus with it. */
export function keepFocus(): void {
  if (hasKeyboard()) focusMessageField();
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
