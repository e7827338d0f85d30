// The first requests of an opened page. It imports nothing: app/chat-main.ts sends them before the page's code has come.

export const FEATURES_PATH = '/chat/features';

/** A chat opens with enough messages for any screen; a reader who scrolls back gets more at once. */
const FIRST_PAGE = 24;

/** A session with its newest messages. */
export function newestPagePath(sessionId: string): string {
  return `/chat/sessions/${sessionId}?limit=${FIRST_PAGE}`;
}
