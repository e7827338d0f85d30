import { callJson } from '@/lib/api/client';
import type { Session } from '@/lib/api/types';

export function restoreSession(sessionId: string): Promise<Session> {
  return callJson<Session>(`/chat/sessions/${sessionId}/restore`, { method: 'POST' });
}
