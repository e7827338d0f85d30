import { useRef, useState, type MouseEvent, type Ref } from 'react';
import { Button } from '@/components/ui/button';
import { ArchiveIcon, ChevronLeftIcon, LogoIcon, PlusIcon, SignOutIcon } from '@/components/ui/icons';
import { signOut } from '@/lib/api/sign-out';
import { toApiError } from '@/lib/api/errors';
import type { Features } from '@/lib/api/types';
import { chatPath } from '@/lib/chat-address';
import { leave, navigate } from '@/lib/router';
import { useDrafts } from '../drafts';
import { toastError } from '../toast-error';
import { useDebounced } from '../use-debounced';
import { useSessionRows } from '../use-session-rows';
import { SearchField } from './search-field';
import { SessionList } from './session-list';
import { SessionSearch } from './session-search';

interface SidebarProps {
  activeId: string | null;
  features: Features;
  onNavigate?: () => void;
  searchRef: Ref<HTMLInputElement>;
}

const SEARCH_AFTER_MS = 200;
const STAY = () => undefined;

/** Drawn beside the window, and again in the drawer of a small one: each has its own state. */
export function Sidebar({ activeId, features, onNavigate = STAY, searchRef }: SidebarProps) {
  const area = useRef<HTMLElement>(null);
  const drafts = useDrafts();
  const [archived, setArchived] = useState(false);
  const [typed, setTyped] = useState('');
  const words = useDebounced(typed.trim(), SEARCH_AFTER_MS);
  const rowOf = useSessionRows({ activeId, maxTitleLength: features.limits.max_title_length, area, onNavigate });

  function startNew(event: MouseEvent): void {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    navigate(chatPath(null));
    onNavigate();
  }

  async function leaveChat(): Promise<void> {
    try {
      await signOut();
      drafts.forget();
      leave.to('/sign-in');
    } catch (error) {
      toastError(toApiError(error));
    }
  }

  return (
    <>
      <div className="flex h-14 shrink-0 items-center gap-2.5 px-4 text-[0.95rem] font-semibold">
        <span className="text-2xl">
          <LogoIcon />
        </span>
        Chat
      </div>
      <div className="flex flex-col gap-2 px-3 pb-2">
        <Button asChild variant="outline" className="w-full justify-start">
          <a href={chatPath(null)} onClick={startNew} aria-current={activeId === null ? 'page' : undefined}>
            <PlusIcon />
            New chat
          </a>
        </Button>
        <SearchField ref={searchRef} value={typed} onChange={setTyped} onDown={() => area.current?.querySelector('a')?.focus()} />
      </div>
      {/* The focus goes here if the last row that had it is gone. */}
      <nav ref={area} tabIndex={-1} aria-label="Chats" className="min-h-0 flex-1 overflow-y-auto px-2 pb-2 -outline-offset-2">
        {words === '' ? (
          <>
            {archived && <h2 className="px-3 pt-1 text-sm font-semibold">Archived chats</h2>}
            <SessionList archived={archived} frame={area} rowOf={rowOf} />
          </>
        ) : (
          <SessionSearch words={words} frame={area} rowOf={rowOf} />
        )}
      </nav>
      <div className="shrink-0 px-2 pb-2">
        <Button
          variant="ghost"
          size="small"
          className="w-full justify-start font-normal text-muted pointer-coarse:h-11"
          onClick={() => {
            setArchived(!archived);
            setTyped('');
            if (area.current !== null) area.current.scrollTop = 0;
          }}
        >
          {archived ? <ChevronLeftIcon /> : <ArchiveIcon />}
          {archived ? 'Back to your chats' : 'Archived chats'}
        </Button>
      </div>
      <div className="flex shrink-0 items-center gap-2 border-t py-2 pr-2 pl-4">
        <span className="min-w-0 flex-1 truncate text-sm" title={features.user.id}>
          {features.user.id}
          {features.user.role === 'admin' && <span className="ml-1.5 text-xs text-muted">Admin</span>}
        </span>
        <Button variant="ghost" size="icon" aria-label="Sign out" title="Sign out" onClick={() => void leaveChat()}>
          <SignOutIcon />
        </Button>
      </div>
    </>
  );
}
