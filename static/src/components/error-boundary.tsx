import { Component, type ErrorInfo, type ReactNode } from 'react';
import { Button } from './ui/button';

interface Props {
  children: ReactNode;
}

/** The last resort: if drawing fails, the reader sees this instead of an empty page. */
export class ErrorBoundary extends Component<Props, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override componentDidCatch(error: Error, info: ErrorInfo): void {
    console.error(error, info.componentStack);
  }

  override render(): ReactNode {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="flex h-full flex-col items-center justify-center gap-4 p-6 text-center">
        <div role="alert" className="flex flex-col gap-4">
          <h1 className="text-xl font-semibold">Something broke on this page</h1>
          <p className="max-w-md text-sm text-muted">Your chats are safe. Reload the page to go on.</p>
        </div>
        <Button onClick={() => window.location.reload()}>Reload</Button>
      </main>
    );
  }
}
