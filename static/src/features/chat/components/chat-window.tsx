import { useDeferredValue, useState } from 'react';
import { Button } from '@/components/ui/button';
import { ArrowDownIcon } from '@/components/ui/icons';
import type { Features } from '@/lib/api/types';
import { lastScreen, type ChatItem } from '../chat-view';
import { keepFocus } from '../text-field';
import { useChat } from '../use-chat';
import { useChatModel } from '../use-chat-model';
import { useChatShortcuts } from '../use-chat-shortcuts';
import { useEarlierMessages } from '../use-earlier-messages';
import { useMessageActions } from '../use-message-actions';
import { useStickToBottom } from '../use-stick-to-bottom';
import { Announcer } from './announcer';
import { ChatBody, EarlierMessages } from './chat-body';
import { ChatFooter } from './chat-footer';
import { ChatHeader } from './chat-header';
import type { MessageItemProps } from './message-item';
import { DRAWN_WHOLE, MessageList } from './message-list';
import { ShortcutsDialog } from './shortcuts-dialog';

interface ChatWindowProps {
  sessionId: string | null;
  features: Features;
  /** There is no room for the list beside the window at the moment. */
  listHidden: boolean;
  onOpenList: () => void;
  onToggleList: () => void;
  onSearch: () => void;
}

export function ChatWindow({ sessionId, features, listHidden, onOpenList, onToggleList, onSearch }: ChatWindowProps) {
  const chat = useChat(sessionId);
  const { key, runtime, reply, loaded, items, writing } = chat;
  const model = useChatModel(features, chat);
  const [helpOpen, setHelpOpen] = useState(false);

  const opened = items.length > 0 ? key : null;
  const long = items.length > DRAWN_WHOLE;
  // The messages above the first screenful are drawn once that is seen.
  const whole = useDeferredValue(opened, null) === opened || long;
  const drawn = whole ? items : lastScreen(items, window.innerHeight);
  const scroll = useStickToBottom(key, whole ? loaded?.messages[0]?.id : drawn[0]?.key, long);
  const { frame, content, away, stick } = scroll;
  const earlier = useEarlierMessages(chat, scroll, whole);

  const { actions, edit, versions } = useMessageActions(chat, model.sent, stick);
  useChatShortcuts(chat, versions, { onHelp: () => setHelpOpen(true), onSearch, onToggleList });

  function send(text: string): void {
    runtime.send(sessionId, text, { model: model.sent });
    stick();
  }

  function againOf(item: ChatItem): (() => void) | null {
    if (item.error !== null) return item.error.retryable || item.status === 'unsent' ? () => runtime.retry(key) : null;
    const { message } = item;
    if (message === null || sessionId === null) return null;
    return () => runtime.regenerate(sessionId, message, model.sent);
  }

  function retryOf(item: ChatItem): (() => void) | null {
    const again = againOf(item);
    if (again === null) return null;
    return () => {
      again();
      keepFocus();
    };
  }

  const lastQuestion = items.findLastIndex(({ role }) => role === 'user');
  function propsOf(item: ChatItem, index: number): MessageItemProps {
    const last = index === items.length - 1;
    const question = item.message?.parent_id ?? '';
    const version = item.role === 'assistant' ? versions[question] : undefined;
    return {
      item,
      reconnecting: reply?.reconnecting === true && last,
      onRetry: last ? retryOf(item) : null,
      actions,
      version: version === undefined ? null : (item.versions.find(({ id }) => id === version.id) ?? null),
      changeable: !writing && sessionId !== null && (item.role === 'user' ? index === lastQuestion : last),
      editing: !writing && edit !== undefined && item.message?.id === edit.id ? edit.text : null,
      maxLength: features.limits.max_message_length,
      showsModel: features.models.length > 1,
    };
  }

  return (
    <main className="flex h-full min-w-0 flex-1 flex-col">
      <ChatHeader
        title={chat.title}
        models={features.models}
        model={model.model}
        onModel={model.choose}
        listHidden={listHidden}
        onOpenList={onOpenList}
        onHelp={() => setHelpOpen(true)}
      />
      <div className="relative min-h-0 flex-1">
        <div
          ref={frame}
          onScroll={earlier.onFrameScroll}
          data-testid="messages"
          className="h-full overflow-y-auto contain-content overscroll-contain [overflow-anchor:none]"
        >
          <div ref={content} className="mx-auto flex min-h-full w-full max-w-3xl flex-col px-4 pt-6 pb-8 md:px-6">
            <ChatBody chat={chat}>
              {whole && <EarlierMessages chat={chat} onShow={earlier.show} />}
              <div>
                <MessageList
                  items={drawn}
                  frame={frame}
                  heights={earlier.heights}
                  offset={earlier.offset}
                  propsOf={(item, index) => propsOf(item, index + items.length - drawn.length)}
                />
              </div>
            </ChatBody>
          </div>
        </div>
        {away && (
          <Button
            variant="outline"
            size="icon"
            className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-md"
            aria-label="Go to the newest message"
            onClick={stick}
          >
            <ArrowDownIcon />
          </Button>
        )}
      </div>
      <ChatFooter chat={chat} maxLength={features.limits.max_message_length} onSend={send} />
      <Announcer reply={reply} />
      <ShortcutsDialog open={helpOpen} onOpenChange={setHelpOpen} />
    </main>
  );
}
