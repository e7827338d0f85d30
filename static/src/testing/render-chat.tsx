import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { vi } from 'vitest';
import { ChatApp } from '@/app/chat-app';
import { leave } from '@/lib/router';
import { MockApi } from './mock-api';
import { server } from './server';

/** The whole page at an address, against a service in memory. */
export function renderChat(path = '/chat', prepare: (api: MockApi) => void = () => undefined) {
  const api = new MockApi();
  prepare(api);
  server.use(...api.handlers);
  window.history.replaceState(null, '', path);
  const left = vi.spyOn(leave, 'to').mockImplementation(() => undefined);
  const user = userEvent.setup();
  const view = render(<ChatApp />);
  return { api, user, left, ...view };
}
