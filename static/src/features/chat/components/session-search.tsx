import { useInfiniteQuery } from '@tanstack/react-query';
import type { RefObject } from 'react';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { toApiError } from '@/lib/api/errors';
import type { Session, SessionListItem } from '@/lib/api/types';
import { markWords } from '@/lib/mark-words';
import { searchQuery } from '../api/list-sessions';
import { LoadMore } from './load-more';
import { SkeletonRows } from './session-list';
import { SessionRow, type SessionRowProps } from './session-row';

interface SessionSearchProps {
  /** The text to search for, not empty. */
  words: string;
  /** The element that scrolls. */
  frame: RefObject<HTMLElement | null>;
  rowOf: (session: Session) => SessionRowProps;
}

/** The results, archived chats among them. */
export function SessionSearch({ words, frame, rowOf }: SessionSearchProps) {
  const found = useInfiniteQuery(searchQuery(words));
  const items = (found.data?.pages ?? []).flatMap((page) => page.items);
  const settled = !found.isFetching || found.isFetchingNextPage;

  function statusOf(): string {
    if (found.isPending || (items.length === 0 && !settled)) return 'Searching…';
    return found.data === undefined ? '' : howMany(items.length, found.hasNextPage);
  }

  return (
    <>
      <p role="status" className="px-3 pt-2 pb-1 text-xs font-medium text-muted">
        {statusOf()}
      </p>
      {found.isPending && <SkeletonRows />}
      {found.isError && found.data === undefined && (
        <ErrorNotice error={toApiError(found.error)} className="m-2">
          <Button size="small" variant="outline" onClick={() => void found.refetch()}>
            Try again
          </Button>
        </ErrorNotice>
      )}
      {found.data !== undefined && items.length === 0 && settled && (
        <p className="px-3 py-2 text-sm text-balance text-muted">
          All words have to be in a chat’s name, or in one of its messages. The last one may be unfinished.
        </p>
      )}
      {items.length > 0 && (
        <ul aria-label="Found chats" className={found.isPlaceholderData ? 'opacity-60' : undefined}>
          {items.map((item) => (
            <SessionRow key={item.id} {...rowOf(item)}>
              <FoundChat item={item} words={words} />
            </SessionRow>
          ))}
        </ul>
      )}
      <LoadMore query={found} frame={frame} />
    </>
  );
}

function howMany(count: number, more: boolean): string {
  if (count === 0) return 'No chats found';
  return `${count}${more ? ' or more' : ''} ${count === 1 && !more ? 'chat' : 'chats'} found`;
}

function FoundChat({ item, words }: { item: SessionListItem; words: string }) {
  return (
    <>
      <span className="flex items-baseline gap-2">
        <span className="min-w-0 flex-1 truncate">
          <Marked text={item.title} words={words} />
        </span>
        {item.archived && <span className="shrink-0 text-xs font-normal text-muted">Archived</span>}
      </span>
      {item.match != null && item.match.message_id !== null && (
        <span className="mt-0.5 line-clamp-2 text-xs leading-normal font-normal break-words text-muted">
          <Marked text={aroundFirst(item.match.snippet, words)} words={words} />
        </span>
      )}
    </>
  );
}

const BEFORE = 30;

/** Two lines hold less than a snippet: it begins shortly before the first found word. */
function aroundFirst(snippet: string, words: string): string {
  const text = snippet.replace(/\s+/g, ' ');
  const [first, ...rest] = markWords(text, words);
  if (first === undefined || first.found || rest.length === 0 || first.text.length <= BEFORE * 1.5) return text;
  const near = first.text.slice(-BEFORE);
  return `…${near.slice(near.indexOf(' ') + 1)}${rest.map((piece) => piece.text).join('')}`;
}

/** Marks the words found. A result is text, and never taken for HTML. */
function Marked({ text, words }: { text: string; words: string }) {
  return markWords(text, words).map((piece, at) =>
    piece.found ? (
      <mark key={at} className="rounded-sm bg-(--mark) font-semibold text-foreground">
        {piece.text}
      </mark>
    ) : (
      <span key={at}>{piece.text}</span>
    ),
  );
}
