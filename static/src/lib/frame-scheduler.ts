/** How often a page that is not shown catches up; it gets no animation frames. */
const HIDDEN_MS = 250;
/** So much of the time may go into drawing: after a run that took 5 ms the next one is 33 ms away. */
const SHARE = 0.15;
const LONGEST_PAUSE_MS = 200;

/**
 * Gathers many requests into one call per animation frame: a model may write 1,000 tokens a second,
 * a screen shows 60 pictures. Where a call is costly, by its work or by a slow device, it leaves frames out,
 * so that there is always time for the reader. Before it comes `prepare`, which does a part of the work ahead
 * and says whether there is more: each part is a task of its own, between which keys and clicks are answered.
 */
export function createFrameScheduler(run: () => void, prepare: () => boolean = () => false) {
  let cancelPending: (() => void) | null = null;
  let pauseUntil = 0;
  let preparingSince: number | null = null;
  let preparedMs = 0;

  function fire(): void {
    cancelPending?.();
    cancelPending = null;
    const began = performance.now() - preparedMs;
    preparedMs = 0;
    preparingSince = null;
    run();
    // Layout and paint, which come before the next timer, are part of what it costs.
    setTimeout(() => {
      pauseUntil = began + Math.min(LONGEST_PAUSE_MS, (performance.now() - began) / SHARE);
    });
  }

  /** One part, and whether to go on: as long as a pause at most, and what is left then is done by the run. */
  function preparePart(): boolean {
    const began = performance.now();
    preparingSince ??= began;
    const more = began - preparingSince < LONGEST_PAUSE_MS && prepare();
    preparedMs += performance.now() - began;
    return more;
  }

  function prepareThenFire(): void {
    if (!preparePart()) {
      onNextFrame();
      return;
    }
    const timer = setTimeout(prepareThenFire);
    cancelPending = () => clearTimeout(timer);
  }

  /** What the last run cost is known a little after it, so a frame that was asked for meanwhile is looked at again. */
  function whenRested(then: () => void): void {
    const pause = pauseUntil - performance.now();
    if (pause <= 0) {
      then();
      return;
    }
    const timer = setTimeout(prepareThenFire, pause);
    cancelPending = () => clearTimeout(timer);
  }

  function onNextFrame(): void {
    if (document.visibilityState === 'hidden') {
      const timer = setTimeout(fire, HIDDEN_MS);
      cancelPending = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(() => {
        clearTimeout(timer);
        whenRested(fire);
      });
      // A frame asked for just before the page was hidden never comes.
      const timer = setTimeout(fire, HIDDEN_MS);
      cancelPending = () => {
        cancelAnimationFrame(frame);
        clearTimeout(timer);
      };
    }
  }

  return {
    request(): void {
      if (cancelPending === null) whenRested(prepareThenFire);
    },
    /** Runs now if something is waiting. */
    flush(): void {
      if (cancelPending !== null) fire();
    },
    /** Runs no more; what a last drawing will need is prepared. */
    async end(): Promise<void> {
      this.cancel();
      while (preparePart()) await new Promise((resolve) => setTimeout(resolve));
    },
    cancel(): void {
      cancelPending?.();
      cancelPending = null;
      preparingSince = null;
    },
  };
}
