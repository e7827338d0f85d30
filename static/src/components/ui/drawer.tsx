import * as Dialog from '@radix-ui/react-dialog';
import type { ReactNode } from 'react';
import { Button } from './button';
import { CloseIcon } from './icons';

interface DrawerProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  children: ReactNode;
}

/**
 * Comes in from the left, with content that has no room beside the page. Its parent makes the page inert while it is
 * open. It is not Radix's modal kind: that would lock out the notices too, and with them the undo of an action in here.
 */
export function Drawer({ open, onOpenChange, title, children }: DrawerProps) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange} modal={false}>
      <Dialog.Portal>
        <div data-testid="backdrop" className="fixed inset-0 z-30 bg-black/45" />
        <Dialog.Content
          aria-describedby={undefined}
          onCloseAutoFocus={(event) => {
            // The element that had the focus lost it when it became inert.
            event.preventDefault();
            document.querySelector<HTMLElement>('[data-opens-drawer]')?.focus();
          }}
          onInteractOutside={(event) => {
            if (event.target instanceof Element && event.target.closest('[data-sonner-toaster]') !== null) event.preventDefault();
          }}
          onEscapeKeyDown={(event) => {
            // A field in it that Escape empties or closes gets the key first.
            if (event.target instanceof Element && event.target.closest('[data-own-escape]') !== null) event.preventDefault();
          }}
          className="fixed inset-y-0 left-0 z-40 flex w-[min(20rem,86vw)] flex-col border-r bg-surface shadow-xl"
        >
          <Dialog.Title className="sr-only">{title}</Dialog.Title>
          <Dialog.Close asChild>
            <Button variant="ghost" size="icon" className="absolute top-2.5 right-2" aria-label="Close the chat list">
              <CloseIcon />
            </Button>
          </Dialog.Close>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
