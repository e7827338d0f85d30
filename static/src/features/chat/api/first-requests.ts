// What an opened page asks for first. It imports nothing: app/chat-main.ts asks before the page's code has come.

export const FEATURES_PATH = '/chat/features';

/** What a chat is opened with fills any screen; who reads back gets more at once. */
const FIRST_PAGE = 24;

/** A session with its newest messages. */
export function newestPagePath(sessionId: string): string {
  return `/chat/sessions/${sessionId}?limit=${FIRST_PAGE}`;
}
