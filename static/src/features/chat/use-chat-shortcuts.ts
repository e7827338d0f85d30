import { toast } from 'sonner';
import type { Message } from '@/lib/api/types';
import { chatPath } from '@/lib/chat-address';
import { navigate } from '@/lib/router';
import { useShortcuts, type ShortcutName } from './shortcuts';
import { focusMessageField } from './text-field';
import type { Chat } from './use-chat';

interface Elsewhere {
  onHelp: () => void;
  onSearch: () => void;
  onToggleList: () => void;
}

/** The keys that work wherever the focus is. */
export function useChatShortcuts({ key, items, runtime, writing }: Chat, versions: Partial<Record<string, Message>>, { onHelp, onSearch, onToggleList }: Elsewhere): void {
  function copyAnswer(): boolean {
    const last = items.findLast(({ role, content }) => role === 'assistant' && content !== '');
    if (last === undefined) return false;
    const text = versions[last.message?.parent_id ?? '']?.content ?? last.content;
    navigator.clipboard.writeText(text).then(
      () => toast.success('Answer copied'),
      () => toast.error('Could not copy'),
    );
    return true;
  }

  useShortcuts((name: ShortcutName): boolean => {
    switch (name) {
      case 'help':
        onHelp();
        return true;
      case 'newChat':
        navigate(chatPath(null));
        return true;
      case 'search':
        onSearch();
        return true;
      case 'focusMessage':
        focusMessageField();
        return true;
      case 'stop':
        if (writing) void runtime.stop(key);
        return writing;
      case 'copyAnswer':
        return copyAnswer();
      case 'toggleList':
        onToggleList();
        return true;
      case 'notifications':
        // The toaster has the key itself.
        return false;
    }
  });
}
