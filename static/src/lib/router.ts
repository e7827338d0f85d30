import { useSyncExternalStore } from 'react';

// Three addresses don't need a router library: /chat, /chat/{session id}, and the sign-in page,
// which is a document of its own.
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

export function usePathname(): string {
  return useSyncExternalStore(subscribe, () => window.location.pathname);
}

export function navigate(path: string, { replace = false } = {}): void {
  if (path === window.location.pathname) return;
  if (replace) window.history.replaceState(null, '', path);
  else window.history.pushState(null, '', path);
  listeners.forEach((tell) => tell());
}

/** Leaves this document. In one place, so that tests can watch it. */
export const leave = {
  to(path: string): void {
    window.location.assign(path);
  },
};
