import type { Element } from 'hast';
import { memo, useEffect, useId, useMemo, useState, type ReactNode } from 'react';
import ReactMarkdown, { type Components, type ExtraProps, type Options } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { GrowingMarkdown } from '@/lib/markdown-blocks';
import { CodeBlock } from './code-block';
import { highlightNow, useHighlight } from './use-highlight';

interface MarkdownViewProps {
  text: string;
  /** The last block may still change: it is drawn plainly until it is complete. */
  growing: boolean;
}

/** Model output is untrusted: no raw HTML, no foreign images, and links that pass nothing on but their address. */
export default function MarkdownView({ text, growing }: MarkdownViewProps) {
  const [splitter] = useState(() => new GrowingMarkdown());
  const blocks = useMemo(() => splitter.split(text), [splitter, text]);
  const id = useId();
  return (
    <div className="answer">
      {blocks.map((block, index) => (
        // Blocks only ever grow at the end, so their place is their identity.
        <Block key={index} text={block} standing={!growing || index < blocks.length - 1} idPrefix={`${id}${index}-`} />
      ))}
    </div>
  );
}

/** Parses once for nothing: code is slow when it runs for the first time, and the first answer should not wait for that. */
export function warmUp(): void {
  void parse('# a\n\n1. **b** `c` [d](https://e.f)\n\n| g |\n| - |\n| h |\n\n> i\n\n```j\nk\n```', [], '');
}

type Plugins = NonNullable<Options['rehypePlugins']>;

function parse(text: string, rehypePlugins: Plugins, idPrefix: string): ReactNode {
  return ReactMarkdown({ children: text, remarkPlugins, remarkRehypeOptions: { clobberPrefix: idPrefix }, rehypePlugins, components, urlTransform: safeUrl });
}

/** A task of parsing ends with the block in which this time is over. */
const PARSE_MS = 8;
const ahead = new GrowingMarkdown();
let aheadText = '';
/** How many of its blocks have been parsed. */
let aheadDone = 0;
/** Those of them that are not drawn yet, by their text. */
const parsed = new Map<string, { plugins: Plugins; nodes: ReactNode }>();

/** Parses complete blocks that aren't drawn yet, for a few milliseconds; true while there are more of them. */
export function parseAhead(text: string): boolean {
  if (!text.startsWith(aheadText)) {
    parsed.clear();
    aheadDone = 0;
  }
  aheadText = text;
  const began = performance.now();
  for (const block of ahead.split(text).slice(aheadDone, -1)) {
    if (performance.now() - began > PARSE_MS) return true;
    const plugins = highlightNow(hasCode(block));
    // Footnotes, which would need the prefix of their place, keep their text in one block.
    parsed.set(block, { plugins, nodes: parse(block, plugins, '') });
    aheadDone++;
  }
  return false;
}

interface BlockProps {
  text: string;
  standing: boolean;
  idPrefix: string;
}

const Block = memo(function Block({ text, standing, idPrefix }: BlockProps) {
  const plugins = useHighlight(standing && hasCode(text));
  useEffect(() => void parsed.delete(text), [text]);
  const before = parsed.get(text);
  return <div className="block">{before?.plugins === plugins ? before.nodes : parse(text, plugins, idPrefix)}</div>;
});

/** With a language named, so that there is something to colour. */
function hasCode(text: string): boolean {
  return /^\s*(?:[-*+>]\s+|\d+[.)]\s+)*(?:`{3,}|~{3,})\s*\w/m.test(text);
}

const remarkPlugins = [remarkGfm];

/** Anything but these, `javascript:` above all, becomes no link. */
export function safeUrl(url: string): string | null {
  if (url.startsWith('#')) return url;
  try {
    const { protocol } = new URL(url);
    return ['http:', 'https:', 'mailto:'].includes(protocol) ? url : null;
  } catch {
    return null;
  }
}

type Props<Tag extends keyof React.JSX.IntrinsicElements> = React.JSX.IntrinsicElements[Tag] & ExtraProps;

const components: Components = {
  a: Link,
  img: ({ src, alt }: Props<'img'>) => (
    <Link href={typeof src === 'string' ? src : undefined}>{alt === undefined || alt === '' ? 'Image' : `Image: ${alt}`}</Link>
  ),
  pre: ({ node, children }: Props<'pre'>) => <CodeBlock language={languageOf(node)}>{children}</CodeBlock>,
  table: ({ children }: Props<'table'>) => (
    // It scrolls sideways, so the keyboard must reach it.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div tabIndex={0} role="region" aria-label="Table" className="overflow-x-auto rounded-xl border">
      <table>{children}</table>
    </div>
  ),
  input: ({ checked }: Props<'input'>) => (
    <input type="checkbox" checked={checked === true} disabled readOnly aria-label={checked === true ? 'Done' : 'To do'} />
  ),
  // Below the page's own headings, all on one level: models skip levels and begin anywhere, which
  // would break the outline for readers who move by headings. The eye still sees the difference.
  h1: ({ node: _node, ...props }: Props<'h1'>) => <Heading level={1} {...props} />,
  h2: ({ node: _node, ...props }: Props<'h2'>) => <Heading level={2} {...props} />,
  h3: ({ node: _node, ...props }: Props<'h3'>) => <Heading level={3} {...props} />,
  h4: ({ node: _node, ...props }: Props<'h4'>) => <Heading level={4} {...props} />,
  h5: ({ node: _node, ...props }: Props<'h5'>) => <Heading level={4} {...props} />,
  h6: ({ node: _node, ...props }: Props<'h6'>) => <Heading level={4} {...props} />,
};

function Heading({ level, children, ...props }: React.JSX.IntrinsicElements['h3'] & { level: number }) {
  return (
    <h3 data-level={level} {...props}>
      {children}
    </h3>
  );
}

function Link({ href, children, node: _node, ...props }: Props<'a'>) {
  if (href === undefined || href === '') return <span>{children}</span>;
  // A footnote and the way back from it.
  if (href.startsWith('#')) {
    return (
      <a href={href} {...props}>
        {children}
      </a>
    );
  }
  return (
    <a href={href} title={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function languageOf(pre: Element | undefined): string | null {
  const code = pre?.children[0];
  if (code?.type !== 'element' || !Array.isArray(code.properties.className)) return null;
  const name = code.properties.className.find((part) => typeof part === 'string' && part.startsWith('language-'));
  return typeof name === 'string' ? name.slice('language-'.length) : null;
}
