import { useMutation, useQueryClient } from '@tanstack/react-query';
import { callJson } from '@/lib/api/client';
import { toApiError } from '@/lib/api/errors';
import type { Message } from '@/lib/api/types';
import { updateMessage } from '../session-cache';
import { toastError } from '../toast-error';

export type Rating = Message['feedback'];

interface RateMessage {
  message: Message;
  rating: Rating;
}

function rateMessage({ message, rating }: RateMessage): Promise<Message> {
  return callJson<Message>(`/chat/messages/${message.id}/feedback`, { method: 'PUT', body: { rating: rating ?? 'none' } });
}

/** The rating is shown at once, and taken back if the service refuses it. */
export function useRateMessage() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: rateMessage,
    // One after the other, so that the last click decides.
    scope: { id: 'feedback' },
    onMutate: ({ message, rating }) =>
      updateMessage(client, message, (current) => ({ ...current, feedback: rating })),
    onError: (error, { message, rating }) => {
      updateMessage(client, message, (current) =>
        current.feedback === rating ? { ...current, feedback: message.feedback } : current,
      );
      toastError(toApiError(error));
    },
  });
}
