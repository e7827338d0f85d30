import { useId } from 'react';
import { AlertIcon } from '@/components/ui/icons';
import { useOnline } from '@/lib/use-online';
import type { Chat } from '../use-chat';
import { Composer } from './composer';
import { QuotaLine, useQuotaUsedUp } from './quota-line';

interface ChatFooterProps {
  chat: Chat;
  maxLength: number;
  onSend: (text: string) => void;
}

/** Where a message is written, and what keeps it from being sent. */
export function ChatFooter({ chat: { key, reply, runtime, writing }, maxLength, onSend }: ChatFooterProps) {
  const quotaId = useId();
  const hintId = useId();
  const usedUp = useQuotaUsedUp();
  const online = useOnline();
  return (
    <div className="shrink-0 pb-[max(0.75rem,env(safe-area-inset-bottom))]">
      <div className="mx-auto w-full max-w-3xl px-3 md:px-6">
        <p role="status" className={online ? 'sr-only' : 'mb-2 flex items-center justify-center gap-1.5 text-sm text-warning [&_svg]:size-4'}>
          {!online && (
            <>
              <AlertIcon /> You’re offline. What you write is kept.
            </>
          )}
        </p>
        <Composer
          chatKey={key}
          maxLength={maxLength}
          writing={writing}
          stopping={reply?.stopping === true}
          blockedBy={writing ? hintId : usedUp ? quotaId : null}
          onSend={onSend}
          onStop={() => void runtime.stop(key)}
        />
        <div className="mt-2 flex justify-center gap-4 px-3 text-xs text-muted sm:justify-between">
          <span id={hintId} className={usedUp ? 'hidden' : 'hidden sm:inline'}>
            {writing ? 'You can send again once the answer is complete, or stopped' : 'Enter to send, Shift + Enter for a new line'}
          </span>
          <QuotaLine id={quotaId} />
        </div>
      </div>
    </div>
  );
}
