import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { http, HttpResponse, type RequestHandler } from 'msw';
import { describe, expect, it, vi } from 'vitest';
import { leave } from '@/lib/router';
import { MockApi } from '@/testing/mock-api';
import { server } from '@/testing/server';
import { SignInPage } from './components/sign-in-page';
import { cleanToken, takeTokenFromAddress } from './take-token';

function open(address: string, signedIn = false, handlers: RequestHandler[] = []) {
  const api = new MockApi();
  api.signedIn = signedIn;
  const gate = http.head('*/chat', () => new HttpResponse(null, signedIn ? {} : { status: 302, headers: { Location: '/sign-in?next=/chat' } }));
  server.use(...handlers, gate, ...api.handlers);
  window.history.replaceState(null, '', address);
  const left = vi.spyOn(leave, 'to').mockImplementation(() => undefined);
  render(<SignInPage initialToken={takeTokenFromAddress()} />);
  return { api, left, user: userEvent.setup() };
}

async function signInWith(user: ReturnType<typeof userEvent.setup>, token: string) {
  const field = screen.getByLabelText('Access token');
  await waitFor(() => expect(field).toBeEnabled());
  await user.type(field, token);
  await user.click(screen.getByRole('button', { name: 'Sign in' }));
}

describe('sign-in', () => {
  it('turns a pasted token into a session and goes to the chat', async () => {
    const { left, user } = open('/sign-in');
    await signInWith(user, '  Bearer good-token ');
    await waitFor(() => expect(left).toHaveBeenCalledExactlyOnceWith('/chat'));
  });

  it('goes where it was asked to', async () => {
    const { left, user } = open('/sign-in?next=%2Fchat%2Fabc');
    await signInWith(user, 'good-token');
    await waitFor(() => expect(left).toHaveBeenCalledWith('/chat/abc'));
  });

  it.each(['//evil.test', 'https://evil.test', '/\\evil.test', '/\t/evil.test'])('never leaves this host for next=%j', async (next) => {
    const { left, user } = open(`/sign-in?next=${encodeURIComponent(next)}`);
    await signInWith(user, 'good-token');
    await waitFor(() => expect(left).toHaveBeenCalledExactlyOnceWith('/chat'));
  });

  it('goes straight on for who is signed in', async () => {
    const { left } = open('/sign-in?next=/chat/abc', true);
    await waitFor(() => expect(left).toHaveBeenCalledWith('/chat/abc'));
  });

  it('signs in with the token of the address, which leaves the address at once', async () => {
    const { left } = open('/sign-in?next=/chat/abc#token=good-token');
    expect(window.location.href).toBe('https://chat.test/sign-in?next=/chat/abc');
    await waitFor(() => expect(left).toHaveBeenCalledExactlyOnceWith('/chat/abc'));
  });

  describe('a link of another user', () => {
    function openAsAlice(token: string, handlers: RequestHandler[] = []) {
      let posted = 0;
      const opened = open(`/sign-in?next=/chat/abc#token=${token}`, true, [
        ...handlers,
        http.get('*/api/v1/chat/features', ({ request }) =>
          HttpResponse.json({ user: { id: request.headers.get('Authorization') === 'Bearer mallorys-token' ? 'mallory' : 'alice', role: 'user' } }),
        ),
        http.post('*/api/v1/auth/session', () => (posted++, new HttpResponse(null, { status: 204 }))),
      ]);
      return { ...opened, posted: () => posted };
    }

    it('asks first, and staying changes nothing', async () => {
      const { left, user, posted } = openAsAlice('mallorys-token');
      expect(await screen.findByText('alice')).toBeInTheDocument();
      expect(screen.getByText('mallory')).toBeInTheDocument();
      expect([posted(), left.mock.calls.length]).toEqual([0, 0]);
      await user.click(screen.getByRole('button', { name: 'Stay signed in' }));
      expect(left).toHaveBeenCalledExactlyOnceWith('/chat/abc');
      expect(posted()).toBe(0);
    });

    it('is followed by who wants that', async () => {
      const { left, user, posted } = openAsAlice('mallorys-token');
      await user.click(await screen.findByRole('button', { name: 'Use the link' }));
      await waitFor(() => expect(left).toHaveBeenCalledExactlyOnceWith('/chat/abc'));
      expect(posted()).toBe(1);
    });

    it.each([429, 503, 'network'])('is not followed by itself where the gate can’t tell: %s', async (fault) => {
      const { left, user, posted } = openAsAlice('mallorys-token', [
        http.head('*/chat', () => (fault === 'network' ? HttpResponse.error() : new HttpResponse(null, { status: fault as number }))),
      ]);
      expect(await screen.findByText(/can’t be told/)).toBeInTheDocument();
      expect([posted(), left.mock.calls.length]).toEqual([0, 0]);
      await user.click(screen.getByRole('button', { name: 'Sign in' }));
      await waitFor(() => expect(left).toHaveBeenCalledExactlyOnceWith('/chat/abc'));
      expect(posted()).toBe(1);
    });

    it('is not followed by itself where who is signed in can’t be told', async () => {
      const { posted } = openAsAlice('mallorys-token', [http.get('*/api/v1/chat/features', () => new HttpResponse(null, { status: 503 }))]);
      expect(await screen.findByText(/can’t be told/)).toBeInTheDocument();
      expect(posted()).toBe(0);
    });

    it('is followed without a question where it is the same user’s', async () => {
      const { left, posted } = openAsAlice('alices-new-token');
      await waitFor(() => expect(left).toHaveBeenCalledExactlyOnceWith('/chat/abc'));
      expect(posted()).toBe(1);
    });
  });

  it('takes a link that is opened while the form is shown', async () => {
    const { left } = open('/sign-in');
    await waitFor(() => expect(screen.getByLabelText('Access token')).toBeEnabled());
    window.location.hash = '#token=good-token';
    await waitFor(() => expect(left).toHaveBeenCalledWith('/chat'));
    expect(window.location.hash).toBe('');
  });

  it('says that a token is not valid, and takes another', async () => {
    const { left, user } = open('/sign-in#token=bad-token');
    expect(await screen.findByRole('alert')).toBeInTheDocument();
    expect(await screen.findByText(/isn’t valid/)).toBeInTheDocument();
    await signInWith(user, 'good-token');
    await waitFor(() => expect(left).toHaveBeenCalledWith('/chat'));
  });

  it.each([['nothing', ' '], ['what fits no header', 'tokén']])('asks again for %s without a request', async (_, text) => {
    const { user } = open('/sign-in');
    let posted = 0;
    server.use(http.post('*/api/v1/auth/session', () => (posted++, new HttpResponse(null, { status: 204 }))));
    await signInWith(user, text);
    expect(screen.getByLabelText('Access token')).toBeInvalid();
    expect(posted).toBe(0);
  });

  it('says so when the service can’t be reached', async () => {
    const { user } = open('/sign-in');
    server.use(http.post('*/api/v1/auth/session', () => HttpResponse.error()));
    await signInWith(user, 'good-token');
    expect(await screen.findByText(/can’t be reached/)).toBeInTheDocument();
  });

  it('stores the token nowhere', async () => {
    const { left, user } = open('/sign-in');
    await signInWith(user, 'good-token');
    await waitFor(() => expect(left).toHaveBeenCalled());
    expect(window.localStorage.length + window.sessionStorage.length).toBe(0);
    expect(document.cookie).not.toContain('good-token');
  });
});

it('reads a token as people paste it', () => {
  expect(cleanToken('Authorization: Bearer a.b.c\n')).toBe('a.b.c');
});
