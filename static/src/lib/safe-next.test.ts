import { describe, expect, it } from 'vitest';
import { safeNext } from './safe-next';

describe('safeNext', () => {
  it.each(['/chat', '/chat/019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b', '/swagger-ui/?x=1#y', '/'])('takes %s', (next) => {
    expect(safeNext(next)).toBe(next);
  });

  it.each([
    null, '', 'chat', 'https://evil.test', '//evil.test', '///evil.test', '/\\evil.test', '\\\\evil.test', '/chat\\..',
    '/\t/evil.test', '/\n/evil.test', ' /chat', 'javascript:alert(1)', '/\u0000/evil.test',
  ])('goes home for %j', (next) => {
    expect(safeNext(next)).toBe('/chat');
  });
});
