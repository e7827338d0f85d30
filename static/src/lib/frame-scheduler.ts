/** How often a page that is not shown catches up; it gets no animation frames. */
const HIDDEN_MS = 250;
/** The share of time that drawing may take: after a run of 5 ms the next one is 33 ms away. */
const SHARE = 0.15;
const LONGEST_PAUSE_MS = 200;

/**
 * Gathers many requests into one call per animation frame: a model may write 1,000 tokens a second,
 * a screen shows 60 pictures. If a call is costly, by its work or by a slow device, the scheduler leaves frames out, so
 * that there is always time for the reader. Before a call it runs `prepare`, which does a part of the work ahead and
 * returns whether there is more. Each part is a task of its own; keys and clicks are answered between them.
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
    // Layout and paint come before the next timer, and are part of the cost.
    setTimeout(() => {
      pauseUntil = began + Math.min(LONGEST_PAUSE_MS, (performance.now() - began) / SHARE);
    });
  }

  /** Does one part, and returns whether to go on: for a pause at most; the run does what is left then. */
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

  /** The cost of the last run is known a little after it, so a frame that was requested meanwhile is looked at again. */
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
    /** Runs no more; prepares what a last drawing will need. */
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
