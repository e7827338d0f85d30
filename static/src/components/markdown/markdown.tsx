import { lazy, Suspense } from 'react';

let parseAhead: (text: string) => boolean = () => false;

async function load() {
  const view = await import('./markdown-view');
  parseAhead = view.parseAhead;
  return view;
}
const MarkdownView = lazy(load);

/** For when the browser has nothing else to do: the first answer then needs no wait. */
export function preloadMarkdown(): void {
  void load().then(({ warmUp }) => setTimeout(warmUp)).catch(() => undefined);
}

/** Does a part of what drawing a growing text will take, and says whether there is more. */
export function prepareMarkdown(text: string): boolean {
  return parseAhead(text);
}

interface MarkdownProps {
  text: string;
  growing?: boolean;
}

export function Markdown({ text, growing = false }: MarkdownProps) {
  return (
    <Suspense fallback={<div className="answer whitespace-pre-wrap">{text}</div>}>
      <MarkdownView text={text} growing={growing} />
    </Suspense>
  );
}
