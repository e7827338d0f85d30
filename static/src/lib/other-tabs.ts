// Tabs of one browser tell each other when one of them has changed something at the service.

const NAME = 'chat';
const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(NAME);

/** Tells the other tabs; this one knows already. */
export function tellOtherTabs(): void {
  channel?.postMessage('changed');
}

export function onOtherTabs(listener: () => void): () => void {
  channel?.addEventListener('message', listener);
  return () => channel?.removeEventListener('message', listener);
}
