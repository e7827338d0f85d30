import { callJson } from '@/lib/api/client';
import { toApiError } from '@/lib/api/errors';
import type { Features } from '@/lib/api/types';

/** Asks whose the cookie is, or that token; null if it is not valid. The service answers this also while chat is switched off. */
export async function signedInAs(token?: string): Promise<string | null> {
  try {
    const features = await callJson<Features>('/chat/features', token === undefined ? {} : { headers: { Authorization: `Bearer ${token}` } });
    return features.user.id;
  } catch (error) {
    if (toApiError(error).status === 401) return null;
    throw error;
  }
}

/** Whether nginx lets the cookie in to the chat. Unlike a 401, the redirect of a closed gate is no error in the console.
 *  Throws if that can't be found out. */
export async function gateIsOpen(): Promise<boolean> {
  const response = await fetch('/chat', { method: 'HEAD', redirect: 'manual', cache: 'no-store' });
  const redirected = response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400);
  if (!response.ok && !redirected) throw new Error(`the gate: ${response.status}`);
  return response.ok;
}
