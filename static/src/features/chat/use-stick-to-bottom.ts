import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

const NEAR_PX = 48;

/**
 * Keeps a scrolling element at its end while its content grows, until the reader scrolls up; near
 * the end it holds on again. `resetKey` changes with the content as a whole. `topKey` changes when something is put in
 * above the part that is read, which then stays where it is; a `selfAnchored` list does that itself.
 */
export function useStickToBottom(resetKey: string, topKey: string | undefined, selfAnchored: boolean) {
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const stuck = useRef(true);
  const lastTop = useRef(0);
  const lastHeight = useRef(0);
  const lastTopKey = useRef(topKey);
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    const element = frame.current;
    if (element === null) return;
    element.scrollTop = element.scrollHeight;
    lastTop.current = element.scrollTop;
  }, []);

  const stick = useCallback(() => {
    stuck.current = true;
    setAway(false);
    toEnd();
  }, [toEnd]);

  const release = useCallback(() => {
    stuck.current = false;
    lastHeight.current = frame.current?.scrollHeight ?? 0;
  }, []);

  const onScroll = useCallback(() => {
    const element = frame.current;
    if (element === null) return;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    // Growing content leaves the top where it is; only a reader moves it back.
    if (element.scrollTop < lastTop.current - 1 && left > 4) stuck.current = false;
    else if (left < NEAR_PX) stuck.current = true;
    lastTop.current = element.scrollTop;
    lastHeight.current = element.scrollHeight;
    setAway(!stuck.current && left >= NEAR_PX);
  }, []);

  useLayoutEffect(() => {
    const last = lastTopKey.current;
    lastTopKey.current = topKey;
    if (topKey === last || selfAnchored) return;
    const element = frame.current;
    if (element === null || stuck.current || topKey === undefined) return;
    element.scrollTop += element.scrollHeight - lastHeight.current;
  }, [topKey, selfAnchored]);

  useLayoutEffect(() => {
    stuck.current = true;
    toEnd();
  }, [resetKey, toEnd]);

  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (stuck.current) toEnd();
      else onScroll();
    });
    if (frame.current !== null) observer.observe(frame.current);
    if (content.current !== null) observer.observe(content.current);
    return () => observer.disconnect();
  }, [toEnd, onScroll]);

  return { frame, content, away, stick, release, onScroll };
}
