import { call } from '@/lib/api/client';

export async function deleteSession(sessionId: string): Promise<void> {
  await call(`/chat/sessions/${sessionId}`, { method: 'DELETE' });
}
