import { expect, it } from 'vitest';
import { SentenceReader } from './sentences';

/** What is said of a text that comes in pieces of this size, and at its end. */
function said(text: string, size: number): string[] {
  const reader = new SentenceReader();
  const all: string[] = [];
  for (let at = size; at < text.length; at += size) all.push(reader.read(text.slice(0, at)));
  all.push(reader.read(text, true));
  return all.filter((piece) => piece !== '');
}

it('says whole sentences, once, and the rest at the end', () => {
  expect(said('It is 3.5 m long. Is it? Yes! And', 1)).toEqual(['It is 3.5 m long.', 'Is it?', 'Yes!', 'And']);
  expect(said('それは川です。長いです。', 1)).toEqual(['それは川です。', '長いです。']);
});

it('says the same whatever the pieces are', () => {
  const text = '# The Nile\n\nIt is **long**, see [a map](https://example.org/a.b).\n\n```c\nint x = 1; // one. two.\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- first\n- `second`';
  const whole = said(text, text.length).join(' ');
  expect(whole).toBe('The Nile It is long, see a map. Code. a, b 1, 2 first second');
  for (const size of [1, 2, 3, 7, 50]) expect(said(text, size).join(' ')).toBe(whole);
});

it('does not say again what was replaced by a shorter text', () => {
  const reader = new SentenceReader();
  expect(reader.read('One. Two. Three', true)).toBe('One. Two. Three');
  expect(reader.read('One. Two.', true)).toBe('');
});
