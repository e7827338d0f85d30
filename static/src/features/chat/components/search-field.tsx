import type { KeyboardEvent, Ref } from 'react';
import { Button } from '@/components/ui/button';
import { CloseIcon, SearchIcon } from '@/components/ui/icons';
import { isComposing } from '../text-field';

interface SearchFieldProps {
  ref: Ref<HTMLInputElement>;
  value: string;
  onChange: (value: string) => void;
  /** The keyboard asks for the results. */
  onDown: () => void;
}

export function SearchField({ ref, value, onChange, onDown }: SearchFieldProps) {
  function onKeyDown(event: KeyboardEvent): void {
    if (isComposing(event)) return;
    if (event.key === 'Escape' && value !== '') {
      event.preventDefault();
      onChange('');
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      onDown();
    }
  }

  return (
    <div role="search" className="relative">
      <span className="pointer-events-none absolute inset-y-0 left-3 flex items-center text-muted [&_svg]:size-4">
        <SearchIcon />
      </span>
      <input
        ref={ref}
        type="text"
        role="searchbox"
        enterKeyHint="search"
        aria-label="Search chats"
        placeholder="Search chats"
        autoComplete="off"
        data-own-escape={value === '' ? undefined : true}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={onKeyDown}
        className="h-9 w-full rounded-lg border border-strong-border bg-raised pr-9 pl-9 text-sm outline-none placeholder:text-muted focus-visible:ring-2 focus-visible:ring-(--ring) pointer-coarse:h-11 pointer-coarse:text-base"
      />
      {value !== '' && (
        <Button
          variant="ghost"
          size="iconSmall"
          className="absolute inset-y-0 right-0.5 my-auto text-muted"
          aria-label="Clear the search"
          onClick={(event) => {
            onChange('');
            event.currentTarget.parentElement?.querySelector('input')?.focus();
          }}
        >
          <CloseIcon />
        </Button>
      )}
    </div>
  );
}
