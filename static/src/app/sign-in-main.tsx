// Takes the token out of the address, before anything else is loaded or asked.
import { tokenFromAddress } from './token-from-address';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ErrorBoundary } from '@/components/error-boundary';
import { SignInPage } from '@/features/auth/components/sign-in-page';
import { startMocks } from './start-mocks';
import './styles.css';

await startMocks();
const root = document.getElementById('root');
if (root === null) throw new Error('The page has no root element.');
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <SignInPage initialToken={tokenFromAddress} />
    </ErrorBoundary>
  </StrictMode>,
);
