const FENCE = /^(\s*)(`{3,}|~{3,})(.*)$/;
const LIST_ITEM = /^\s{0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/;
/** Blocks that reach across blank lines: link and footnote definitions, and HTML that ends at its own tag. */
const REACHES_FAR = /^ {0,3}(?:\[[^\]]+\]:|<(?:pre|script|style|textarea)\b|<!|<\?)/im;

/**
 * Cuts Markdown into pieces that can be parsed each alone, so that a growing answer parses only its
 * last piece again. Cuts at blank lines outside fences where the next line can't belong to what came
 * before; where in doubt it doesn't cut, which costs time and never changes what is shown.
 */
export function splitMarkdown(text: string): string[] {
  if (REACHES_FAR.test(text)) return [text];
  const blocks: string[] = [];
  let start = 0;
  let fence: { mark: string; indent: number } | null = null;
  let inList = false;
  let afterBlank = false;

  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const next = end < 0 ? text.length : end + 1;
    const line = text.slice(at, end < 0 ? text.length : end);

    if (fence !== null) {
      const closing = FENCE.exec(line);
      if (closing !== null && closes(fence, closing)) fence = null;
    } else if (line.trim() === '') {
      afterBlank = true;
    } else {
      const isItem = LIST_ITEM.test(line);
      if (afterBlank && !/^\s/.test(line) && !(inList && isItem)) {
        blocks.push(text.slice(start, at));
        start = at;
        inList = false;
      }
      afterBlank = false;
      inList ||= isItem;
      const opening = FENCE.exec(line);
      if (opening !== null && !(opening[2]?.startsWith('`') === true && opening[3]?.includes('`') === true)) {
        fence = { mark: opening[2] ?? '', indent: opening[1]?.length ?? 0 };
      }
    }
    at = next;
  }
  if (start < text.length) blocks.push(text.slice(start));
  return blocks;
}

/** The same for a text that grows: the pieces before the last one stay as they are, and are not looked at again. */
export class GrowingMarkdown {
  private text = '';
  private blocks: string[] = [];

  split(text: string): string[] {
    const last = this.blocks.at(-1);
    const grown = last !== undefined && text.startsWith(this.text);
    const from = grown ? this.text.length - last.length : 0;
    const tail = text.slice(from);
    this.blocks = grown && !REACHES_FAR.test(tail) ? [...this.blocks.slice(0, -1), ...splitMarkdown(tail)] : splitMarkdown(text);
    this.text = text;
    return this.blocks;
  }
}

function closes(fence: { mark: string; indent: number }, line: RegExpExecArray): boolean {
  const [, indent = '', mark = '', rest = ''] = line;
  return (
    mark[0] === fence.mark[0] && mark.length >= fence.mark.length && rest.trim() === '' && indent.length <= fence.indent + 3
  );
}
