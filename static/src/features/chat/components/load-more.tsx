import { useEffect, useRef, type RefObject } from 'react';
import { Button } from '@/components/ui/button';

/** The next page is fetched when this much is left below the visible part. */
const AHEAD = '400px';

interface LoadMoreProps {
  query: {
    hasNextPage: boolean;
    isFetchingNextPage: boolean;
    isFetchNextPageError: boolean;
    data: unknown;
    fetchNextPage: () => unknown;
  };
  /** The element that scrolls. */
  frame: RefObject<HTMLElement | null>;
}

/** The end of a list that has more: it fetches by itself when it comes near, and by a button if that failed. */
export function LoadMore({ query, frame }: LoadMoreProps) {
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, data, fetchNextPage } = query;
  const end = useRef<HTMLButtonElement>(null);
  const ready = hasNextPage && !isFetchingNextPage && !isFetchNextPageError;

  // Again after each page: if the end is still in sight, the next page is needed.
  useEffect(() => {
    if (!ready || end.current === null) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) fetchNextPage();
      },
      { root: frame.current, rootMargin: AHEAD },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [ready, data, frame, fetchNextPage]);

  if (!hasNextPage) return null;
  return (
    // Not disabled while it loads: that would take the focus from the reader who has pressed it.
    <Button
      ref={end}
      variant="ghost"
      size="small"
      className="mt-2 w-full text-muted"
      aria-disabled={isFetchingNextPage}
      onClick={() => {
        if (!isFetchingNextPage) fetchNextPage();
      }}
    >
      {isFetchingNextPage ? 'Loading…' : isFetchNextPageError ? 'Could not load. Try again' : 'Show more'}
    </Button>
  );
}
