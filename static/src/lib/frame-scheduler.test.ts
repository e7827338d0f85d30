import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFrameScheduler } from './frame-scheduler';

describe('createFrameScheduler', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'requestAnimationFrame', 'cancelAnimationFrame', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('runs once per frame, however often it is asked', () => {
    const run = vi.fn();
    const scheduler = createFrameScheduler(run);
    for (let count = 0; count < 100; count++) scheduler.request();
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('leaves frames out where a run takes long, and none where it is quick', () => {
    const runsIn = (costMs: number) => {
      // What a run costs passes on the clock while it runs.
      let spent = 0;
      const clock = performance.now.bind(performance);
      const spy = vi.spyOn(performance, 'now').mockImplementation(() => clock() + spent);
      const run = vi.fn(() => void (spent += costMs));
      const scheduler = createFrameScheduler(run);
      for (const end = clock() + 1000; clock() + spent < end; ) {
        scheduler.request();
        vi.advanceTimersByTime(1);
      }
      spy.mockRestore();
      return run.mock.calls.length;
    };
    expect(runsIn(0)).toBeGreaterThan(55);
    expect(runsIn(15), 'a hundred milliseconds apart').toBeLessThan(12);
  });

  it('prepares in tasks of their own until there is no more of it, and runs then', () => {
    const did: string[] = [];
    let parts = 3;
    const scheduler = createFrameScheduler(
      () => did.push('run'),
      () => {
        did.push('part');
        return --parts > 0;
      },
    );
    scheduler.request();
    expect(did, 'one part, and the thread is free again').toEqual(['part']);
    scheduler.request();
    vi.advanceTimersByTime(1000);
    expect(did).toEqual(['part', 'part', 'part', 'run']);
  });

  it('runs in the end where there is always more to prepare, and leaves frames out for what it took', () => {
    let spent = 0;
    const clock = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => clock() + spent);
    const run = vi.fn();
    const scheduler = createFrameScheduler(run, () => {
      spent += 50;
      return true;
    });
    scheduler.request();
    vi.advanceTimersByTime(100);
    expect(run).toHaveBeenCalledTimes(1);
    expect(spent).toBe(200);
  });

  it('ends with what is left prepared, and runs no more', async () => {
    const run = vi.fn();
    let parts = 3;
    const scheduler = createFrameScheduler(run, () => --parts > 0);
    scheduler.request();
    const ended = scheduler.end();
    await vi.advanceTimersByTimeAsync(1000);
    await ended;
    expect(parts).toBe(0);
    expect(run).not.toHaveBeenCalled();
  });

  it('still runs while the page is hidden', () => {
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden');
    const run = vi.fn();
    createFrameScheduler(run).request();
    vi.advanceTimersByTime(300);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('flushes what waits, and nothing when nothing waits', () => {
    const run = vi.fn();
    const scheduler = createFrameScheduler(run);
    scheduler.flush();
    scheduler.request();
    scheduler.flush();
    vi.advanceTimersByTime(1000);
    expect(run).toHaveBeenCalledTimes(1);
  });
});
