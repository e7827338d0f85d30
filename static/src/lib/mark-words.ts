export interface Piece {
  text: string;
  found: boolean;
}

/** Han, kana and Hangul are written without spaces; there a word may begin and end anywhere. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/**
 * Cuts a text where the words of a search are in it, the way the service finds them: whole words,
 * whichever their case, and the last one perhaps still being typed.
 */
export function markWords(text: string, query: string): Piece[] {
  const words = query.match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  if (words.length === 0) return text === '' ? [] : [{ text, found: false }];
  const patterns = words.map((word, at) => {
    if (UNSPACED.test(word)) return word;
    return `(?<![\\p{L}\\p{N}])${word}${at === words.length - 1 ? '' : '(?![\\p{L}\\p{N}])'}`;
  });
  // Letters and digits alone are in them, so there is nothing to escape. An odd piece is a found one.
  return text
    .split(new RegExp(`(${patterns.join('|')})`, 'giu'))
    .map((piece, at) => ({ text: piece, found: at % 2 === 1 }))
    .filter((piece) => piece.text !== '');
}
