import type { ReactNode } from 'react';
import { cn } from '@/lib/class-names';
import type { ApiError } from '@/lib/api/errors';
import { AlertIcon } from './icons';

interface ErrorNoticeProps {
  error: ApiError;
  className?: string;
  /** The action that helps the reader; null: there is none. */
  children?: ReactNode;
}

export function ErrorNotice({ error, className, children }: ErrorNoticeProps) {
  return (
    <div role="alert" className={cn('rounded-xl bg-danger-surface px-4 py-3 text-sm', className)}>
      <div className="flex gap-2.5">
        <span className="mt-0.5 text-danger [&_svg]:size-4">
          <AlertIcon />
        </span>
        <div className="min-w-0 flex-1">
          <p className="text-foreground">
            {error.message}
            {error.retryAfterSeconds !== null && error.retryAfterSeconds > 0 ? ` ${waitFor(error.retryAfterSeconds)}` : ''}
          </p>
          {error.requestId !== null && (
            <p className="mt-1 text-xs break-all text-muted">Request {error.requestId}</p>
          )}
          {children != null && <div className="mt-3 flex flex-wrap gap-2">{children}</div>}
        </div>
      </div>
    </div>
  );
}

function waitFor(seconds: number): string {
  if (seconds < 90) return `Try again in ${seconds} s.`;
  if (seconds < 5400) return `Try again in ${Math.ceil(seconds / 60)} minutes.`;
  return `Try again in ${Math.ceil(seconds / 3600)} hours.`;
}
