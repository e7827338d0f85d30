import { defaultRangeExtractor, useVirtualizer, type Range } from '@tanstack/react-virtual';
import { useCallback, type RefObject } from 'react';
import type { ChatItem } from '../chat-view';
import { MessageItem, type MessageItemProps } from './message-item';

/** Up to here all messages are in the page; above it only those near the part that is read. */
export const DRAWN_WHOLE = 60;
const GUESSED_HEIGHT = 160;
const GAP = 24;
const OVERSCAN = 4;

interface MessageListProps {
  items: ChatItem[];
  frame: RefObject<HTMLDivElement | null>;
  /** The heights of messages that were drawn before, by their keys. */
  heights: Map<string, number>;
  /** How far below the top of the scrolled content the list begins. */
  offset: number;
  propsOf: (item: ChatItem, index: number) => MessageItemProps;
}

export function MessageList({ items, frame, heights, offset, propsOf }: MessageListProps) {
  if (items.length > DRAWN_WHOLE) return <LongList items={items} frame={frame} heights={heights} offset={offset} propsOf={propsOf} />;
  return (
    <ol aria-label="Messages" className="flex flex-col gap-6">
      {items.map((item, index) => (
        <li key={item.key} data-key={item.key}>
          <MessageItem {...propsOf(item, index)} />
        </li>
      ))}
    </ol>
  );
}

function LongList({ items, frame, heights, offset, propsOf }: MessageListProps) {
  const last = items.length - 1;
  // The newest message is always drawn: it is the one that is written, and the end that scrolling holds on to.
  const rangeExtractor = useCallback(
    (range: Range) => {
      const indexes = defaultRangeExtractor(range);
      return indexes.at(-1) === last ? indexes : [...indexes, last];
    },
    [last],
  );
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing of it is handed on to a memoised component
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => frame.current,
    // It takes over when earlier messages have come in above those that were drawn, which stay where they are.
    initialOffset: () => {
      const added = items.filter(({ key }) => !heights.has(key)).length;
      return (frame.current?.scrollTop ?? 0) + added * (GUESSED_HEIGHT + GAP);
    },
    getItemKey: (index) => items[index]?.key ?? index,
    estimateSize: (index) => heights.get(items[index]?.key ?? '') ?? GUESSED_HEIGHT,
    // Keeps the part that is read in place when earlier messages come in above it.
    anchorTo: 'end',
    gap: GAP,
    overscan: OVERSCAN,
    scrollMargin: offset,
    rangeExtractor,
  });
  return (
    <ol aria-label="Messages" className="relative shrink-0" style={{ height: virtualizer.getTotalSize() }}>
      {virtualizer.getVirtualItems().map(({ key, index, start }) => {
        const item = items[index];
        return item === undefined ? null : (
          <li
            key={key}
            ref={virtualizer.measureElement}
            data-index={index}
            data-key={item.key}
            aria-setsize={items.length}
            aria-posinset={index + 1}
            className="absolute inset-x-0 top-0"
            style={{ transform: `translateY(${start - offset}px)` }}
          >
            <MessageItem {...propsOf(item, index)} />
          </li>
        );
      })}
    </ol>
  );
}
