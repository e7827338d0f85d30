/**
 * The token of `/sign-in#token=…`, taken out of the address before anything else happens, so that
 * it stays in no history entry, screenshot or Referer.
 */
export function takeTokenFromAddress(): string | null {
  const { hash, pathname, search } = window.location;
  const token = new URLSearchParams(hash.slice(1)).get('token');
  if (token === null) return null;
  window.history.replaceState(null, '', pathname + search);
  return cleanToken(token);
}

/** As people paste it: with blanks around it, or the whole header. */
export function cleanToken(text: string): string {
  return text.trim().replace(/^(?:Authorization:\s*)?Bearer\s+/i, '');
}

/** As much as fits into a header; the service decides whether it is valid. */
export function looksLikeToken(token: string): boolean {
  return /^[\x21-\x7e]{1,4096}$/.test(token);
}
