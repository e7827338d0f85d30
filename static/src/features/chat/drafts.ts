import { createContext, useCallback, useContext, useSyncExternalStore } from 'react';

/** What was typed and not sent, per chat, for as long as the page is open. */
export class Drafts {
  private readonly texts = new Map<string, string>();
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(key: string): string {
    return this.texts.get(key) ?? '';
  }

  set(key: string, text: string): void {
    if (text === '') this.texts.delete(key);
    else this.texts.set(key, text);
    this.listeners.forEach((listener) => listener());
  }
}

export const DraftsContext = createContext<Drafts | null>(null);

export function useDraft(key: string): [string, (text: string) => void] {
  const drafts = useContext(DraftsContext);
  if (drafts === null) throw new Error('useDraft needs a DraftsContext.');
  const text = useSyncExternalStore(drafts.subscribe, () => drafts.get(key));
  return [text, useCallback((next: string) => drafts.set(key, next), [drafts, key])];
}
