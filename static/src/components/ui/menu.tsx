import * as DropdownMenu from '@radix-ui/react-dropdown-menu';
import { useRef, useState, type ReactNode } from 'react';
import { cn } from '@/lib/class-names';

interface MenuProps {
  /** The button that opens it. */
  trigger: ReactNode;
  /** Runs once the menu is gone; true: the focus has been seen to. Otherwise it goes back to the button. */
  onClosed?: () => boolean;
  children: ReactNode;
}

export function Menu({ trigger, onClosed = () => false, children }: MenuProps) {
  const button = useRef<HTMLButtonElement>(null);
  // It is drawn in the part of the page that the button belongs to, where users of a screen reader expect it.
  const [home, setHome] = useState<HTMLElement | null>(null);
  return (
    // The modal kind hides the page from screen readers, while elements in it can still have the focus.
    <DropdownMenu.Root modal={false} onOpenChange={() => setHome(button.current?.closest<HTMLElement>('aside, [role="dialog"]') ?? null)}>
      <DropdownMenu.Trigger ref={button} asChild>
        {trigger}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={home}>
        <DropdownMenu.Content
          align="end"
          sideOffset={4}
          collisionPadding={8}
          onCloseAutoFocus={(event) => {
            if (onClosed()) event.preventDefault();
          }}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 overflow-y-auto rounded-xl border bg-raised p-1 shadow-lg"
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

interface MenuItemProps {
  icon: ReactNode;
  danger?: boolean;
  onSelect: () => void;
  children: ReactNode;
}

export function MenuItem({ icon, danger = false, onSelect, children }: MenuItemProps) {
  return (
    <DropdownMenu.Item
      onSelect={onSelect}
      className={cn(
        'flex min-h-9 cursor-pointer items-center gap-2.5 rounded-lg px-2.5 text-sm -outline-offset-2 select-none pointer-coarse:min-h-11 [&_svg]:size-4 [&_svg]:shrink-0',
        'data-highlighted:bg-hover',
        danger ? 'text-danger' : '[&_svg]:text-muted',
      )}
    >
      {icon}
      {children}
    </DropdownMenu.Item>
  );
}

export function MenuSeparator() {
  return <DropdownMenu.Separator className="mx-2.5 my-1 h-px bg-border" />;
}
