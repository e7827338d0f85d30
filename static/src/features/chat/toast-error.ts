import { toast, type Action } from 'sonner';
import type { ApiError } from '@/lib/api/errors';

/** `what` names the action that failed; the error then says why. */
export function toastError(error: ApiError, what?: string, action?: Action): void {
  const request = error.requestId === null ? '' : `Request ${error.requestId}`;
  const description = what === undefined ? request : `${error.message} ${request}`.trim();
  toast.error(what ?? error.message, {
    ...(description === '' ? {} : { description }),
    ...(action === undefined ? {} : { action }),
    // The operator finds it in the log by this.
    ...(error.requestId === null ? {} : { cancel: { label: 'Copy details', onClick: () => void navigator.clipboard.writeText(`${error.message} ${request}`) } }),
  });
}
