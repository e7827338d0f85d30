import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import axe from 'axe-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MockApi } from '@/testing/mock-api';
import { renderChat } from '@/testing/render-chat';

const MODELS = ['Meta-Llama-3.3-70B-Instruct', 'DeepSeek-V3.1'];

/** The page on a chat with one question and its answer. */
async function openChat(prepare: (api: MockApi) => void = () => undefined) {
  let path = '';
  const view = renderChat('/chat', (api) => {
    const session = api.addSession('Rivers');
    api.addMessage(session, 'user', 'Which river is longest?');
    api.addMessage(session, 'assistant', 'The **Nile**, by most counts.');
    prepare(api);
    path = `/chat/${session.id}`;
  });
  await view.user.click(await screen.findByRole('link', { name: 'Rivers' }));
  await waitFor(() => expect(window.location.pathname).toBe(path));
  const answer = await screen.findByRole('article', { name: 'Answer' });
  return { ...view, answer };
}

const button = (name: string) => screen.findByRole('button', { name });
const finishedAnswer = (text: string) =>
  waitFor(() => {
    const answer = screen.getByRole('article', { name: 'Answer' });
    expect(answer).toHaveAttribute('data-status', 'complete');
    expect(answer).toHaveTextContent(text);
  }, { timeout: 4000 });
const messageField = () => screen.findByRole('textbox', { name: 'Message' });

async function expectAccessible(): Promise<void> {
  const { violations } = await axe.run(document.body, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    // jsdom lays nothing out.
    rules: { 'color-contrast': { enabled: false }, 'target-size': { enabled: false } },
  });
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
}

describe('what can be done with an answer', () => {
  it('copies it as Markdown', async () => {
    const { user } = await openChat();
    await user.click(await button('Copy answer'));
    expect(await navigator.clipboard.readText()).toBe('The **Nile**, by most counts.');
    await user.click(await button('Copy message'));
    expect(await navigator.clipboard.readText()).toBe('Which river is longest?');
  });

  it('rates it, changes the rating, and takes it back', async () => {
    const { api, user } = await openChat();
    await user.click(await button('Good answer'));
    expect(await button('Good answer')).toHaveAttribute('aria-pressed', 'true');
    await user.click(await button('Bad answer'));
    expect(await button('Good answer')).toHaveAttribute('aria-pressed', 'false');
    expect(await button('Bad answer')).toHaveAttribute('aria-pressed', 'true');
    await user.click(await button('Bad answer'));
    expect(await button('Bad answer')).toHaveAttribute('aria-pressed', 'false');
    await waitFor(() => expect(api.ratings.map(({ rating }) => rating)).toEqual(['up', 'down', 'none']));
    await expectAccessible();
  });

  it('takes a rating back that is refused, and says so', async () => {
    const { user } = await openChat((api) => (api.refuseRating = { status: 503, code: 'database_unavailable' }));
    await user.click(await button('Good answer'));
    expect(await screen.findByText(/can’t reach its storage/)).toBeInTheDocument();
    expect(await button('Good answer')).toHaveAttribute('aria-pressed', 'false');
  });

  it('writes it anew, and keeps the earlier one within reach', async () => {
    const { api, user } = await openChat((mock) => (mock.answerText = 'The Amazon.'));
    expect(screen.queryByRole('button', { name: 'Previous answer' })).toBeNull();
    await user.click(await button('Regenerate answer'));
    expect(screen.getByRole('textbox', { name: 'Message' }), 'the button is gone').toHaveFocus();
    await finishedAnswer('The Amazon.');
    expect(api.regenerations).toHaveLength(1);
    const versions = await screen.findByRole('group', { name: 'Answers to this question' });
    expect(versions).toHaveTextContent('2/2');
    await user.click(await button('Previous answer'));
    await finishedAnswer('The Nile, by most counts.');
    expect(versions).toHaveTextContent('1/2');
    await user.click(await button('Copy answer'));
    expect(await navigator.clipboard.readText()).toBe('The **Nile**, by most counts.');
    await expectAccessible();
    await user.click(await button('Next answer'));
    await finishedAnswer('The Amazon.');
  });
});

describe('editing the last question', () => {
  it('sends the new text in its place', async () => {
    const { api, user } = await openChat((mock) => (mock.answerText = 'The Congo.'));
    await user.click(await button('Edit message'));
    const editor = screen.getByRole('textbox', { name: 'Edited message' });
    expect(editor).toHaveFocus();
    expect(editor).toHaveValue('Which river is longest?');
    await expectAccessible();
    await user.clear(editor);
    await user.type(editor, 'Which river is deepest?{Enter}');
    expect(screen.getByRole('textbox', { name: 'Message' }), 'the editor is gone').toHaveFocus();
    await finishedAnswer('The Congo.');
    expect(screen.getByRole('article', { name: 'Your message' })).toHaveTextContent('Which river is deepest?');
    expect(screen.queryByText('Which river is longest?')).toBeNull();
    expect(api.sends[0]?.body.replaces).toBe(api.messages[0]?.id);
  });

  it('leaves everything as it was on Escape', async () => {
    const { api, user } = await openChat();
    await user.click(await button('Edit message'));
    await user.keyboard(' changed{Escape}');
    expect(screen.queryByRole('textbox', { name: 'Edited message' })).toBeNull();
    expect(screen.getByRole('article', { name: 'Your message' })).toHaveTextContent('Which river is longest?');
    expect(api.sends).toHaveLength(0);
  });

  it('keeps the text and the old answer where it is refused, and sends it again', async () => {
    const { api, user } = await openChat((mock) => {
      mock.answerText = 'The Congo.';
      mock.refuseSend = { status: 503, code: 'overloaded' };
    });
    await user.click(await button('Edit message'));
    await user.keyboard(' Or deepest?{Enter}');
    expect(await within(screen.getByRole('main')).findByRole('alert')).toHaveTextContent('The service is busy right now.');
    expect(screen.getByRole('textbox', { name: 'Edited message' })).toHaveValue('Which river is longest? Or deepest?');
    expect(screen.getByRole('article', { name: 'Answer' })).toHaveTextContent('The Nile, by most counts.');
    await user.click(await button('Save and send'));
    await finishedAnswer('The Congo.');
    expect(api.sends[0]?.idempotencyKey).toBe(api.sends[1]?.idempotencyKey);
  });
});

describe('the choice of the model', () => {
  it('is not offered where there is one', async () => {
    await openChat();
    expect(screen.queryByRole('combobox', { name: 'Model' })).toBeNull();
  });

  it('goes along with what is sent and stays with the chat', async () => {
    const { api, user } = await openChat((mock) => {
      mock.features = { ...mock.features, models: MODELS };
      mock.answerText = 'The Amazon.';
    });
    const picker = screen.getByRole('combobox', { name: 'Model' });
    expect(picker).toHaveValue(MODELS[0]);
    await user.selectOptions(picker, 'DeepSeek-V3.1');
    await user.click(await button('Regenerate answer'));
    await finishedAnswer('The Amazon.');
    await user.type(await messageField(), 'And the widest?{Enter}');
    await waitFor(() => expect(api.sends).toHaveLength(1));
    expect(api.regenerations[0]?.model).toBe('DeepSeek-V3.1');
    expect(api.sends[0]?.body.model).toBe('DeepSeek-V3.1');
    await user.click(await screen.findByRole('link', { name: 'New chat' }));
    expect(picker).toHaveValue(MODELS[0]);
    await user.click(await screen.findByRole('link', { name: 'Rivers' }));
    expect(picker).toHaveValue('DeepSeek-V3.1');
    await expectAccessible();
  });
});

describe('the keyboard', () => {
  it('lists its shortcuts on ?, but not while somebody types', async () => {
    const { user } = await openChat();
    await user.type(await messageField(), '?');
    expect(screen.queryByRole('dialog')).toBeNull();
    const opener = await button('Keyboard shortcuts');
    opener.focus();
    await user.keyboard('?');
    const dialog = await screen.findByRole('dialog', { name: 'Keyboard shortcuts' });
    expect(dialog).toHaveTextContent('Copy the last answer');
    expect(dialog).toContainElement(document.activeElement as HTMLElement);
    await expectAccessible();
    await user.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(opener).toHaveFocus();
  });

  it('lets the single key be switched off', async () => {
    const { user } = await openChat();
    await user.click(await button('Keyboard shortcuts'));
    await user.click(within(await screen.findByRole('dialog')).getByRole('checkbox'));
    await user.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    await user.keyboard('?');
    expect(screen.queryByRole('dialog')).toBeNull();
    await user.keyboard('{Control>}/{/Control}');
    expect(within(await screen.findByRole('dialog')).getByRole('checkbox')).not.toBeChecked();
  });

  it('copies the last answer, goes to the message field, begins a new chat', async () => {
    const { user } = await openChat();
    await user.keyboard('{Control>}{Shift>}y{/Shift}{/Control}');
    expect(await screen.findByText('Answer copied')).toBeInTheDocument();
    expect(await navigator.clipboard.readText()).toBe('The **Nile**, by most counts.');
    (await button('Copy answer')).focus();
    await user.keyboard('{Shift>}{Escape}{/Shift}');
    expect(await messageField()).toHaveFocus();
    await user.keyboard('{Control>}{Shift>}o{/Shift}{/Control}');
    expect(window.location.pathname).toBe('/chat');
  });

  it('stops the answer on Escape', async () => {
    const { user } = await openChat((api) => (api.paceMs = 30));
    await user.click(await button('Regenerate answer'));
    await screen.findByText(/binary/i);
    await user.keyboard('{Escape}');
    expect(await screen.findByText(/Stopped/)).toBeInTheDocument();
  });

  it('shows the list', async () => {
    const { user } = await openChat();
    await user.keyboard('{Control>}{Shift>}s{/Shift}{/Control}');
    expect(await screen.findByRole('dialog', { name: 'Your chats' })).toBeInTheDocument();
  });
});

describe('a long chat', () => {
  const HEIGHT = 600;
  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(HEIGHT);
    vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(HEIGHT);
    vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(800);
  });
  afterEach(() => vi.restoreAllMocks());

  it('draws only what is near, and always the newest message', async () => {
    const { user } = renderChat('/chat', (api) => {
      const session = api.addSession('Long');
      for (let number = 1; number <= 150; number++) {
        api.addMessage(session, 'user', `Question ${number}`);
        api.addMessage(session, 'assistant', `Answer ${number}`);
      }
    });
    await user.click(await screen.findByRole('link', { name: 'Long' }));
    expect(await screen.findByText('Question 150')).toBeInTheDocument();
    // It opens with a page of a few screens; the pages behind it are larger.
    await waitFor(() => expect(within(screen.getByRole('list', { name: 'Messages' })).getAllByRole('listitem')).toHaveLength(24));
    for (let page = 2; page <= 7; page++) {
      await user.click(await button('Show earlier messages'));
      await waitFor(() => expect(screen.queryByRole('button', { name: 'Loading…' })).toBeNull());
    }
    expect(await screen.findByText('This is where the chat begins.')).toBeInTheDocument();
    const drawn = screen.getByRole('list', { name: 'Messages' }).children;
    expect(drawn.length).toBeGreaterThan(0);
    expect(drawn.length).toBeLessThan(40);
    expect(document.querySelectorAll('*').length).toBeLessThan(4000);
    expect(drawn[drawn.length - 1]).toHaveAttribute('aria-posinset', '300');
    expect(screen.getByText('Answer 150')).toBeInTheDocument();
  });

  it('draws what fills a screen before the messages above it', async () => {
    const { user } = renderChat('/chat', (api) => {
      const session = api.addSession('Long');
      for (let number = 1; number <= 60; number++) api.addMessage(session, 'user', `Message ${number}${'\nand a line'.repeat(10)}`);
    });
    const counts: number[] = [];
    const observer = new MutationObserver(() => {
      const count = document.querySelectorAll('li[data-key]').length;
      if (count > 0 && count !== counts.at(-1)) counts.push(count);
    });
    observer.observe(document.body, { childList: true, subtree: true });
    await user.click(await screen.findByRole('link', { name: 'Long' }));
    expect(await button('Show earlier messages')).toBeEnabled();
    observer.disconnect();
    expect(counts).toEqual([4, 24]);
    expect(screen.getByText(/^Message 60/)).toBeInTheDocument();
  });

  it('loads earlier messages when somebody scrolls up to them', async () => {
    const { user } = renderChat('/chat', (api) => {
      const session = api.addSession('Long');
      for (let number = 1; number <= 60; number++) api.addMessage(session, 'user', `Message ${number}`);
    });
    await user.click(await screen.findByRole('link', { name: 'Long' }));
    await screen.findByText('Message 60');
    const frame = screen.getByTestId('messages');
    vi.spyOn(frame, 'scrollHeight', 'get').mockReturnValue(5000);
    for (const top of [4400, 900, 300, 250]) {
      frame.scrollTop = top;
      fireEvent.scroll(frame);
    }
    expect(await screen.findByText('Message 1')).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Go to the newest message' })).toBeInTheDocument();
  });
});

describe('the quota', () => {
  const daily = (used: number, reset_at: string) => ({ limit: 100, used, remaining: 100 - used, reset_at });

  it('warns when most of the day’s messages are used', async () => {
    await openChat((api) => (api.quota = { ...api.quota, daily: daily(79, api.quota.daily.reset_at) }));
    expect(await screen.findByTestId('quota')).toHaveAttribute('data-level', 'ok');
  });

  it.each([[80, 'warning'], [99, 'warning'], [100, 'error']])('at %i of 100 it is a %s', async (used, level) => {
    await openChat((api) => (api.quota = { ...api.quota, daily: daily(used, new Date(Date.now() + 5_370_000).toISOString()) }));
    const line = await screen.findByTestId('quota');
    expect(line).toHaveAttribute('data-level', level);
    expect(line).toHaveTextContent('renewed in 1 h 30 min');
    await expectAccessible();
  });

  it('asks again when the day begins anew', async () => {
    const { api } = await openChat((mock) => (mock.quota = { ...mock.quota, daily: daily(100, new Date(Date.now() + 300).toISOString()) }));
    expect(await screen.findByTestId('quota')).toHaveAttribute('data-level', 'error');
    api.quota = { ...api.quota, daily: daily(0, '2030-01-02T00:00:00.000Z') };
    await waitFor(() => expect(screen.getByTestId('quota')).toHaveTextContent('100 of 100'), { timeout: 4000 });
  });
});

it('a quota that is renewed in the far future is not asked for again and again', async () => {
  const asked = vi.spyOn(globalThis, 'fetch');
  await openChat((api) => (api.quota = { ...api.quota, daily: { ...api.quota.daily, reset_at: '2126-01-01T00:00:00.000Z' } }));
  await screen.findByTestId('quota');
  // A timer beyond 2^31 ms would fire at once, and again after each answer.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const paths = asked.mock.calls.map(([input]) => (input instanceof Request ? input.url : input.toString()));
  expect(paths.filter((path) => path.endsWith('/chat/quota'))).toHaveLength(1);
});

it('each message says when it was written', async () => {
  const { answer, api } = await openChat();
  const time = answer.querySelector('time');
  expect(time).toHaveAttribute('datetime', api.messages[1]?.created_at);
  expect(time?.title).toMatch(/\d{4}/);
});
