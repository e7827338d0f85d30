import { useMutation, useQueryClient } from '@tanstack/react-query';
import { call } from '@/lib/api/client';
import { forgetSession } from '../session-cache';

async function deleteSession(sessionId: string): Promise<void> {
  await call(`/chat/sessions/${sessionId}`, { method: 'DELETE' });
}

export function useDeleteSession() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: deleteSession,
    onSuccess: (_, sessionId) => forgetSession(client, sessionId),
  });
}
