import { call } from '@/lib/api/client';
import { toApiError } from '@/lib/api/errors';

/** Whether the cookie is good already. Answered to every valid token, chat switched on or not. */
export async function isSignedIn(): Promise<boolean> {
  try {
    await call('/chat/features');
    return true;
  } catch (error) {
    if (toApiError(error).status === 401) return false;
    throw error;
  }
}
