import { useCallback, useLayoutEffect, useState } from 'react';
import type { Chat } from './use-chat';
import type { useStickToBottom } from './use-stick-to-bottom';

/** Earlier messages are fetched when this much is left above the part that is read. */
const LOAD_EARLIER_PX = 600;

/** Fetches what came before, when the reader comes near or asks, and keeps what a long list needs to hold its place. */
export function useEarlierMessages({ key, items, stored }: Chat, scroll: ReturnType<typeof useStickToBottom>, whole: boolean) {
  const { frame, content, away, release, onScroll } = scroll;
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = stored;
  const hasItems = items.length > 0;

  // Where the list begins in the scrolled content, to find the part of a long list that is drawn.
  const [heights] = useState(() => new Map<string, number>());
  const [offset, setOffset] = useState(0);
  useLayoutEffect(() => {
    setOffset(content.current?.querySelector('ol[aria-label="Messages"]')?.parentElement?.offsetTop ?? 0);
  }, [content, hasItems, whole, hasNextPage, key]);

  const show = useCallback(() => {
    content.current?.querySelectorAll<HTMLElement>('li[data-key]').forEach((element) => {
      heights.set(element.dataset.key ?? '', element.offsetHeight);
    });
    release();
    void fetchNextPage();
  }, [content, heights, release, fetchNextPage]);

  function onFrameScroll(): void {
    onScroll();
    const element = frame.current;
    if (element === null || !away || !hasNextPage || isFetchingNextPage || isFetchNextPageError) return;
    if (element.scrollTop < LOAD_EARLIER_PX) show();
  }

  return { heights, offset, show, onFrameScroll };
}
