import { expect, test, vi } from 'vitest';
import { onWake } from './wake';

test('the network that is back and the page that is looked at again wake; a page that is left does not', () => {
  const listener = vi.fn();
  const off = onWake(listener);
  window.dispatchEvent(new Event('online'));
  expect(listener).toHaveBeenCalledTimes(1);
  const visibility = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
  document.dispatchEvent(new Event('visibilitychange'));
  expect(listener).toHaveBeenCalledTimes(1);
  visibility.mockReturnValue('visible');
  document.dispatchEvent(new Event('visibilitychange'));
  expect(listener).toHaveBeenCalledTimes(2);
  off();
  window.dispatchEvent(new Event('online'));
  expect(listener).toHaveBeenCalledTimes(2);
  visibility.mockRestore();
});
