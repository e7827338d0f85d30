/** The end of a sentence, or of a line, which counts as one in Markdown. */
const END = /[.!?…]['")\]*_`]*(?=\s)|[。！？]|\n/g;
const FENCE = /^\s*(?:`{3,}|~{3,})/;

/** Reads a growing Markdown text aloud: sentence by sentence, in plain words, code left out. */
export class SentenceReader {
  private at = 0;
  private inCode = false;

  /** The sentences that have ended since the last call; with `ended`, all that is left. */
  read(text: string, ended = false): string {
    // A text that was replaced by a shorter one is not read again.
    this.at = Math.min(this.at, text.length);
    const rest = text.slice(this.at);
    const cut = ended ? rest.length : endOf(rest);
    this.at += cut;
    return rest.slice(0, cut).split('\n').map((line) => this.spoken(line)).filter((words) => words !== '').join(' ');
  }

  private spoken(line: string): string {
    if (FENCE.test(line)) {
      this.inCode = !this.inCode;
      return this.inCode ? 'Code.' : '';
    }
    return this.inCode ? '' : plain(line);
  }
}

function endOf(text: string): number {
  let end = 0;
  for (const match of text.matchAll(END)) end = match.index + match[0].length;
  return end;
}

function plain(line: string): string {
  if (/^[\s|:-]+$/.test(line)) return '';
  return line
    .replace(/^\s*(?:#{1,6}|>|[-*+]|\d{1,9}[.)])\s+/, '')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[*_`~]{1,3}/g, '')
    .replace(/\s*\|\s*/g, ', ')
    .replace(/^[, ]+|[, ]+$/g, '')
    .trim();
}
