import { memo } from 'react';
import { CopyButton } from '@/components/copy-button';
import { Markdown } from '@/components/markdown/markdown';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { ApiError } from '@/lib/api/errors';
import { formatFullTime, formatTime } from '@/lib/format-time';
import type { ChatItem } from '../chat-view';

interface MessageItemProps {
  item: ChatItem;
  reconnecting: boolean;
  /** Null where it can't be tried again. */
  onRetry: (() => void) | null;
  onTakeBack: () => void;
}

export const MessageItem = memo(function MessageItem(props: MessageItemProps) {
  return <li>{props.item.role === 'user' ? <Question {...props} /> : <Answer {...props} />}</li>;
}, sameItem);

function Question({ item, onRetry, onTakeBack }: MessageItemProps) {
  return (
    <article aria-label="Your message" data-status={item.status} className="group flex flex-col items-end">
      <h2 className="sr-only">You</h2>
      <div className="max-w-[88%] rounded-2xl rounded-br-md bg-accent px-4 py-2.5 leading-relaxed break-words whitespace-pre-wrap sm:max-w-[80%]">
        {item.content}
      </div>
      <Time iso={item.createdAt} />
      {item.status === 'unsent' && item.error !== null && (
        <ErrorNotice error={item.error} className="mt-2 w-full max-w-md">
          {onRetry !== null && (
            <Button size="small" variant="outline" onClick={onRetry}>
              Try again
            </Button>
          )}
          <Button size="small" variant="ghost" onClick={onTakeBack}>
            Edit message
          </Button>
        </ErrorNotice>
      )}
    </article>
  );
}

function Answer({ item, reconnecting, onRetry }: MessageItemProps) {
  const writing = item.status === 'streaming' || item.status === 'waiting';
  const error = item.error ?? storedFailure(item);
  return (
    <article aria-label="Answer" aria-busy={writing} data-status={item.status} className="group">
      <h2 className="sr-only">Assistant</h2>
      {item.reasoning !== '' && (
        <details className="mb-3 rounded-xl border px-4 py-2 text-sm text-muted">
          <summary className="cursor-pointer font-medium">{writing && item.content === '' ? 'Thinking…' : 'Reasoning'}</summary>
          <div className="mt-2 leading-relaxed break-words whitespace-pre-wrap">{item.reasoning}</div>
        </details>
      )}
      {item.content !== '' && <Markdown text={item.content} growing={writing} />}
      {writing && item.content === '' && <TypingIndicator />}
      {reconnecting && writing && <p className="mt-2 text-sm text-muted">Connection lost. Reconnecting…</p>}
      {!writing && (
        <div className="mt-1.5 -ml-2 flex min-h-8 items-center gap-1">
          {item.content !== '' && <CopyButton label="Copy answer" getText={() => item.content} />}
          <Time iso={item.createdAt} />
          {NOTES[item.status] !== undefined && <span className="text-xs text-muted">· {NOTES[item.status]}</span>}
        </div>
      )}
      {!writing && error !== null && (
        <ErrorNotice error={error} className="mt-2 max-w-xl">
          {onRetry !== null && (
            <Button size="small" variant="outline" onClick={onRetry}>
              Try again
            </Button>
          )}
        </ErrorNotice>
      )}
    </article>
  );
}

const NOTES: Partial<Record<ChatItem['status'], string>> = { stopped: 'Stopped', interrupted: 'Cut off', failed: 'Failed' };

/** After a reload only the status of a failed answer is known, not what had gone wrong. */
function storedFailure(item: ChatItem): ApiError | null {
  if (item.status === 'interrupted') return new ApiError(0, 'interrupted', 'The answer was cut off.', true);
  if (item.status === 'failed') return new ApiError(0, 'upstream_error', 'The model couldn’t finish this answer.', true);
  return null;
}

function Time({ iso }: { iso: string }) {
  if (iso === '') return null;
  return (
    <time dateTime={iso} title={formatFullTime(iso)} className="mt-1 px-1 text-xs text-muted group-[article]:mt-0">
      {formatTime(iso)}
    </time>
  );
}

function TypingIndicator() {
  return (
    <div className="flex h-7 items-center gap-1.5" data-testid="typing-indicator">
      <span className="sr-only">The answer is on its way</span>
      {[0, 1, 2].map((dot) => (
        <span key={dot} aria-hidden="true" className="typing-dot size-2 rounded-full bg-muted" />
      ))}
    </div>
  );
}

/** Items are made anew with each frame; what is drawn of them mostly stays. */
function sameItem(a: MessageItemProps, b: MessageItemProps): boolean {
  return (
    a.item.key === b.item.key &&
    a.item.content === b.item.content &&
    a.item.reasoning === b.item.reasoning &&
    a.item.status === b.item.status &&
    a.item.error === b.item.error &&
    a.item.createdAt === b.item.createdAt &&
    a.reconnecting === b.reconnecting &&
    (a.onRetry === null) === (b.onRetry === null)
  );
}
