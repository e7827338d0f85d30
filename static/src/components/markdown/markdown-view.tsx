import type { Element } from 'hast';
import { memo, useId, useMemo, useState } from 'react';
import ReactMarkdown, { type Components, type ExtraProps } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { GrowingMarkdown } from '@/lib/markdown-blocks';
import { CodeBlock } from './code-block';
import { useHighlight } from './use-highlight';

interface MarkdownViewProps {
  text: string;
  /** The last block may still change: it is drawn plainly until it stands. */
  growing: boolean;
}

/** Model output is untrusted: no raw HTML, no foreign images, and links that say where they lead and no more. */
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

/** Parses once for nothing: code that runs for the first time is slow, and then it isn't the first answer's. */
export function warmUp(): void {
  ReactMarkdown({ children: '# a\n\n1. **b** `c` [d](https://e.f)\n\n| g |\n| - |\n| h |\n\n> i\n\n```j\nk\n```', remarkPlugins, components, urlTransform: safeUrl });
}

interface BlockProps {
  text: string;
  standing: boolean;
  idPrefix: string;
}

const Block = memo(function Block({ text, standing, idPrefix }: BlockProps) {
  const plugins = useHighlight(standing && /^\s*(?:[-*+>]\s+|\d+[.)]\s+)*(?:`{3,}|~{3,})\s*\w/m.test(text));
  return (
    <div className="block">
      <ReactMarkdown
        remarkPlugins={remarkPlugins}
        remarkRehypeOptions={{ clobberPrefix: idPrefix }}
        rehypePlugins={plugins}
        components={components}
        urlTransform={safeUrl}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
});

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
  // would break the outline for who moves by headings. The eye still sees the difference.
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
