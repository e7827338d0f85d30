import { useEffect, useId, useLayoutEffect, useRef, type KeyboardEvent, type SyntheticEvent } from 'react';
import { Button } from '@/components/ui/button';
import { SendIcon, StopIcon } from '@/components/ui/icons';
import { cn } from '@/lib/class-names';
import { codePointLength } from '@/lib/text-size';
import { useDrafts, useOfDraft } from '../drafts';
import { fitHeight, hasKeyboard, isComposing, keepFocus } from '../text-field';

/** The counter shows itself when this share of the limit is used. */
const COUNTER_FROM = 0.8;

interface ComposerProps {
  chatKey: string;
  maxLength: number;
  writing: boolean;
  stopping: boolean;
  /** The id of the element that says why nothing can be sent now; null: it can. Writing goes on. */
  blockedBy: string | null;
  onSend: (content: string) => void;
  onStop: () => void;
}

export function Composer({ chatKey, maxLength, writing, stopping, blockedBy, onSend, onStop }: ComposerProps) {
  const drafts = useDrafts();
  const input = useRef<HTMLTextAreaElement>(null);
  const counterId = useId();
  const blank = useOfDraft(chatKey, (text) => text.trim() === '');
  const counted = Math.ceil(maxLength * COUNTER_FROM);
  // Lengths below the counter's threshold count as the same, so that most keys draw nothing.
  const length = useOfDraft(chatKey, (text) => Math.max(codePointLength(text), counted - 1));
  const tooLong = length > maxLength;
  const canSend = !writing && blockedBy === null && !tooLong && !blank;
  const showsCounter = length >= counted;

  // The field holds its text itself; changes of the draft from elsewhere come in here.
  useLayoutEffect(() => {
    const show = () => {
      const field = input.current;
      const text = drafts.get(chatKey);
      if (field !== null && field.value !== text) field.value = text;
      fitHeight(field);
    };
    show();
    return drafts.subscribe(show);
  }, [drafts, chatKey]);

  useEffect(() => {
    if (hasKeyboard()) input.current?.focus();
  }, [chatKey, input]);

  function send(): void {
    if (!canSend) return;
    const text = drafts.get(chatKey);
    drafts.set(chatKey, '');
    onSend(text);
    keepFocus();
  }

  function onSubmit(event: SyntheticEvent): void {
    event.preventDefault();
    send();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || isComposing(event)) return;
    event.preventDefault();
    send();
  }

  return (
    <form onSubmit={onSubmit} aria-label="New message">
      <div
        className={cn(
          'flex items-end gap-2 rounded-2xl border border-strong-border bg-raised p-2 shadow-sm transition-shadow focus-within:ring-2 focus-within:ring-(--ring)',
          tooLong && 'border-danger',
        )}
      >
        <textarea
          ref={input}
          rows={1}
          defaultValue={drafts.get(chatKey)}
          onChange={(event) => drafts.set(chatKey, event.target.value)}
          onKeyDown={onKeyDown}
          aria-label="Message"
          aria-invalid={tooLong}
          aria-describedby={[showsCounter ? counterId : null, blockedBy].filter((id) => id !== null).join(' ') || undefined}
          placeholder="Ask anything"
          enterKeyHint="send"
          className="field-sizing-content max-h-[40dvh] min-h-9 min-w-0 flex-1 resize-none overflow-y-auto bg-transparent px-2.5 py-1.5 leading-6 outline-none placeholder:text-muted"
        />
        {writing ? (
          <Button
            variant="outline"
            size="icon"
            className="rounded-full"
            aria-label="Stop the answer"
            title="Stop the answer"
            disabled={stopping}
            onClick={() => {
              onStop();
              keepFocus();
            }}
          >
            <StopIcon />
          </Button>
        ) : (
          <Button type="submit" size="icon" className="rounded-full" aria-label="Send message" title="Send message" disabled={!canSend}>
            <SendIcon />
          </Button>
        )}
      </div>
      {showsCounter && (
        <p id={counterId} className={cn('mt-1 px-3 text-right text-xs tabular-nums', tooLong ? 'text-danger' : 'text-muted')}>
          {length.toLocaleString()} / {maxLength.toLocaleString()} characters
          {tooLong && `, ${(length - maxLength).toLocaleString()} too many`}
        </p>
      )}
    </form>
  );
}
