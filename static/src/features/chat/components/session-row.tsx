import type { CSSProperties, MouseEvent, ReactNode, Ref } from 'react';
import { cn } from '@/lib/class-names';
import type { Session } from '@/lib/api/types';
import { chatPath } from '@/lib/chat-address';
import { navigate } from '@/lib/router';
import type { SessionActions } from '../use-session-actions';
import { SessionMenu } from './session-menu';
import { TitleEditor } from './title-editor';

export interface SessionRowProps {
  session: Session;
  active: boolean;
  renaming: boolean;
  maxTitleLength: number;
  actions: SessionActions;
  onNavigate: () => void;
  onRename: () => void;
  onRenamed: (title: string | null, byKey: boolean) => void;
  onMoved: () => void;
}

interface PlacedRowProps extends SessionRowProps {
  /** Shown in the link, in place of the title alone. */
  children?: ReactNode;
  /** Its place in a list that is drawn in part. */
  place?: { ref: Ref<HTMLLIElement>; style: CSSProperties; index: number; position: number; size: number } | undefined;
}

export function SessionRow({ session, active, renaming, maxTitleLength, actions, onNavigate, onRename, onRenamed, onMoved, children, place }: PlacedRowProps) {
  function open(event: MouseEvent): void {
    // With a modifier the browser opens it elsewhere.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(chatPath(session.id));
    onNavigate();
  }

  return (
    <li
      ref={place?.ref}
      style={place?.style}
      data-index={place?.index}
      aria-setsize={place?.size}
      aria-posinset={place?.position}
      data-session={session.id}
      className={cn(
        'group flex items-center rounded-lg text-sm transition-colors hover:bg-hover',
        active && 'bg-accent font-medium hover:bg-accent',
        place !== undefined && 'absolute inset-x-0 top-0',
      )}
    >
      {renaming ? (
        <TitleEditor title={session.title} maxLength={maxTitleLength} onDone={onRenamed} />
      ) : (
        <>
          <a
            href={chatPath(session.id)}
            onClick={open}
            aria-current={active ? 'page' : undefined}
            className="min-w-0 flex-1 rounded-lg py-2 pr-1 pl-3 -outline-offset-2 pointer-coarse:py-3"
            title={session.title}
          >
            {children ?? <span className="block truncate">{session.title}</span>}
          </a>
          <SessionMenu session={session} actions={actions} onRename={onRename} onMoved={onMoved} />
        </>
      )}
    </li>
  );
}
