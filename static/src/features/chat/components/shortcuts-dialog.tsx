import * as Dialog from '@radix-ui/react-dialog';
import { useRef } from 'react';
import { Button } from '@/components/ui/button';
import { CloseIcon } from '@/components/ui/icons';
import { SHORTCUTS, singleKeys, useSingleKeys } from '../shortcuts';

interface ShortcutsDialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

export function ShortcutsDialog({ open, onOpenChange }: ShortcutsDialogProps) {
  const opener = useRef<Element | null>(null);
  const singleKey = useSingleKeys();
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Dialog.Content
          aria-describedby={undefined}
          onOpenAutoFocus={() => {
            opener.current = document.activeElement;
          }}
          onCloseAutoFocus={(event) => {
            // Opened by a key, it has no trigger to go back to by itself.
            event.preventDefault();
            if (opener.current instanceof HTMLElement) opener.current.focus();
          }}
          className="fixed top-1/2 left-1/2 z-50 max-h-[85dvh] w-[min(28rem,calc(100vw-2rem))] -translate-x-1/2 -translate-y-1/2 overflow-y-auto rounded-2xl border bg-raised p-6 shadow-xl"
        >
          <div className="flex items-center justify-between gap-4">
            <Dialog.Title className="text-lg font-semibold">Keyboard shortcuts</Dialog.Title>
            <Dialog.Close asChild>
              <Button variant="ghost" size="icon" aria-label="Close">
                <CloseIcon />
              </Button>
            </Dialog.Close>
          </div>
          <dl className="mt-3 divide-y text-sm">
            {SHORTCUTS.map(({ name, label, keys }) => (
              <div key={name} className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-2.5">
                <dt>{label}</dt>
                <dd className="ml-auto flex gap-1">
                  {keys.map((key) => (
                    <Key key={key}>{key}</Key>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
          <label className="flex cursor-pointer items-center justify-between gap-4 border-t pt-3 text-sm">
            <span>
              <Key>?</Key> alone opens this list too
            </span>
            <input
              type="checkbox"
              checked={singleKey}
              onChange={(event) => singleKeys.set(event.target.checked)}
              className="size-5 shrink-0 accent-(--primary)"
            />
          </label>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function Key({ children }: { children: string }) {
  return <kbd className="rounded-md border border-strong-border bg-surface px-1.5 py-0.5 font-sans text-xs">{children}</kbd>;
}
