import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { http, HttpResponse } from 'msw';
import { describe, expect, it, vi } from 'vitest';
import { REQUEST_ID } from '@/testing/mock-api';
import { renderChat } from '@/testing/render-chat';
import { server } from '@/testing/server';

const messageField = () => screen.findByRole('textbox', { name: 'Message' });
const answers = () => screen.findAllByRole('article', { name: 'Answer' });
const finished = (count = 1) =>
  waitFor(() => expect(document.querySelectorAll('[aria-label="Answer"][data-status="complete"]')).toHaveLength(count), { timeout: 4000 });

describe('sending', () => {
  it('makes a session with the first message, shows the answer, and sends the next one into it', async () => {
    const { api, user } = renderChat('/chat', (mock) => (mock.answerText = 'Paris, of **course**.'));
    await user.type(await messageField(), 'Capital of France?{Enter}');
    expect(screen.getByRole('article', { name: 'Your message' })).toHaveTextContent('Capital of France?');
    await finished();
    expect((await screen.findByText('course')).tagName).toBe('STRONG');
    expect((await answers())[0]).toHaveTextContent('Paris, of course.');
    expect(window.location.pathname).toBe(`/chat/${api.sessions[0]?.id}`);
    expect(await screen.findByRole('link', { name: 'Capital of France?' })).toHaveAttribute('aria-current', 'page');

    await user.type(await messageField(), 'And of Spain?');
    await user.click(screen.getByRole('button', { name: 'Send message' }));
    await finished(2);
    expect(api.sends.map(({ path }) => path)).toEqual(['/chat/messages', `/chat/sessions/${api.sessions[0]?.id}/messages`]);
    expect(api.sends.map(({ body }) => body.content)).toEqual(['Capital of France?', 'And of Spain?']);
    expect(screen.getByTestId('quota')).toHaveTextContent('95 of 100 messages left today');
  });

  it('shows that it waits, then writes, and says each step once', async () => {
    const { api, user } = renderChat('/chat', (mock) => (mock.hold = true));
    await user.type(await messageField(), 'Hi{Enter}');
    expect(await screen.findByTestId('typing-indicator')).toBeInTheDocument();
    await waitFor(() => expect(screen.getByTestId('announcer')).toHaveTextContent('The answer is being written.'));
    api.release();
    await finished();
    expect(screen.queryByTestId('typing-indicator')).toBeNull();
    expect(screen.getByTestId('announcer')).toHaveTextContent('The answer is complete.');
  });

  it('stops on request and keeps the text so far', async () => {
    const { user } = renderChat('/chat', (mock) => (mock.paceMs = 20));
    await user.type(await messageField(), 'Hi{Enter}');
    await waitFor(async () => expect((await answers())[0]).toHaveTextContent(/binary/));
    await user.click(screen.getByRole('button', { name: 'Stop the answer' }));
    expect(await screen.findByText(/Stopped/)).toBeInTheDocument();
    expect((await answers())[0]).toHaveTextContent(/binary/);
    expect(screen.getByRole('button', { name: 'Send message' })).toBeInTheDocument();
  });
});

describe('a connection that breaks', () => {
  it('goes on where it was, without loss or repeat', async () => {
    const { api, user } = renderChat('/chat', (mock) => {
      mock.answerText = 'eins zwei drei vier fünf sechs sieben';
      mock.breakAfter = 2;
    });
    await user.type(await messageField(), 'Count{Enter}');
    await finished();
    expect((await answers())[0]).toHaveTextContent('eins zwei drei vier fünf sechs sieben');
    expect(api.attaches).toEqual(['0.14']);
  });

  it('joins an answer that was begun elsewhere', async () => {
    let id = '';
    const { api } = renderChat('/chat', (mock) => {
      mock.hold = true;
      mock.answerText = 'Begun in another tab.';
      const session = mock.addSession('Elsewhere');
      id = session.id;
      mock.beginAnswer(session, 'Hello?');
      window.history.replaceState(null, '', `/chat/${id}`);
    });
    (await screen.findByRole('link', { name: 'Elsewhere' })).click();
    expect(await screen.findByTestId('typing-indicator')).toBeInTheDocument();
    api.release();
    await finished();
    expect((await answers())[0]).toHaveTextContent('Begun in another tab.');
    expect(api.attaches).toEqual([null]);
  });
});

describe('events that do not get through', () => {
  it('asks for the answer in one piece, under the same key', async () => {
    const asked: [accept: string | null, key: string | null][] = [];
    const { api, user } = renderChat();
    server.use(
      http.post('*/api/v1/chat/messages', ({ request }) => {
        const accept = request.headers.get('Accept');
        asked.push([accept, request.headers.get('Idempotency-Key')]);
        if (accept === 'text/event-stream') return HttpResponse.html('<p>No streams here.</p>');
        const session = api.addSession('Hi');
        const question = api.addMessage(session, 'user', 'Hi');
        const message = api.addMessage(session, 'assistant', 'All of **it**.', { parent_id: question.id });
        return HttpResponse.json({ session, user_message: question, message, quota: api.quota }, { status: 201 });
      }),
    );
    await user.type(await messageField(), 'Hi{Enter}');
    await finished();
    expect((await answers())[0]).toHaveTextContent('All of it.');
    expect(asked.map(([accept]) => accept)).toEqual(['text/event-stream', 'application/json']);
    expect(asked[0]?.[1]).toBe(asked[1]?.[1]);
    expect(window.location.pathname).toBe(`/chat/${api.sessions[0]?.id}`);
  });

  it('shows what was stored where an answer can’t be followed to its end', async () => {
    let refused = 0;
    const { user } = renderChat('/chat', (mock) => {
      mock.answerText = 'eins zwei drei vier fünf sechs sieben';
      mock.breakAfter = 2;
    });
    server.use(http.get('*/api/v1/chat/messages/:id/stream', () => (refused++, HttpResponse.error())));
    await user.type(await messageField(), 'Count{Enter}');
    await finished();
    expect((await answers())[0]).toHaveTextContent('eins zwei drei vier fünf sechs sieben');
    expect(refused).toBeGreaterThan(0);
  });
});

describe('errors', () => {
  it('shows a refused message with its request id, and sends it again under the same key', async () => {
    const { api, user } = renderChat('/chat', (mock) => {
      mock.answerText = 'Now it works.';
      mock.refuseSend = { status: 503, code: 'overloaded' };
    });
    await user.type(await messageField(), 'Hi{Enter}');
    const alert = within(screen.getByRole('main')).findByRole('alert');
    expect(await alert).toHaveTextContent('The service is busy right now.');
    expect(await alert).toHaveTextContent(REQUEST_ID);
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await finished();
    expect(api.sends[0]?.idempotencyKey).toBe(api.sends[1]?.idempotencyKey);
    expect(screen.getAllByRole('article', { name: 'Your message' })).toHaveLength(1);
  });

  it('gives a refused message back for editing', async () => {
    const { user } = renderChat('/chat', (mock) => {
      mock.refuseSend = { status: 429, code: 'quota_exceeded', retry_after: 3600, details: { quota: { ...mock.quota, daily: { ...mock.quota.daily, used: 100, remaining: 0 } } } };
    });
    await user.type(await messageField(), 'Hi there{Enter}');
    expect(await within(screen.getByRole('main')).findByRole('alert')).toHaveTextContent('You’ve used all of today’s messages. Try again in 60 minutes.');
    expect(screen.getByTestId('quota')).toHaveTextContent('0 of 100 messages left today');
    await user.click(screen.getByRole('button', { name: 'Edit message' }));
    expect(await messageField()).toHaveValue('Hi there');
    expect(await messageField()).toHaveFocus();
  });

  it('keeps what was written before an answer failed, and asks for it anew', async () => {
    const { api, user } = renderChat('/chat', (mock) => {
      mock.answerText = 'Half a sen';
      mock.failAnswer = { status: 200, code: 'upstream_error' };
    });
    await user.type(await messageField(), 'Hi{Enter}');
    expect(await within(screen.getByRole('main')).findByRole('alert')).toHaveTextContent('The model couldn’t answer.');
    expect((await answers())[0]).toHaveTextContent('Half a sen');
    api.failAnswer = null;
    api.answerText = 'A whole sentence.';
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await messageField(), 'the button is gone').toHaveFocus();
    await finished();
    expect(await answers()).toHaveLength(1);
    expect((await answers())[0]).toHaveTextContent('A whole sentence.');
  });

  it('says that chat is switched off', async () => {
    renderChat('/chat', (mock) => (mock.features = { ...mock.features, enabled: false }));
    expect(await screen.findByRole('heading', { name: /isn’t switched on/ })).toBeInTheDocument();
  });

  it('sends who is signed out to sign in, and back again', async () => {
    const { left } = renderChat('/chat/019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b', (mock) => (mock.signedIn = false));
    await waitFor(() => expect(left).toHaveBeenCalledWith('/sign-in?next=%2Fchat%2F019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b'));
  });

  it('explains a chat that does not exist', async () => {
    const { user } = renderChat('/chat/019c1a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b');
    expect(await screen.findByText(/This chat doesn’t exist/)).toBeInTheDocument();
    await user.click(screen.getByRole('button', { name: 'Start a new chat' }));
    expect(window.location.pathname).toBe('/chat');
  });

  it('offers to load the list again', async () => {
    server.use();
    const { user, api } = renderChat('/chat', () => undefined);
    server.use(http.get('*/api/v1/chat/sessions', () => HttpResponse.json({}, { status: 400 }), { once: true }));
    api.addSession('Found again');
    await user.click(await within(await screen.findByRole('navigation', { name: 'Chats' })).findByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('link', { name: 'Found again' })).toBeInTheDocument();
  });
});

describe('the input', () => {
  it('makes a new line on Shift+Enter, and sends nothing while an input method composes', async () => {
    const { api, user } = renderChat();
    const field = await messageField();
    await user.type(field, 'one{Shift>}{Enter}{/Shift}two');
    expect(field).toHaveValue('one\ntwo');
    fireEvent.keyDown(field, { key: 'Enter', isComposing: true });
    fireEvent.keyDown(field, { key: 'Enter', keyCode: 229 });
    expect(api.sends).toHaveLength(0);
  });

  it('sends no white space', async () => {
    const { api, user } = renderChat();
    await user.type(await messageField(), '   {Enter}');
    expect(screen.getByRole('button', { name: 'Send message' })).toBeDisabled();
    expect(api.sends).toHaveLength(0);
  });

  it('counts code points against the limit', async () => {
    const { api, user } = renderChat('/chat', (mock) => (mock.features = { ...mock.features, limits: { ...mock.features.limits, max_message_length: 4 } }));
    const field = await messageField();
    fireEvent.change(field, { target: { value: '🙂🙂🙂🙂' } });
    expect(screen.getByText('4 / 4 characters')).toBeInTheDocument();
    expect(field).toBeValid();
    fireEvent.change(field, { target: { value: '🙂🙂🙂🙂🙂' } });
    expect(field).toBeInvalid();
    expect(screen.getByText(/1 too many/)).toBeInTheDocument();
    await user.type(field, '{Enter}');
    expect(api.sends).toHaveLength(0);
  });

  it('keeps a draft for each chat', async () => {
    const { user } = renderChat('/chat', (mock) => void mock.addSession('Other'));
    await user.type(await messageField(), 'half a thought');
    await user.click(await screen.findByRole('link', { name: 'Other' }));
    expect(await messageField()).toHaveValue('');
    await user.click(await screen.findByRole('link', { name: 'New chat' }));
    expect(await messageField()).toHaveValue('half a thought');
  });
});

describe('around the window', () => {
  it('says in a notice that an answer failed elsewhere, whose details can be copied, and which is tried again from there', async () => {
    const { api, user } = renderChat('/chat', (mock) => {
      mock.hold = true;
      mock.failAnswer = { status: 200, code: 'upstream_error' };
      mock.answerText = 'Half of it';
    });
    const copied = vi.spyOn(navigator.clipboard, 'writeText');
    await user.type(await messageField(), 'Long question{Enter}');
    await screen.findByRole('button', { name: 'Stop the answer' });
    await waitFor(() => expect(window.location.pathname).not.toBe('/chat'));
    for (const action of ['Copy details', 'Retry']) {
      await user.click(await screen.findByRole('link', { name: 'New chat' }));
      api.release();
      const button = await screen.findByRole('button', { name: action });
      const notice = button.closest('li');
      api.hold = true;
      if (action === 'Retry') api.failAnswer = null;
      await user.click(button);
      await waitFor(() => expect(notice).not.toBeInTheDocument());
      if (action === 'Copy details') {
        expect(copied.mock.lastCall?.[0]).toMatch(/\. Request \S+$/);
        await user.click(await screen.findByRole('link', { name: 'Long question' }));
        await user.click(await screen.findByRole('button', { name: 'Try again' }));
      }
    }
    await waitFor(() => expect(api.regenerations).toHaveLength(2));
    api.release();
    await user.click(await screen.findByRole('link', { name: 'Long question' }));
    await waitFor(() => expect(screen.getByRole('article', { name: 'Answer' })).toHaveAttribute('data-status', 'complete'));
  });

  it('shows older messages when asked', async () => {
    const { user } = renderChat('/chat', (mock) => {
      const session = mock.addSession('Long');
      for (let number = 1; number <= 60; number++) mock.addMessage(session, 'user', `Message ${number}`);
    });
    await user.click(await screen.findByRole('link', { name: 'Long' }));
    expect(await screen.findByText('Message 60')).toBeInTheDocument();
    expect(screen.queryByText('Message 1')).toBeNull();
    await user.click(await screen.findByRole('button', { name: 'Show earlier messages' }));
    expect(await screen.findByText('Message 1')).toBeInTheDocument();
  });

  it('signs out', async () => {
    const { left, user, api } = renderChat();
    await user.click(await screen.findByRole('button', { name: 'Sign out' }));
    await waitFor(() => expect(left).toHaveBeenCalledWith('/sign-in'));
    expect(api.signedIn).toBe(false);
  });
});
