import { lazy, Suspense } from 'react';

const load = () => import('./markdown-view');
const MarkdownView = lazy(load);

/** For when the browser has nothing else to do: the first answer then needs no wait. */
export function preloadMarkdown(): void {
  void load().then(({ warmUp }) => setTimeout(warmUp)).catch(() => undefined);
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
