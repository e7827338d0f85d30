// The page's first code, and little of it: what the page will ask for is under way while the page itself is still being loaded.
import { FEATURES_PATH, newestPagePath } from '@/features/chat/api/first-requests';
import { askEarly } from '@/lib/api/early';
import { sessionIdOf } from '@/lib/chat-address';
import './styles.css';

if (!import.meta.env.DEV) {
  askEarly(FEATURES_PATH);
  const sessionId = sessionIdOf(window.location.pathname);
  if (typeof sessionId === 'string') {
    askEarly(newestPagePath(sessionId));
    import('@/components/markdown/markdown-view').catch(() => undefined); // who draws with it says so
  }
}
void import('./chat-start');
