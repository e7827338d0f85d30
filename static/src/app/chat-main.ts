// The page's first code, kept small: it sends the page's first requests while the page itself is still being loaded.
import { FEATURES_PATH, newestPagePath } from '@/features/chat/api/first-requests';
import { askEarly } from '@/lib/api/early';
import { sessionIdOf } from '@/lib/chat-address';
import './styles.css';

if (!import.meta.env.DEV) {
  askEarly(FEATURES_PATH);
  const sessionId = sessionIdOf(window.location.pathname);
  if (typeof sessionId === 'string') {
    askEarly(newestPagePath(sessionId));
    import('@/components/markdown/markdown-view').catch(() => undefined); // the component that draws with it reports the failure
  }
}
void import('./chat-start');
