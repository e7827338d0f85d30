export function chatPath(sessionId: string | null): string {
  return sessionId === null ? '/chat' : `/chat/${sessionId}`;
}

/** The session that an address names: null for a new chat, undefined if the address is none of ours. */
export function sessionIdOf(pathname: string): string | null | undefined {
  if (pathname === '/chat' || pathname === '/chat/') return null;
  return /^\/chat\/([0-9a-fA-F-]{36})\/?$/.exec(pathname)?.[1]?.toLowerCase();
}
