import { Button } from '@/components/ui/button';
import { KeyboardIcon, MenuIcon, PlusIcon } from '@/components/ui/icons';
import { chatPath } from '@/lib/chat-address';
import { navigate } from '@/lib/router';
import { ModelPicker } from './model-picker';

interface ChatHeaderProps {
  title: string;
  models: string[];
  model: string;
  onModel: (model: string) => void;
  /** There is no room for the list beside the window at the moment. */
  listHidden: boolean;
  onOpenList: () => void;
  onHelp: () => void;
}

export function ChatHeader({ title, models, model, onModel, listHidden, onOpenList, onHelp }: ChatHeaderProps) {
  return (
    <header className="flex h-14 shrink-0 items-center gap-1 border-b px-2 md:px-6">
      <Button variant="ghost" size="icon" className={listHidden ? undefined : 'md:hidden'} data-opens-drawer aria-label="Open the chat list" onClick={onOpenList}>
        <MenuIcon />
      </Button>
      <h1 className="min-w-0 flex-1 truncate px-1 text-[0.95rem] font-semibold">{title}</h1>
      <ModelPicker models={models} value={model} onChange={onModel} />
      <Button
        variant="ghost"
        size="icon"
        className="hidden text-muted md:inline-flex"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts"
        onClick={onHelp}
      >
        <KeyboardIcon />
      </Button>
      <Button variant="ghost" size="icon" className="md:hidden" aria-label="New chat" onClick={() => navigate(chatPath(null))}>
        <PlusIcon />
      </Button>
    </header>
  );
}
