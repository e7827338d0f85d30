import { createContext, useCallback, useContext, useSyncExternalStore } from 'react';

const PREFIX = 'chat.draft.';

/**
 * What was typed and not sent, per chat. It outlives a reload and a closed tab, on this device and for this user alone:
 * who signs in after somebody else finds nothing of theirs, and signing out forgets it.
 */
export class Drafts {
  private readonly texts = new Map<string, string>();
  private readonly listeners = new Set<() => void>();
  private readonly prefix: string;

  constructor(userId: string) {
    this.prefix = `${PREFIX}${encodeURIComponent(userId)}.`;
    for (const name of storedNames()) {
      const text = storage((store) => store.getItem(name));
      if (!name.startsWith(this.prefix)) storage((store) => store.removeItem(name));
      else if (typeof text === 'string') this.texts.set(name.slice(this.prefix.length), text);
    }
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(key: string): string {
    return this.texts.get(key) ?? '';
  }

  set(key: string, text: string): void {
    if (text === '') {
      this.texts.delete(key);
      storage((store) => store.removeItem(this.prefix + key));
    } else {
      this.texts.set(key, text);
      storage((store) => store.setItem(this.prefix + key, text));
    }
    this.listeners.forEach((listener) => listener());
  }
}

/** Of everybody, on signing out. */
export function forgetDrafts(): void {
  for (const name of storedNames()) storage((store) => store.removeItem(name));
}

function storedNames(): string[] {
  return storage((store) => Object.keys(store).filter((name) => name.startsWith(PREFIX))) ?? [];
}

/** A browser may forbid its store, or it may be full: then a draft lives as long as the page. */
function storage<T>(use: (store: Storage) => T): T | undefined {
  try {
    return use(window.localStorage);
  } catch {
    return undefined;
  }
}

export const DraftsContext = createContext<Drafts | null>(null);

export function useDraft(key: string): [string, (text: string) => void] {
  const drafts = useContext(DraftsContext);
  if (drafts === null) throw new Error('useDraft needs a DraftsContext.');
  const text = useSyncExternalStore(drafts.subscribe, () => drafts.get(key));
  return [text, useCallback((next: string) => drafts.set(key, next), [drafts, key])];
}
