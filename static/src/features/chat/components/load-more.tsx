import { useEffect, useRef, type RefObject } from 'react';
import { Button } from '@/components/ui/button';

/** The next page is fetched when this much is left below what is seen. */
const AHEAD = '400px';

interface LoadMoreProps {
  query: {
    hasNextPage: boolean;
    isFetchingNextPage: boolean;
    isFetchNextPageError: boolean;
    data: unknown;
    fetchNextPage: () => unknown;
  };
  /** What scrolls. */
  frame: RefObject<HTMLElement | null>;
}

/** The end of a list that has more: fetches by itself when it comes near, and by hand where that failed. */
export function LoadMore({ query, frame }: LoadMoreProps) {
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, data, fetchNextPage } = query;
  const end = useRef<HTMLButtonElement>(null);
  const ready = hasNextPage && !isFetchingNextPage && !isFetchNextPageError;

  // Anew after each page: one that leaves the end in sight calls for the next.
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
    // Not disabled while it loads: that would take the focus from who has pressed it.
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
