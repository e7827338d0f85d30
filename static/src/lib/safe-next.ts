const HOME = '/chat';

/**
 * Where to go after sign-in. `next` comes from the address, so anybody may have written it: only a
 * path of this host is taken. `//host`, `\host` and, since URL parsers drop tabs and line ends,
 * `/<tab>/host` all lead elsewhere.
 */
export function safeNext(next: string | null): string {
  if (next === null || !next.startsWith('/') || next.startsWith('//')) return HOME;
  // eslint-disable-next-line no-control-regex
  if (/[\\\u0000-\u0020\u007f]/.test(next)) return HOME;
  return next;
}
