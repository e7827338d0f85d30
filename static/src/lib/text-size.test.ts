import { expect, it } from 'vitest';
import { codePointLength, utf8Length } from './text-size';

it.each(['', 'abc', 'äöü', '€', '🙂🙂', 'a🙂é漢', '\ud800', 'x\udc00y'])('counts %j as an encoder does', (text) => {
  expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
  expect(codePointLength(text)).toBe(Array.from(text).length);
});
