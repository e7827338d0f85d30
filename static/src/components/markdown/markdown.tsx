import { lazy, Suspense } from 'react';
import type * as View from './markdown-view';

/** Once it has been loaded. */
let view: typeof View | undefined;

async function load(): Promise<typeof View> {
  view = await import('./markdown-view');
  return view;
}
const MarkdownView = lazy(load);

/** For a chat that is being opened: its messages need it at once. */
export function preloadMarkdown(): void {
  load().catch(() => undefined); // the component that draws with it reports the failure
}

/** Loads it when the browser has nothing else to do, so that the first answer needs no wait. */
export function warmUpMarkdown(): void {
  load().then(({ warmUp }) => setTimeout(warmUp)).catch(() => undefined);
}

/** Does a part of the work of drawing a growing text, and returns whether there is more. */
export function prepareMarkdown(text: string): boolean {
  return view?.parseAhead(text) ?? false;
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
