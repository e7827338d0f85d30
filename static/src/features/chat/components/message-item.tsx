import { memo, useEffect, useState } from 'react';
import { CopyButton } from '@/components/copy-button';
import { Markdown } from '@/components/markdown/markdown';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import { ChevronLeftIcon, ChevronRightIcon, PencilIcon, RegenerateIcon, ThumbDownIcon, ThumbUpIcon } from '@/components/ui/icons';
import { ApiError } from '@/lib/api/errors';
import type { Message } from '@/lib/api/types';
import { cn } from '@/lib/class-names';
import { formatDuration, formatFullTime, formatTime } from '@/lib/format-time';
import type { Rating } from '../api/rate-message';
import type { ChatItem } from '../chat-view';
import { QuestionEditor } from './question-editor';

/** The actions of a reader on messages; one object for the whole list, so that it seldom changes. */
export interface MessageActions {
  rate: (message: Message, rating: Rating) => void;
  regenerate: (message: Message) => void;
  showVersion: (version: Message) => void;
  edit: (message: Message) => void;
  changeEdit: (text: string) => void;
  saveEdit: (message: Message, text: string) => void;
  cancelEdit: () => void;
  takeBack: () => void;
}

export interface MessageItemProps {
  item: ChatItem;
  reconnecting: boolean;
  /** Null if it can't be tried again. */
  onRetry: (() => void) | null;
  actions: MessageActions;
  /** The answer to show, of several; null: the newest. */
  version: Message | null;
  /** The last question may be edited, and the last answer written again, while nothing is being written. */
  changeable: boolean;
  /** The text in its editor; null: it is not being edited. */
  editing: string | null;
  maxLength: number;
  showsModel: boolean;
}

export const MessageItem = memo(function MessageItem(props: MessageItemProps) {
  return props.item.role === 'user' ? <Question {...props} /> : <Answer {...props} />;
}, sameItem);

function Question({ item, onRetry, actions, changeable, editing, maxLength }: MessageItemProps) {
  const { message } = item;
  if (editing !== null && message !== null) {
    return (
      <article aria-label="Your message" data-status={item.status} className="flex flex-col">
        <h2 className="sr-only">You</h2>
        <QuestionEditor
          text={editing}
          maxLength={maxLength}
          error={item.error}
          onChange={actions.changeEdit}
          onSave={(text) => actions.saveEdit(message, text)}
          onCancel={actions.cancelEdit}
        />
      </article>
    );
  }
  return (
    <article aria-label="Your message" data-status={item.status} className="message-actions group flex flex-col items-end">
      <h2 className="sr-only">You</h2>
      <div className="max-w-[88%] rounded-2xl rounded-br-md bg-accent px-4 py-2.5 leading-relaxed break-words whitespace-pre-wrap sm:max-w-[80%]">
        {item.content}
      </div>
      <div className="mt-1 flex min-h-8 items-center gap-0.5">
        {message !== null && (
          <span className="message-action-group flex">
            <CopyButton label="Copy message" getText={() => item.content} />
            {changeable && (
              <ActionButton label="Edit message" onClick={() => actions.edit(message)}>
                <PencilIcon />
              </ActionButton>
            )}
          </span>
        )}
        <span className="px-1">
          <Time iso={item.createdAt} />
        </span>
      </div>
      {item.status === 'unsent' && item.error !== null && (
        <ErrorNotice error={item.error} className="mt-2 w-full max-w-md">
          {onRetry !== null && (
            <Button size="small" variant="outline" onClick={onRetry}>
              Try again
            </Button>
          )}
          <Button size="small" variant="ghost" onClick={actions.takeBack}>
            Edit message
          </Button>
        </ErrorNotice>
      )}
    </article>
  );
}

function Answer({ item, reconnecting, onRetry, actions, version, changeable, showsModel }: MessageItemProps) {
  const writing = item.status === 'streaming' || item.status === 'waiting';
  const earlier = writing || version === null || version.id === item.message?.id ? null : version;
  const message = earlier ?? item.message;
  const content = earlier?.content ?? item.content;
  const reasoning = earlier === null ? item.reasoning : (earlier.reasoning ?? '');
  const status = earlier?.status ?? item.status;
  const error = earlier === null ? (item.error ?? storedFailure(item)) : null;
  return (
    <article aria-label="Answer" aria-busy={writing} data-status={status} className="message-actions group">
      <h2 className="sr-only">Assistant</h2>
      {reasoning !== '' && (
        <details className="mb-3 rounded-xl border px-4 py-2 text-sm text-muted">
          <summary className="cursor-pointer font-medium">
            {writing && content === '' ? <Thinking since={item.thinkingSince} /> : thoughtFor(earlier === null ? item.thoughtMs : null)}
          </summary>
          <div className="mt-2 leading-relaxed break-words whitespace-pre-wrap">{reasoning}</div>
        </details>
      )}
      {content !== '' && <Markdown key={message?.id} text={content} growing={writing} />}
      {writing && content === '' && <TypingIndicator />}
      {reconnecting && writing && <p className="mt-2 text-sm text-muted">Connection lost. Reconnecting…</p>}
      {!writing && (
        <div className="mt-1.5 flex min-h-8 flex-wrap items-center gap-x-3">
          {/* The visible buttons come first: those of an earlier answer are seen only while it is pointed at. */}
          <span className="flex min-w-0 items-center text-xs text-muted">
            <Time iso={message?.created_at ?? item.createdAt} />
            {showsModel && message?.model != null && (
              <span className="max-w-56 truncate" title={message.model}>
                &nbsp;· {message.model}
              </span>
            )}
            {NOTES[status] !== undefined && <span className="whitespace-nowrap">&nbsp;· {NOTES[status]}</span>}
          </span>
          {item.versions.length > 1 && message !== null && (
            <VersionSwitch versions={item.versions} shown={message} onShow={actions.showVersion} />
          )}
          <span className="message-action-group -ml-2 flex">
            {content !== '' && <CopyButton label="Copy answer" getText={() => content} />}
            {content !== '' && message !== null && <Thumbs message={message} onRate={actions.rate} />}
            {changeable && item.message !== null && content !== '' && (
              <ActionButton label="Regenerate answer" onClick={() => item.message !== null && actions.regenerate(item.message)}>
                <RegenerateIcon />
              </ActionButton>
            )}
          </span>
        </div>
      )}
      {!writing && error !== null && (
        <ErrorNotice error={error} className="mt-2 max-w-xl">
          {onRetry === null ? null : (
            <Button size="small" variant="outline" onClick={onRetry}>
              Try again
            </Button>
          )}
        </ErrorNotice>
      )}
    </article>
  );
}

function Thumbs({ message, onRate }: { message: Message; onRate: MessageActions['rate'] }) {
  return (
    <span role="group" aria-label="Rate this answer" className="flex">
      {THUMBS.map(({ rating, label, Icon }) => {
        const pressed = message.feedback === rating;
        return (
          <ActionButton key={rating} label={label} pressed={pressed} onClick={() => onRate(message, pressed ? null : rating)}>
            <Icon filled={pressed} />
          </ActionButton>
        );
      })}
    </span>
  );
}

const THUMBS = [
  { rating: 'up', label: 'Good answer', Icon: ThumbUpIcon },
  { rating: 'down', label: 'Bad answer', Icon: ThumbDownIcon },
] as const;

interface VersionSwitchProps {
  versions: Message[];
  shown: Message;
  onShow: (version: Message) => void;
}

function VersionSwitch({ versions, shown, onShow }: VersionSwitchProps) {
  const at = versions.findIndex(({ id }) => id === shown.id);
  const previous = versions[at - 1];
  const next = versions[at + 1];
  return (
    <span role="group" aria-label="Answers to this question" className="-ml-2 flex items-center text-muted">
      <ActionButton label="Previous answer" disabled={previous === undefined} onClick={() => previous && onShow(previous)}>
        <ChevronLeftIcon />
      </ActionButton>
      <span role="status" className="text-xs tabular-nums">
        <span className="sr-only">Answer </span>
        {at + 1}/{versions.length}
      </span>
      <ActionButton label="Next answer" disabled={next === undefined} onClick={() => next && onShow(next)}>
        <ChevronRightIcon />
      </ActionButton>
    </span>
  );
}

interface ActionButtonProps {
  label: string;
  pressed?: boolean;
  disabled?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

/** A button that can't be used now stays in the tab order, so that the focus is not lost on it. */
function ActionButton({ label, pressed, disabled = false, onClick, children }: ActionButtonProps) {
  return (
    <Button
      variant="ghost"
      size="iconSmall"
      className={cn('aria-disabled:cursor-default aria-disabled:opacity-40', pressed === true ? 'text-primary' : 'text-muted')}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      aria-disabled={disabled || undefined}
      onClick={disabled ? undefined : onClick}
    >
      {children}
    </Button>
  );
}

const NOTES: Partial<Record<ChatItem['status'], string>> = { stopped: 'Stopped', interrupted: 'Cut off', failed: 'Failed' };

/** After a reload only the status of a failed answer is known, not its error. */
function storedFailure(item: ChatItem): ApiError | null {
  if (item.status === 'interrupted') return new ApiError(0, 'interrupted', 'The answer was cut off.', true);
  if (item.status === 'failed') return new ApiError(0, 'upstream_error', 'The model couldn’t finish this answer.', true);
  return null;
}

function Time({ iso }: { iso: string }) {
  if (iso === '') return null;
  return (
    <time dateTime={iso} title={formatFullTime(iso)} className="text-xs whitespace-nowrap text-muted">
      {formatTime(iso)}
    </time>
  );
}

function thoughtFor(ms: number | null): string {
  return ms === null ? 'Reasoning' : `Thought for ${formatDuration(ms)}`;
}

/** Counts up, silently. */
function Thinking({ since }: { since: number | null }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return since === null || now - since < 1000 ? 'Thinking…' : `Thinking… ${formatDuration(now - since)}`;
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

/** Items are made again with each frame; most of their drawing stays. */
function sameItem(a: MessageItemProps, b: MessageItemProps): boolean {
  return (
    a.item.key === b.item.key &&
    a.item.content === b.item.content &&
    a.item.reasoning === b.item.reasoning &&
    a.item.status === b.item.status &&
    a.item.thinkingSince === b.item.thinkingSince &&
    a.item.thoughtMs === b.item.thoughtMs &&
    a.item.error === b.item.error &&
    a.item.createdAt === b.item.createdAt &&
    a.item.message?.feedback === b.item.message?.feedback &&
    (a.item.message === null) === (b.item.message === null) &&
    a.item.versions.length === b.item.versions.length &&
    a.reconnecting === b.reconnecting &&
    a.actions === b.actions &&
    a.version === b.version &&
    a.changeable === b.changeable &&
    a.editing === b.editing &&
    a.maxLength === b.maxLength &&
    a.showsModel === b.showsModel &&
    (a.onRetry === null) === (b.onRetry === null)
  );
}
