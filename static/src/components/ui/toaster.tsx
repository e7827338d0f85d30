import { useEffect, useEffectEvent, useRef, type FocusEvent, type KeyboardEvent } from 'react';
import { Toaster as Sonner } from 'sonner';

/** Keeps a page's header in reach. */
const BELOW_HEADER = { top: '4rem', right: '1rem', left: '1rem' };

interface ToasterProps {
  /** Called when a notice that had the focus is gone, and the element that had it before is too. */
  onFocusLost: () => void;
}

/**
 * Sonner's notices, with more keyboard support. The key that leads to them goes to the newest one, not to the list
 * around them. Escape closes the one that has the focus. A notice that ends with the focus gives it back.
 */
export function Toaster({ onFocusLost }: ToasterProps) {
  const home = useRef<HTMLDivElement>(null);
  const leave = useEffectEvent(() => {
    const focused = document.activeElement;
    if (!(focused instanceof HTMLElement) || focused.closest('[data-sonner-toast][data-removed="true"]') === null) return;
    focused.blur(); // Sonner then gives the focus to the element that had it before
    if (document.activeElement === document.body) onFocusLost();
  });
  useEffect(() => {
    if (home.current === null) return undefined;
    const observer = new MutationObserver(() => leave());
    observer.observe(home.current, { subtree: true, attributeFilter: ['data-removed'] });
    return () => observer.disconnect();
  }, []);

  function onFocus({ target }: FocusEvent): void {
    if (target.matches('[data-sonner-toaster]')) target.querySelector<HTMLElement>('li:not([data-removed="true"])')?.focus();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key !== 'Escape' || !(event.target instanceof Element)) return;
    event.preventDefault(); // the key must not stop an answer too
    event.target.closest('li')?.querySelector<HTMLElement>('[data-close-button]')?.click();
  }

  return (
    <div ref={home} role="presentation" className="contents" data-own-escape onFocus={onFocus} onKeyDown={onKeyDown}>
      <Sonner
        position="top-right"
        offset={BELOW_HEADER}
        mobileOffset={BELOW_HEADER}
        theme="system"
        closeButton
        toastOptions={{
          classNames: {
            content: '!flex-1 !basis-[60%]',
            toast: '!flex-wrap !bg-raised !text-foreground !border-border !rounded-xl !shadow-lg',
            description: '!text-muted',
            closeButton: '!size-6 !bg-raised !text-foreground !border-border',
            cancelButton: '!h-8 !rounded-lg !border !border-border !bg-raised !px-3 !text-[0.8125rem] !text-foreground',
            actionButton: '!h-8 !rounded-lg !bg-primary !px-3 !text-[0.8125rem] !text-on-primary',
          },
        }}
      />
    </div>
  );
}
