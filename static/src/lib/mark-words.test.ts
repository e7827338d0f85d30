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
    ['un cafe\u0301 noir', 'caf\u00e9', 'un [cafe\u0301] noir'],
    ['un caf\u00e9 noir', 'cafe\u0301', 'un [caf\u00e9] noir'],
    ['U\u0308ber cafe\u0301, CAFE\u0301', '\u00fcber caf\u00e9', '[U\u0308ber] [cafe\u0301], [CAFE\u0301]'],
    ['\u304b\u3099\u3044\u3053\u304f', '\u304c\u3044', '[\u304b\u3099\u3044]\u3053\u304f'],
    ['\u1112\u1161\u11ab\u1100\u116e\u11a8', '\ud55c', '[\u1112\u1161\u11ab]\u1100\u116e\u11a8'],
    ['Vie\u0302\u0323t', 'vie\u0323\u0302', '[Vie\u0302\u0323]t'],
    ['\u{1f600} cafe\u0301 \u{1f600}', 'caf\u00e9', '\u{1f600} [cafe\u0301] \u{1f600}'],
    ['cafe\u0301', 'cafe', 'cafe\u0301'],
    ['nothing', '((*', 'nothing'],
    ['', 'x', ''],
    ['', '', ''],
  ])('%j, searched for %j', (text, query, expected) => expect(marked(text, query)).toBe(expected));

  it('loses and adds nothing', () => {
    for (const text of ['one two, two three; TWO', 'two e\u0301te\u0301 one e\u0301', '\u0301two', '\u0344two\u0344 \ud834\udd60one']) {
      expect(markWords(text, 'two one \u00e9t').map((piece) => piece.text).join('')).toBe(text);
    }
  });
});
