import { toast } from 'sonner';
import type { ApiError } from '@/lib/api/errors';

export function toastError(error: ApiError): void {
  toast.error(error.message, error.requestId === null ? {} : { description: `Request ${error.requestId}` });
}
