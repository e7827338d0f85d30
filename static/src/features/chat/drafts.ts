import { createContext, useContext, useSyncExternalStore } from 'react';

const PREFIX = 'chat.draft.';
/** A browser's store is too slow for each key; the draft is written when the typing pauses, or the page is left. */
const WRITE_AFTER_MS = 300;

/**
 * The text that was typed and not sent, per chat. It outlives a reload and a closed tab, on this device and for this user
 * alone: another user who signs in finds none of it, and signing out deletes it.
 */
export class Drafts {
  private readonly texts = new Map<string, string>();
  private readonly listeners = new Set<() => void>();
  private readonly prefix: string;
  private readonly unwritten = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private forgotten = false;

  constructor(userId: string) {
    this.prefix = `${PREFIX}${encodeURIComponent(userId)}.`;
    for (const name of storedNames()) {
      const text = storage((store) => store.getItem(name));
      if (!name.startsWith(this.prefix)) storage((store) => store.removeItem(name));
      else if (typeof text === 'string') this.texts.set(name.slice(this.prefix.length), text);
    }
    // These may be the last events of a page that is left, or that a phone puts aside.
    window.addEventListener('pagehide', this.write);
    document.addEventListener('visibilitychange', this.write);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(key: string): string {
    return this.texts.get(key) ?? '';
  }

  set(key: string, text: string): void {
    this.unwritten.add(key);
    if (text === '') {
      this.texts.delete(key);
      // At once: a message that has been sent must not come back.
      this.write();
    } else {
      this.texts.set(key, text);
      clearTimeout(this.timer);
      this.timer = setTimeout(this.write, WRITE_AFTER_MS);
    }
    this.listeners.forEach((listener) => listener());
  }

  /** Called on signing out: deletes everybody's drafts, and nothing is written from here on. */
  forget(): void {
    this.forgotten = true;
    this.texts.clear();
    forgetDrafts();
  }

  private readonly write = (): void => {
    clearTimeout(this.timer);
    if (this.forgotten) return;
    for (const key of this.unwritten) {
      const text = this.texts.get(key);
      storage((store) => (text === undefined ? store.removeItem(this.prefix + key) : store.setItem(this.prefix + key, text)));
    }
    this.unwritten.clear();
  };
}

/** Everybody's. */
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

export function useDrafts(): Drafts {
  const drafts = useContext(DraftsContext);
  if (drafts === null) throw new Error('useDrafts needs a DraftsContext.');
  return drafts;
}

/** A value derived from a draft; a key that doesn't change it causes no redraw. */
export function useOfDraft<Value extends string | number | boolean>(key: string, read: (text: string) => Value): Value {
  const drafts = useDrafts();
  return useSyncExternalStore(drafts.subscribe, () => read(drafts.get(key)));
}
