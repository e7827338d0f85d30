import { call } from './client';
import { toApiError } from './errors';

/** A cookie that is no longer good counts as signed out. */
export async function signOut(): Promise<void> {
  try {
    await call('/auth/session', { method: 'DELETE' });
  } catch (error) {
    if (toApiError(error).status !== 401) throw error;
  }
}
