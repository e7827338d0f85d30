import { describe, expect, it } from 'vitest';
import { SAMPLE_ANSWER } from '@/testing/sample-answer';
import { GrowingMarkdown, splitMarkdown } from './markdown-blocks';

describe('splitMarkdown', () => {
  it('loses nothing, however much of an answer is there', () => {
    for (let end = 0; end <= SAMPLE_ANSWER.length; end++) {
      const text = SAMPLE_ANSWER.slice(0, end);
      expect(splitMarkdown(text).join('')).toBe(text);
    }
  });

  it.each([SAMPLE_ANSWER.repeat(2), `${SAMPLE_ANSWER}\n\nx[^1]\n\n[^1]: note\n\nmore\n\nand more`])('cuts a growing text as it would the whole', (text) => {
    const growing = new GrowingMarkdown();
    for (let end = 0; end <= text.length; end++) expect(growing.split(text.slice(0, end))).toEqual(splitMarkdown(text.slice(0, end)));
    expect(growing.split('# Another\n\ntext')).toEqual(['# Another\n\n', 'text']);
  });

  it('cuts at blank lines', () => {
    expect(splitMarkdown('# A\n\ntext\nmore\n\n\n> quote')).toEqual(['# A\n\n', 'text\nmore\n\n\n', '> quote']);
  });

  it.each([
    ['a fence', '```c\nint a;\n\nint b;\n```\n'],
    ['a fence inside a fence', '````md\n```\n\nx\n```\n\ny\n````\n'],
    ['tildes', '~~~\n\n```\n\n~~~\n'],
    ['a fence with an indented fence as its text', '```md\n    ```\n\nx\n```\n'],
    ['an open fence', '```\na\n\nb'],
    ['a loose list', '- a\n\n- b\n\n  more of b\n\n1. c'],
    ['code in a list item', '1. do\n\n   ```\n   x\n\n   y\n   ```\n\n2. go\n'],
  ])('keeps %s in one piece', (_, text) => {
    expect(splitMarkdown(text)).toEqual([text]);
  });

  it.each(['[a][b]\n\n[b]: https://x.test', 'x[^1]\n\n[^1]: note', '<!-- a\n\nb -->'])('does not cut %j, which reaches far', (text) => {
    expect(splitMarkdown(text)).toEqual([text]);
  });
});
