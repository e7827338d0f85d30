import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { ErrorBoundary } from '@/components/error-boundary';
import { Toaster } from '@/components/ui/toaster';
import { ChatPage } from '@/features/chat/components/chat-page';
import { recoverFocus } from '@/features/chat/text-field';
import { onSignedOut } from '@/lib/api/client';
import { toApiError } from '@/lib/api/errors';
import { leave } from '@/lib/router';

const RETRIES = 2;

export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        // A 4xx won't change; other errors may pass.
        retry: (count, error) => {
          const { status } = toApiError(error);
          return count < RETRIES && (status === 0 || status >= 500);
        },
      },
    },
  });
}

export function ChatApp() {
  const [client] = useState(createQueryClient);

  useEffect(
    () =>
      onSignedOut(() => {
        const { pathname, search } = window.location;
        leave.to(`/sign-in?next=${encodeURIComponent(pathname + search)}`);
      }),
    [],
  );

  return (
    <ErrorBoundary>
      <QueryClientProvider client={client}>
        <ChatPage />
        <Toaster onFocusLost={recoverFocus} />
      </QueryClientProvider>
    </ErrorBoundary>
  );
}
