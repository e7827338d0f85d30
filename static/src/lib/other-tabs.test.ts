import { expect, test, vi } from 'vitest';

test('what one tab says the others hear, until they stop listening', async () => {
  const heard = new Set<() => void>();
  const said: unknown[] = [];
  vi.stubGlobal(
    'BroadcastChannel',
    class {
      postMessage = (what: unknown) => said.push(what);
      addEventListener = (_: string, listener: () => void) => heard.add(listener);
      removeEventListener = (_: string, listener: () => void) => heard.delete(listener);
    },
  );
  vi.resetModules();
  const { onOtherTabs, tellOtherTabs } = await import('./other-tabs');
  const listener = vi.fn();
  const off = onOtherTabs(listener);
  tellOtherTabs();
  expect(said).toHaveLength(1);
  expect(listener, 'this tab knows already').not.toHaveBeenCalled();
  heard.forEach((tell) => tell());
  expect(listener).toHaveBeenCalledTimes(1);
  off();
  expect(heard.size).toBe(0);
});

test('a browser without channels: nothing is said', async () => {
  vi.stubGlobal('BroadcastChannel', undefined);
  vi.resetModules();
  const { onOtherTabs, tellOtherTabs } = await import('./other-tabs');
  const listener = vi.fn();
  onOtherTabs(listener)();
  tellOtherTabs();
  expect(listener).not.toHaveBeenCalled();
});
