import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import ReactMarkdown from 'react-markdown';
import { describe, expect, it, vi } from 'vitest';
import { SAMPLE_ANSWER } from '@/testing/sample-answer';
import MarkdownView, { parseAhead, warmUp } from './markdown-view';

// As it is, but with its calls counted.
vi.mock('react-markdown', { spy: true });

const show = (text: string, growing = false) => render(<MarkdownView text={text} growing={growing} />);

describe('Markdown', () => {
  it('opens links elsewhere and tells them nothing', () => {
    show('[there](https://example.org/x)');
    const link = screen.getByRole('link', { name: 'there' });
    expect(link).toHaveAttribute('href', 'https://example.org/x');
    expect(link).toHaveAttribute('target', '_blank');
    expect(link).toHaveAttribute('rel', 'noopener noreferrer nofollow');
  });

  it.each(['javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', '/api/v1/auth/session', 'java\tscript:x'])(
    'makes no link of %j',
    (url) => {
      show(`[text](<${url}>)`);
      expect(screen.queryByRole('link')).toBeNull();
    },
  );

  it('shows an image as a link, and loads none', () => {
    const { container } = show('![a cat](https://example.org/cat.png)');
    expect(container.querySelector('img')).toBeNull();
    expect(screen.getByRole('link', { name: 'Image: a cat' })).toHaveAttribute('href', 'https://example.org/cat.png');
  });

  it('shows HTML as text', () => {
    const { container } = show('<img src=x onerror=alert(1)>\n\n<script>alert(1)</script> <b>x</b>');
    expect(container.querySelector('img, script, b')).toBeNull();
    expect(container).toHaveTextContent('<script>alert(1)</script>');
  });

  it('draws tables, task lists and headings below those of the page', () => {
    show(SAMPLE_ANSWER);
    expect(screen.getByRole('table')).toBeInTheDocument();
    expect(screen.getByRole('checkbox', { name: 'Done' })).toBeChecked();
    expect(screen.getByRole('heading', { name: 'How it works', level: 3 })).toBeInTheDocument();
  });

  it('colours code, names its language, and copies it', async () => {
    const user = userEvent.setup();
    const write = vi.spyOn(navigator.clipboard, 'writeText');
    const { container } = show('```python\nprint("hi")\n```');
    expect(screen.getByText('Python')).toBeInTheDocument();
    await vi.waitFor(() => expect(container.querySelector('.hljs-string')).not.toBeNull());
    await user.click(screen.getByRole('button', { name: 'Copy code' }));
    expect(write).toHaveBeenCalledWith('print("hi")\n');
    expect(await screen.findByText('Copied')).toBeInTheDocument();
  });

  it('draws what was parsed ahead as it would without, when it has grown, and when another answer begins', () => {
    const texts = [SAMPLE_ANSWER, `${SAMPLE_ANSWER}\n\n${SAMPLE_ANSWER}`, 'Another.\n\n- one\n- two\n\nAnd the end.'];
    const plainly = texts.map((text) => {
      const { container, unmount } = show(text, true);
      const { textContent, childElementCount } = container.firstElementChild as Element;
      unmount();
      return { textContent, childElementCount };
    });
    for (const [at, text] of texts.entries()) {
      while (parseAhead(text));
      const { container, unmount } = show(text, true);
      expect(container.firstElementChild).toHaveTextContent(plainly[at]?.textContent ?? '', { normalizeWhitespace: false });
      expect(container.firstElementChild?.childElementCount).toBe(plainly[at]?.childElementCount);
      unmount();
    }
  });

  it('parses a few blocks a time ahead, never the open one, and draws them without parsing again', () => {
    // Each look at the clock is 5 ms after the last.
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 5));
    const text = 'Ahead 1\n\nAhead 2\n\nAhead 3\n\nAhead 4\n\nOpen';
    expect(parseAhead('Ahead')).toBe(false);
    let tasks = 1;
    while (parseAhead(text)) tasks++;
    expect(tasks).toBeGreaterThan(2);
    vi.mocked(ReactMarkdown).mockClear();
    const { container } = show(text, true);
    expect(vi.mocked(ReactMarkdown).mock.calls.map(([{ children }]) => children)).toEqual(['Open']);
    expect([...container.querySelectorAll('p')].map((p) => p.textContent)).toEqual(['Ahead 1', 'Ahead 2', 'Ahead 3', 'Ahead 4', 'Open']);
    expect(parseAhead(text), 'nothing is left').toBe(false);
  });

  it('can be tried out before there is an answer', () => {
    expect(warmUp).not.toThrow();
  });

  it('draws a block plainly while it grows', () => {
    const { container } = show('```python\nprint("hi', true);
    expect(container.querySelector('[class^=hljs-]')).toBeNull();
    expect(screen.getByText('print("hi')).toBeInTheDocument();
  });
});
