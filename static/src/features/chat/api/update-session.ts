import { callJson } from '@/lib/api/client';
import type { Session, SessionChange } from '@/lib/api/types';

export function updateSession(sessionId: string, change: SessionChange): Promise<Session> {
  return callJson<Session>(`/chat/sessions/${sessionId}`, { method: 'PATCH', body: change });
}
