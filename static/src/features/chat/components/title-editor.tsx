import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { cn } from '@/lib/class-names';
import { codePointLength } from '@/lib/text-size';
import { isComposing } from '../text-field';

interface TitleEditorProps {
  title: string;
  maxLength: number;
  /** `byKey`: the focus was in the field and needs a place to go. */
  onDone: (title: string | null, byKey: boolean) => void;
}

/** Replaces a chat's title: Enter and leaving keep the new text, Escape the old one. */
export function TitleEditor({ title, maxLength, onDone }: TitleEditorProps) {
  const [text, setText] = useState(title);
  const input = useRef<HTMLInputElement>(null);
  const hintId = useId();
  const wanted = text.trim();
  const over = codePointLength(wanted) - maxLength;
  const problem = over > 0 ? `${over.toLocaleString()} ${over === 1 ? 'character' : 'characters'} too many` : wanted === '' ? 'A chat needs a name' : '';

  useEffect(() => {
    input.current?.focus();
    input.current?.select();
  }, []);

  function onKeyDown(event: KeyboardEvent): void {
    if (isComposing(event)) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      onDone(null, true);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (problem === '') onDone(wanted === title ? null : wanted, true);
    }
  }

  function onBlur(): void {
    // A reader who leaves an empty field has changed their mind; a text that is too long stays in the field.
    if (over <= 0) onDone(wanted === '' || wanted === title ? null : wanted, false);
  }

  return (
    <div className="min-w-0 flex-1 p-1">
      <input
        ref={input}
        data-own-escape
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={onBlur}
        aria-label={`New name for “${title}”`}
        aria-invalid={problem !== ''}
        aria-describedby={problem === '' ? undefined : hintId}
        autoComplete="off"
        className={cn(
          'h-8 w-full rounded-md border border-strong-border bg-raised px-2 outline-none focus-visible:ring-2 focus-visible:ring-(--ring) pointer-coarse:text-base',
          problem !== '' && 'border-danger',
        )}
      />
      <p id={hintId} role="status" className={cn('px-1 text-xs font-normal text-danger', problem !== '' && 'pt-1 pb-0.5')}>
        {problem}
      </p>
    </div>
  );
}
