import { useEffect, useSyncExternalStore } from 'react';
import type { Options } from 'react-markdown';

type Plugins = NonNullable<Options['rehypePlugins']>;

const NONE: Plugins = [];
const listeners = new Set<() => void>();
let loaded: Plugins = NONE;
let loading = false;

async function load(): Promise<void> {
  if (loading) return;
  loading = true;
  try {
    loaded = (await import('./highlight-plugin')).highlightPlugins;
    listeners.forEach((tell) => tell());
  } catch {
    // Code without colours is still code; the next block tries again.
    loading = false;
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The same, outside a component and without waiting. */
export function highlightNow(needed: boolean): Plugins {
  return needed ? loaded : NONE;
}

/** The highlighter once it is loaded; until then nothing. */
export function useHighlight(needed: boolean): Plugins {
  const plugins = useSyncExternalStore(subscribe, () => highlightNow(needed));
  useEffect(() => {
    if (needed) void load();
  }, [needed]);
  return plugins;
}
