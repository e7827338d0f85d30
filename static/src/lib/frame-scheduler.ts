/** How often a page that is not shown catches up; it gets no animation frames. */
const HIDDEN_MS = 250;

/**
 * Gathers many requests into one call per animation frame: a model may write 1,000 tokens a second,
 * a screen shows 60 pictures.
 */
export function createFrameScheduler(run: () => void) {
  let cancelPending: (() => void) | null = null;

  function fire(): void {
    cancelPending?.();
    cancelPending = null;
    run();
  }

  return {
    request(): void {
      if (cancelPending !== null) return;
      if (document.visibilityState === 'hidden') {
        const timer = setTimeout(fire, HIDDEN_MS);
        cancelPending = () => clearTimeout(timer);
      } else {
        const frame = requestAnimationFrame(fire);
        // A frame asked for just before the page was hidden never comes.
        const timer = setTimeout(fire, HIDDEN_MS);
        cancelPending = () => {
          cancelAnimationFrame(frame);
          clearTimeout(timer);
        };
      }
    },
    /** Runs now if something is waiting. */
    flush(): void {
      if (cancelPending !== null) fire();
    },
    cancel(): void {
      cancelPending?.();
      cancelPending = null;
    },
  };
}
