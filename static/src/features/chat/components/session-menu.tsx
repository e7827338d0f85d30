import { useRef } from 'react';
import { Button } from '@/components/ui/button';
import { ArchiveIcon, DownloadIcon, MoreIcon, PencilIcon, PinIcon, TrashIcon, UnarchiveIcon, UnpinIcon } from '@/components/ui/icons';
import { Menu, MenuItem, MenuSeparator } from '@/components/ui/menu';
import type { Session } from '@/lib/api/types';
import type { SessionActions } from '../use-session-actions';

interface SessionMenuProps {
  session: Session;
  actions: SessionActions;
  onRename: () => void;
  /** Called after an action that may have moved or removed the row; the focus needs a new place. */
  onMoved: () => void;
}

export function SessionMenu({ session, actions, onRename, onMoved }: SessionMenuProps) {
  // Done once the menu has gone, as that takes the focus back.
  const chosen = useRef<(() => void) | null>(null);
  function moved(act: () => void): void {
    act();
    onMoved();
  }

  function onClosed(): boolean {
    const act = chosen.current;
    chosen.current = null;
    act?.();
    return act !== null;
  }

  return (
    <Menu
      onClosed={onClosed}
      trigger={
        <Button
          variant="ghost"
          size="iconSmall"
          data-row-menu
          className="mr-1 text-muted opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 hover:text-foreground data-[state=open]:opacity-100 pointer-coarse:size-11 pointer-coarse:opacity-100"
          aria-label={`Options for “${session.title}”`}
        >
          <MoreIcon />
        </Button>
      }
    >
      <MenuItem icon={<PencilIcon />} onSelect={() => (chosen.current = onRename)}>
        Rename
      </MenuItem>
      {!session.archived && (
        <MenuItem icon={session.pinned ? <UnpinIcon /> : <PinIcon />} onSelect={() => (chosen.current = () => moved(() => actions.setPinned(session, !session.pinned)))}>
          {session.pinned ? 'Unpin' : 'Pin'}
        </MenuItem>
      )}
      <MenuItem
        icon={session.archived ? <UnarchiveIcon /> : <ArchiveIcon />}
        onSelect={() => (chosen.current = () => moved(() => actions.setArchived(session, !session.archived)))}
      >
        {session.archived ? 'Move back to the list' : 'Archive'}
      </MenuItem>
      <MenuSeparator />
      <MenuItem icon={<DownloadIcon />} onSelect={() => actions.save(session, 'markdown')}>
        Export as Markdown
      </MenuItem>
      <MenuItem icon={<DownloadIcon />} onSelect={() => actions.save(session, 'json')}>
        Export as JSON
      </MenuItem>
      <MenuSeparator />
      <MenuItem icon={<TrashIcon />} danger onSelect={() => (chosen.current = () => moved(() => actions.remove(session)))}>
        Delete
      </MenuItem>
    </Menu>
  );
}
