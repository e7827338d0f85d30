import { defaultRangeExtractor, useVirtualizer, type Range } from '@tanstack/react-virtual';
import { useCallback, useMemo, useState, type RefObject } from 'react';
import type { Session } from '@/lib/api/types';
import type { SessionGroup } from '../session-groups';
import { SessionRow, type SessionRowProps } from './session-row';

/** Up to here all rows are in the page; of a longer list only those near the visible part. */
export const DRAWN_WHOLE = 120;
const NAME_HEIGHT = 40;
const ROW_HEIGHT = 36;
const OVERSCAN = 12;

interface SessionGroupsProps {
  groups: SessionGroup[];
  /** The element that scrolls. */
  frame: RefObject<HTMLElement | null>;
  rowOf: (session: Session) => SessionRowProps;
}

export function SessionGroups({ groups, frame, rowOf }: SessionGroupsProps) {
  const count = groups.reduce((sum, { members }) => sum + members.length, 0);
  if (count > DRAWN_WHOLE) return <LongList groups={groups} frame={frame} rowOf={rowOf} />;
  return groups.map(({ name, members }) => (
    <section key={name} aria-label={name}>
      <GroupName>{name}</GroupName>
      <ul>
        {members.map((session) => (
          <SessionRow key={session.id} {...rowOf(session)} />
        ))}
      </ul>
    </section>
  ));
}

function GroupName({ children }: { children: string }) {
  return <h2 className="px-3 pt-4 pb-1 text-xs font-medium text-muted">{children}</h2>;
}

/** The same sections and lists. It draws all names, and only the rows that are near, each at its place. */
function LongList({ groups, frame, rowOf }: SessionGroupsProps) {
  const { keys, names } = useMemo(() => {
    const all: string[] = [];
    const starts: number[] = [];
    for (const { name, members } of groups) {
      starts.push(all.length);
      all.push(name, ...members.map(({ id }) => id));
    }
    return { keys: all, names: starts };
  }, [groups]);
  // The row that has the focus stays, however far it is scrolled away.
  const [focused, setFocused] = useState<string | null>(null);
  const kept = focused === null ? -1 : keys.indexOf(focused);
  const rangeExtractor = useCallback(
    (range: Range) => [...new Set([...names, ...(kept < 0 ? [] : [kept]), ...defaultRangeExtractor(range)])].sort((a, b) => a - b),
    [names, kept],
  );
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing of it is handed on to a memoised component
  const virtualizer = useVirtualizer({
    count: keys.length,
    getScrollElement: () => frame.current,
    initialOffset: () => frame.current?.scrollTop ?? 0,
    getItemKey: (index) => keys[index] ?? index,
    estimateSize: (index) => (names.includes(index) ? NAME_HEIGHT : ROW_HEIGHT),
    overscan: OVERSCAN,
    rangeExtractor,
  });
  const items = new Map(virtualizer.getVirtualItems().map((item) => [item.index, item]));
  return (
    <div
      className="relative"
      style={{ height: virtualizer.getTotalSize() }}
      onFocus={(event) => setFocused(event.target.closest<HTMLElement>('[data-session]')?.dataset.session ?? null)}
    >
      {groups.map(({ name, members }, number) => {
        const first = names[number] ?? 0;
        const head = items.get(first);
        if (head === undefined) return null;
        return (
          <section key={name} aria-label={name} className="absolute inset-x-0 top-0" style={{ transform: `translateY(${head.start}px)` }}>
            <div ref={virtualizer.measureElement} data-index={first}>
              <GroupName>{name}</GroupName>
            </div>
            <ul className="relative">
              {members.map((session, at) => {
                const item = items.get(first + 1 + at);
                if (item === undefined) return null;
                const style = { transform: `translateY(${item.start - head.end}px)` };
                const place = { ref: virtualizer.measureElement, style, index: item.index, position: at + 1, size: members.length };
                return <SessionRow key={session.id} {...rowOf(session)} place={place} />;
              })}
            </ul>
          </section>
        );
      })}
    </div>
  );
}
