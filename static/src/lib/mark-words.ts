export interface Piece {
  text: string;
  found: boolean;
}

/** Han, kana and Hangul are written without spaces; there a word may begin and end anywhere. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/** A character, and the marks or the Hangul vowels and finals that join it. */
const CHARACTER = /.[\p{M}\u1160-\u11ff]*/gsu;

/** The text in NFC, in which the service searches, and where in the text each of its UTF-16 units comes from. */
function composed(text: string): { nfc: string; origin: (at: number) => number } {
  if (text === text.normalize('NFC')) return { nfc: text, origin: (at) => at };
  let nfc = '';
  const origins: number[] = [];
  for (const { 0: written, index } of text.matchAll(CHARACTER)) {
    const character = written.normalize('NFC');
    for (let at = 0; at < character.length; at++) origins.push(character === written ? index + at : index);
    nfc += character;
  }
  return { nfc, origin: (at) => origins[at] ?? text.length };
}

/**
 * Cuts a text at the words of a search, the way the service finds them: whole words, in any case and with marks written
 * in any form, and the last one perhaps still being typed.
 */
export function markWords(text: string, query: string): Piece[] {
  const words = query.normalize('NFC').match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
  if (words.length === 0) return text === '' ? [] : [{ text, found: false }];
  const patterns = words.map((word, at) => {
    if (UNSPACED.test(word)) return word;
    return `(?<![\\p{L}\\p{N}])${word}${at === words.length - 1 ? '' : '(?![\\p{L}\\p{N}])'}`;
  });
  // They have only letters and digits, so there is nothing to escape. A piece with an odd index is a found one.
  const { nfc, origin } = composed(text);
  let end = 0;
  return nfc
    .split(new RegExp(`(${patterns.join('|')})`, 'giu'))
    .map((piece, at) => {
      const start = end;
      end += piece.length;
      return { text: text.slice(origin(start), origin(end)), found: at % 2 === 1 };
    })
    .filter((piece) => piece.text !== '');
}
