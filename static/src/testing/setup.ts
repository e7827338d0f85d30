import '@testing-library/jest-dom/vitest';
import { act, cleanup, configure } from '@testing-library/react';
import { toast } from 'sonner';
import { afterAll, afterEach, beforeAll, vi } from 'vitest';
import { server } from './server';

// Tests wait for conditions; the limit is for tests that hang.
configure({ asyncUtilTimeout: 30_000 });

// jsdom lacks these.
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  },
);
vi.stubGlobal(
  'IntersectionObserver',
  class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  },
);
Object.assign(Element.prototype, {
  scrollIntoView: () => undefined,
  setPointerCapture: () => undefined,
  releasePointerCapture: () => undefined,
  hasPointerCapture: () => false,
});
vi.stubGlobal('matchMedia', (query: string) => ({
  matches: query.includes('pointer: fine'),
  media: query,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
}));

// Node's reaches the tests that run beside this one.
vi.stubGlobal(
  'BroadcastChannel',
  class extends EventTarget {
    postMessage(): void {
      // There is no other tab.
    }
  },
);

beforeAll(() => server.listen({ onUnhandledRequest: 'error' }));
afterEach(() => {
  // Toasts are kept outside the page, and would be there again in the next test.
  act(() => void toast.dismiss());
  cleanup();
  window.localStorage.clear(); // after it, as a page that goes writes its draft
  server.resetHandlers();
});
afterAll(() => server.close());
