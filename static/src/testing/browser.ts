import { setupWorker } from 'msw/browser';
import { MockApi } from './mock-api';
import { SAMPLE_ANSWER } from './sample-answer';

const DAY_MS = 86_400_000;

/**
 * Development without a back end. Any page load starts from the same chats, signed in; the token
 * `good-token` signs in again. In a message, `!CODE STATUS` (as in `!quota_exceeded 429`) makes the
 * send fail that way, and `!fail` makes the answer break off.
 */
export async function startWorker(): Promise<void> {
  const api = new MockApi();
  api.paceMs = 25;
  api.signedIn = window.location.pathname !== '/sign-in';

  const titles = ['Binary search', 'A week in Lisbon', 'Sourdough that rises', 'Postgres index choice', 'Cover letter, second draft'];
  titles.toReversed().forEach((title, index, { length }) => {
    const at = new Date(Date.now() - (length - 1 - index) ** 2 * DAY_MS).toISOString();
    const session = api.addSession(title, at);
    api.addMessage(session, 'user', `Tell me about this: ${title.toLowerCase()}`);
    api.addMessage(session, 'assistant', SAMPLE_ANSWER);
  });

  const worker = setupWorker(...api.handlers);
  worker.events.on('request:start', ({ request }) => {
    if (request.method !== 'POST' || !request.url.endsWith('/messages')) return;
    void request.clone().json().then((body: { content: string }) => {
      const wish = /^!(\w+) (\d{3})$/.exec(body.content);
      if (wish?.[1] !== undefined) api.refuseSend = { status: Number(wish[2]), code: wish[1] };
      api.failAnswer = body.content === '!fail' ? { status: 200, code: 'upstream_error' } : null;
    });
  });
  await worker.start({ onUnhandledRequest: 'bypass', quiet: true });
}
