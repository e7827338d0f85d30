import { useEffect, useId, useRef, useState, type ReactNode, type SyntheticEvent } from 'react';
import { Button } from '@/components/ui/button';
import { AlertIcon, LogoIcon } from '@/components/ui/icons';
import { toApiError, type ApiError } from '@/lib/api/errors';
import { leave } from '@/lib/router';
import { safeNext } from '@/lib/safe-next';
import { gateIsOpen, signedInAs } from '../api/check-session';
import { signIn } from '../api/create-session';
import { cleanToken, looksLikeToken, takeTokenFromAddress } from '../take-token';

type Step = 'checking' | 'form' | 'confirm' | 'signing-in' | 'leaving';

/** A link of another user than the one who is signed in. */
interface OtherUser {
  token: string;
  now: string;
  then: string;
}

interface SignInPageProps {
  /** Taken from the address, which no longer has it. */
  initialToken: string | null;
}

export function SignInPage({ initialToken }: SignInPageProps) {
  const [step, setStep] = useState<Step>(initialToken === null ? 'checking' : 'signing-in');
  const [token, setToken] = useState('');
  const [error, setError] = useState<string | null>(null);
  const [other, setOther] = useState<OtherUser | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const stay = useRef<HTMLButtonElement>(null);
  const errorId = useId();
  const started = useRef(false);

  function goOn(): void {
    setStep('leaving');
    leave.to(safeNext(new URLSearchParams(window.location.search).get('next')));
  }

  function askAgain(message: string): void {
    setError(message);
    setStep('form');
  }

  async function submit(candidate: string): Promise<void> {
    setError(null);
    if (!looksLikeToken(candidate)) {
      askAgain(candidate === '' ? 'Paste your access token first.' : 'This doesn’t look like an access token.');
      return;
    }
    setStep('signing-in');
    try {
      await signIn(candidate);
      setToken('');
      goOn();
    } catch (caught) {
      askAgain(messageFor(toApiError(caught)));
    }
  }

  /** A link signs in by itself, unless another user is signed in: a stranger may have made the link. */
  async function follow(candidate: string): Promise<void> {
    setStep('signing-in');
    setOther(null);
    try {
      const both = looksLikeToken(candidate) && (await gateIsOpen());
      const [now, then] = both ? await Promise.all([signedInAs(), signedInAs(candidate)]) : [null, null];
      if (now !== null && then !== null && now !== then) {
        setError(null);
        setOther({ token: candidate, now, then });
        setStep('confirm');
        return;
      }
    } catch {
      // It isn't known whom the link would sign out, so the reader decides.
      setToken(candidate);
      askAgain('It can’t be told whether somebody is signed in here. Sign in with the link’s token only if you trust who sent it.');
      return;
    }
    await submit(candidate);
  }

  async function begin(): Promise<void> {
    if (initialToken !== null) {
      await follow(initialToken);
      return;
    }
    try {
      if ((await signedInAs()) !== null) {
        goOn();
        return;
      }
    } catch {
      // The form reports the problem once it is tried.
    }
    setStep('form');
  }

  useEffect(() => {
    // Once per page, also when React mounts twice in development.
    if (!started.current) {
      started.current = true;
      void begin();
    }
    // A sign-in link opened while this page is shown changes the fragment alone.
    function onHashChange(): void {
      const fresh = takeTokenFromAddress();
      if (fresh !== null) void follow(fresh);
    }
    window.addEventListener('hashchange', onHashChange);
    return () => window.removeEventListener('hashchange', onHashChange);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);

  useEffect(() => {
    if (step === 'form') input.current?.focus();
    if (step === 'confirm') stay.current?.focus();
  }, [step]);

  function onSubmit(event: SyntheticEvent): void {
    event.preventDefault();
    void submit(cleanToken(token));
  }

  const busy = step !== 'form';
  if (step === 'confirm' && other !== null) {
    return (
      <SignInFrame title="Sign in as somebody else?" text="The link that you opened belongs to another user.">
        <div className="rounded-2xl border bg-raised p-5 shadow-sm">
          <dl className="text-sm">
            <dt className="text-muted">You are signed in as</dt>
            <dd className="mb-3 font-medium break-all">{other.now}</dd>
            <dt className="text-muted">The link signs in as</dt>
            <dd className="font-medium break-all">{other.then}</dd>
          </dl>
          <Button ref={stay} className="mt-4 w-full" onClick={goOn}>
            Stay signed in
          </Button>
          <Button variant="outline" className="mt-2 w-full" onClick={() => void submit(other.token)}>
            Use the link
          </Button>
        </div>
      </SignInFrame>
    );
  }
  return (
    <SignInFrame title="Sign in to Chat" text="Use the access token you were given.">
      <form onSubmit={onSubmit} noValidate className="rounded-2xl border bg-raised p-5 shadow-sm">
        <label htmlFor="token" className="text-sm font-medium">
          Access token
        </label>
        <input
          ref={input}
          id="token"
          type="password"
          value={token}
          onChange={(event) => setToken(event.target.value)}
          readOnly={busy} // disabled, it would lose the focus
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          placeholder="eyJ…"
          aria-invalid={error !== null}
          aria-describedby={error === null ? undefined : errorId}
          className="mt-2 h-11 w-full rounded-lg border border-strong-border bg-background px-3 font-mono text-sm placeholder:text-muted aria-invalid:border-danger read-only:opacity-60"
        />
        <div role="alert">
          {error !== null && (
            <p id={errorId} className="mt-2.5 flex gap-2 text-sm text-danger">
              <span className="mt-0.5 [&_svg]:size-4">
                <AlertIcon />
              </span>
              {error}
            </p>
          )}
        </div>
        <Button type="submit" disabled={busy} className="mt-4 w-full">
          {LABELS[step]}
        </Button>
      </form>
      <p className="mt-4 text-center text-xs text-muted">The token is turned into a cookie and stored nowhere else.</p>
    </SignInFrame>
  );
}

function SignInFrame({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  return (
    <main className="flex min-h-full items-center justify-center p-4">
      <div className="w-full max-w-sm">
        <div className="mb-6 flex flex-col items-center gap-4 text-center">
          <span className="text-5xl">
            <LogoIcon />
          </span>
          <div>
            <h1 className="text-2xl font-semibold tracking-tight">{title}</h1>
            <p className="mt-1.5 text-sm text-muted">{text}</p>
          </div>
        </div>
        {children}
      </div>
    </main>
  );
}

const LABELS: Record<Step, string> = {
  checking: 'One moment…',
  form: 'Sign in',
  'signing-in': 'Signing in…',
  leaving: 'Signing in…',
  confirm: 'Signing in…',
};

function messageFor(error: ApiError): string {
  if (error.status === 401) return 'This token isn’t valid, or it has expired. Ask for a new one.';
  return error.message;
}
