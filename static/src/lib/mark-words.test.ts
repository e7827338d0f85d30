import { describe, expect, it } from 'vitest';
import { markWords } from './mark-words';

/** The found pieces in brackets. */
const marked = (text: string, query: string) =>
  markWords(text, query)
    .map((piece) => (piece.found ? `[${piece.text}]` : piece.text))
    .join('');

describe('markWords', () => {
  it.each([
    ['Travel plans', 'travel', '[Travel] plans'],
    ['Travel plans', 'trav', '[Trav]el plans'],
    ['Time travel', 'ravel', 'Time travel'],
    ['A cat in a category', 'cat in', 'A [cat] [in] a category'],
    ['Łódź and łódź', 'łódź', '[Łódź] and [łódź]'],
    ['東京旅行の計画', '旅行', '東京[旅行]の計画'],
    ['a.c abc', 'a.c', '[a].[c] abc'],
    ['<b>bold</b>', 'bold', '<b>[bold]</b>'],
    ['nothing', '((*', 'nothing'],
    ['', 'x', ''],
    ['', '', ''],
  ])('%j, searched for %j', (text, query, expected) => expect(marked(text, query)).toBe(expected));

  it('loses and adds nothing', () => {
    const text = 'one two, two three; TWO';
    expect(markWords(text, 'two one').map((piece) => piece.text).join('')).toBe(text);
  });
});
