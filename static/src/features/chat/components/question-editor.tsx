import { useEffect, useId, type KeyboardEvent, type SyntheticEvent } from 'react';
import { Button } from '@/components/ui/button';
import { ErrorNotice } from '@/components/ui/error-notice';
import type { ApiError } from '@/lib/api/errors';
import { codePointLength } from '@/lib/text-size';
import { isComposing, useAutoHeight } from '../text-field';

interface QuestionEditorProps {
  text: string;
  maxLength: number;
  /** Why the last try was refused. */
  error: ApiError | null;
  onChange: (text: string) => void;
  onSave: (text: string) => void;
  onCancel: () => void;
}

/** Replaces a question, until it is sent again or left as it was. */
export function QuestionEditor({ text, maxLength, error, onChange, onSave, onCancel }: QuestionEditorProps) {
  const input = useAutoHeight(text);
  const hintId = useId();
  const over = codePointLength(text) - maxLength;
  const canSave = over <= 0 && text.trim() !== '';

  useEffect(() => {
    const field = input.current;
    field?.focus();
    field?.setSelectionRange(field.value.length, field.value.length);
  }, [input]);

  function save(): void {
    if (canSave) onSave(text);
  }

  function onSubmit(event: SyntheticEvent): void {
    event.preventDefault();
    save();
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (isComposing(event)) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      onCancel();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      save();
    }
  }

  return (
    <form onSubmit={onSubmit} aria-label="Edit message" className="w-full rounded-2xl border border-strong-border bg-raised p-3 focus-within:ring-2 focus-within:ring-(--ring)">
      <textarea
        ref={input}
        rows={1}
        value={text}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={onKeyDown}
        aria-label="Edited message"
        aria-invalid={over > 0}
        aria-describedby={hintId}
        className="field-sizing-content max-h-[40dvh] w-full resize-none overflow-y-auto bg-transparent px-1 leading-relaxed outline-none"
      />
      <div className="mt-2 flex flex-wrap items-center justify-end gap-2">
        <p id={hintId} className={over > 0 ? 'mr-auto text-xs text-danger' : 'mr-auto hidden text-xs text-muted sm:block'}>
          {over > 0 ? `${over.toLocaleString()} characters too many` : 'The answer is written anew.'}
        </p>
        <Button size="small" variant="outline" onClick={onCancel}>
          Cancel
        </Button>
        <Button size="small" type="submit" disabled={!canSave}>
          Save and send
        </Button>
      </div>
      {error !== null && <ErrorNotice error={error} className="mt-3" />}
    </form>
  );
}
