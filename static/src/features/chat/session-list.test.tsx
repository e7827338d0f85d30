import { act, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import axe from 'axe-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '@/lib/api/types';
import { MockApi, REQUEST_ID } from '@/testing/mock-api';
import { renderChat } from '@/testing/render-chat';
import { SessionGroups } from './components/session-groups';
import type { SessionRowProps } from './components/session-row';

const DAY_MS = 86_400_000;
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();

type User = ReturnType<typeof renderChat>['user'];

const row = (name: string) => screen.queryByRole('link', { name });
const list = () => screen.getByRole('navigation', { name: 'Chats' });
const titles = () => within(list()).queryAllByRole('link').map((link) => link.textContent);

async function choose(user: User, title: string, item: string): Promise<void> {
  await user.click(await screen.findByRole('button', { name: `Options for “${title}”` }));
  await user.click(await screen.findByRole('menuitem', { name: item }));
}

/** The service answers nothing about sessions until let go. */
function holdCalls(api: MockApi): () => void {
  let letGo: () => void = () => undefined;
  api.held = new Promise((resolve) => (letGo = resolve));
  return () => letGo();
}

async function expectAccessible(): Promise<void> {
  const { violations } = await axe.run(document.body, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    // jsdom lays nothing out.
    rules: { 'color-contrast': { enabled: false }, 'target-size': { enabled: false } },
  });
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)).toEqual([]);
}

const three = (api: MockApi): void => ['Third', 'Second', 'First'].forEach((title, at) => void api.addSession(title, daysAgo((2 - at) / 1000)));

describe('renaming a chat', () => {
  it('keeps the new name on Enter, also in the window above, and gives the focus back', async () => {
    const { api, user } = renderChat('/chat', three);
    await user.click(await screen.findByRole('link', { name: 'Second' }));
    expect(await screen.findByRole('heading', { level: 1, name: 'Second' })).toBeInTheDocument();
    await choose(user, 'Second', 'Rename');
    const field = await screen.findByRole('textbox', { name: 'New name for “Second”' });
    await waitFor(() => expect(field).toHaveFocus());
    await expectAccessible();
    await user.keyboard('  Rivers{Enter}');
    expect(await screen.findByRole('link', { name: 'Rivers' })).toBeInTheDocument();
    expect(screen.getByRole('heading', { level: 1, name: 'Rivers' })).toBeInTheDocument();
    await waitFor(() => expect(screen.getByRole('button', { name: 'Options for “Rivers”' })).toHaveFocus());
    await waitFor(() => expect(api.sessions.map(({ title }) => title)).toContain('Rivers'));
    expect(titles(), 'a new name moves nothing').toEqual(['First', 'Rivers', 'Third']);
  });

  it('leaves the name on Escape, and where nothing was changed', async () => {
    const { api, user } = renderChat('/chat', three);
    await choose(user, 'First', 'Rename');
    await user.type(await screen.findByRole('textbox', { name: 'New name for “First”' }), 'Else{Escape}');
    await waitFor(() => expect(screen.getByRole('button', { name: 'Options for “First”' })).toHaveFocus());
    await choose(user, 'First', 'Rename');
    await user.type(await screen.findByRole('textbox', { name: 'New name for “First”' }), '{Enter}');
    expect(await screen.findByRole('link', { name: 'First' })).toBeInTheDocument();
    expect(api.sessionCalls.filter((call) => call.startsWith('PATCH'))).toEqual([]);
  });

  it('keeps what was typed when the field is left', async () => {
    const { api, user } = renderChat('/chat', three);
    await choose(user, 'First', 'Rename');
    await waitFor(() => expect(screen.getByRole('textbox', { name: 'New name for “First”' })).toHaveFocus());
    await user.keyboard('Clicked away');
    await user.click(screen.getByRole('textbox', { name: 'Message' }));
    expect(await screen.findByRole('link', { name: 'Clicked away' })).toBeInTheDocument();
    expect(screen.getByRole('textbox', { name: 'Message' })).toHaveFocus();
    await waitFor(() => expect(api.sessionCalls).toContain('PATCH {"title":"Clicked away"}'));
  });

  it('counts code points, and takes neither too many nor none', async () => {
    const { api, user } = renderChat('/chat', three);
    await choose(user, 'First', 'Rename');
    const field = await screen.findByRole('textbox', { name: 'New name for “First”' });
    fireEvent.change(field, { target: { value: '🙂'.repeat(201) } });
    expect(field).toBeInvalid();
    expect(field).toHaveAccessibleDescription('1 character too many');
    await user.keyboard('{Enter}');
    expect(field).toBeInTheDocument();
    fireEvent.change(field, { target: { value: '   ' } });
    await user.keyboard('{Enter}');
    expect(field).toHaveAccessibleDescription('A chat needs a name');
    fireEvent.change(field, { target: { value: '🙂'.repeat(200) } });
    expect(field).toBeValid();
    fireEvent.keyDown(field, { key: 'Enter', isComposing: true });
    expect(field, 'an input method has the key').toBeInTheDocument();
    await user.keyboard('{Enter}');
    await waitFor(() => expect(api.sessions.map(({ title }) => title)).toContain('🙂'.repeat(200)));
  });

  it('takes a name back that is refused, and says why', async () => {
    const { user } = renderChat('/chat', (api) => {
      three(api);
      api.refusals.update = { status: 503, code: 'database_unavailable' };
    });
    await choose(user, 'First', 'Rename');
    await user.type(await screen.findByRole('textbox', { name: 'New name for “First”' }), 'Else{Enter}');
    expect(await screen.findByText('“First” keeps its name')).toBeInTheDocument();
    expect(screen.getByText(new RegExp(`can’t reach its storage.*${REQUEST_ID}`))).toBeInTheDocument();
    expect(await screen.findByRole('link', { name: 'First' })).toBeInTheDocument();
    expect(row('Else')).toBeNull();
  });
});

describe('pinning a chat', () => {
  it('puts it above the days, and takes it down again', async () => {
    const { api, user } = renderChat('/chat', three);
    await choose(user, 'Third', 'Pin');
    const pinned = await screen.findByRole('region', { name: 'Pinned' });
    expect(within(pinned).getByRole('link', { name: 'Third' })).toBeInTheDocument();
    expect(titles()).toEqual(['Third', 'First', 'Second']);
    await waitFor(() => expect(screen.getByRole('button', { name: 'Options for “Third”' })).toHaveFocus());
    await expectAccessible();
    await choose(user, 'Third', 'Unpin');
    await waitFor(() => expect(screen.queryByRole('region', { name: 'Pinned' })).toBeNull());
    expect(titles()).toEqual(['First', 'Second', 'Third']);
    await waitFor(() => expect(api.sessionCalls.slice(-2)).toEqual(['PATCH {"pinned":true}', 'PATCH {"pinned":false}']));
  });

  it('sends one change after the other, so that the last one stands', async () => {
    const { api, user } = renderChat('/chat', three);
    await screen.findByRole('link', { name: 'First' });
    const letGo = holdCalls(api);
    await choose(user, 'First', 'Pin');
    await choose(user, 'First', 'Unpin');
    await waitFor(() => expect(screen.queryByRole('region', { name: 'Pinned' })).toBeNull());
    expect(api.sessionCalls.filter((call) => call.startsWith('PATCH'))).toEqual(['PATCH {"pinned":true}']);
    letGo();
    await waitFor(() => expect(api.sessionCalls.at(-1)).toBe('PATCH {"pinned":false}'));
    await waitFor(() => expect(api.sessions.some(({ pinned }) => pinned)).toBe(false));
  });

  it('takes it down where it is refused', async () => {
    const { user } = renderChat('/chat', (api) => {
      three(api);
      api.refusals.update = { status: 500, code: 'internal' };
    });
    await choose(user, 'Third', 'Pin');
    expect(await screen.findByText('“Third” is not pinned')).toBeInTheDocument();
    expect(screen.queryByRole('region', { name: 'Pinned' })).toBeNull();
  });
});

describe('archiving a chat', () => {
  it('takes it out of the list into the archive, and back', async () => {
    const { api, user } = renderChat('/chat', three);
    await choose(user, 'First', 'Archive');
    await waitFor(() => expect(titles()).toEqual(['Second', 'Third']));
    await waitFor(() => expect(screen.getByRole('button', { name: 'Options for “Second”' })).toHaveFocus());
    await user.click(screen.getByRole('button', { name: 'Archived chats' }));
    expect(titles()).toEqual(['First']);
    expect(screen.getByRole('heading', { name: 'Archived chats' })).toBeInTheDocument();
    await expectAccessible();
    await choose(user, 'First', 'Move back to the list');
    expect(await screen.findByText(/Nothing is archived/)).toBeInTheDocument();
    await user.click(screen.getByRole('button', { name: 'Back to your chats' }));
    expect(titles()).toEqual(['First', 'Second', 'Third']);
    await waitFor(() => expect(api.sessionCalls.slice(-2)).toEqual(['PATCH {"archived":true}', 'PATCH {"archived":false}']));
  });

  it('is undone', async () => {
    const { api, user } = renderChat('/chat', three);
    await choose(user, 'First', 'Archive');
    await user.click(await screen.findByRole('button', { name: 'Undo' }));
    await waitFor(() => expect(titles()).toEqual(['First', 'Second', 'Third']));
    await waitFor(() => expect(api.sessions.some(({ archived }) => archived)).toBe(false));
  });

  it('keeps it in the list where it is refused', async () => {
    const { user } = renderChat('/chat', (api) => {
      three(api);
      api.refusals.update = { status: 503, code: 'overloaded' };
    });
    await choose(user, 'First', 'Archive');
    expect(await screen.findByText('“First” is not archived')).toBeInTheDocument();
    expect(titles()).toEqual(['First', 'Second', 'Third']);
  });
});

describe('exporting a chat', () => {
  function watchDownloads(): { names: string[]; texts: string[] } {
    const texts: string[] = [];
    const names: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
      names.push(this.download);
    });
    URL.createObjectURL = (blob: Blob) => {
      void blob.text().then((text) => texts.push(text));
      return 'blob:chat';
    };
    return { names, texts };
  }

  it.each([
    ['Export as Markdown', 'Größe.md', '# Größe'],
    ['Export as JSON', 'Größe.json', '"title":"Größe"'],
  ])('%s saves the file under the name that the service gives it', async (item, name, content) => {
    const { names, texts } = watchDownloads();
    const { user, api } = renderChat('/chat', (mock) => {
      mock.addMessage(mock.addSession('Größe'), 'user', 'How big?');
    });
    await choose(user, 'Größe', item);
    await waitFor(() => expect(names).toEqual([name]));
    expect(api.sessionCalls.at(-1)).toBe(`GET export ${item === 'Export as JSON' ? 'json' : 'markdown'}`);
    await waitFor(() => expect(texts.join()).toContain(content));
  });

  it('says so where it fails', async () => {
    const { names } = watchDownloads();
    const { user } = renderChat('/chat', (api) => {
      three(api);
      api.refusals.export = { status: 503, code: 'database_unavailable' };
    });
    await choose(user, 'First', 'Export as Markdown');
    expect(await screen.findByText('“First” could not be exported')).toBeInTheDocument();
    expect(names).toEqual([]);
  });
});

describe('deleting a chat', () => {
  it('takes it out at once, before the service has answered, and leaves the open one', async () => {
    const { api, user } = renderChat('/chat', three);
    await user.click(await screen.findByRole('link', { name: 'Second' }));
    const letGo = holdCalls(api);
    await choose(user, 'Second', 'Delete');
    await waitFor(() => expect(row('Second')).toBeNull());
    expect(window.location.pathname).toBe('/chat');
    expect(await screen.findByText('Chat deleted')).toBeInTheDocument();
    await waitFor(() => expect(screen.getByRole('button', { name: 'Options for “Third”' }), 'the next row').toHaveFocus());
    letGo();
    await waitFor(() => expect(api.deleted.map(({ title }) => title)).toEqual(['Second']));
    expect(titles()).toEqual(['First', 'Third']);
  });

  it('is undone, by keyboard alone', async () => {
    const { api, user } = renderChat('/chat', three);
    await user.click(await screen.findByRole('link', { name: 'Second' }));
    const path = window.location.pathname;
    (await screen.findByRole('button', { name: 'Options for “Second”' })).focus();
    await user.keyboard('{Enter}');
    await screen.findByRole('menu');
    await user.keyboard('{End}{Enter}');
    await waitFor(() => expect(api.deleted).toHaveLength(1));
    await user.keyboard('{Alt>}t{/Alt}');
    const undo = await screen.findByRole('button', { name: 'Undo' });
    // The notice itself and its close button come first.
    for (let steps = 0; steps < 2; steps++) await user.tab();
    expect(undo).toHaveFocus();
    await user.keyboard('{Enter}');
    await waitFor(() => expect(window.location.pathname).toBe(path));
    expect(row('Second')).toHaveAttribute('aria-current', 'page');
    expect(api.sessions).toHaveLength(3);
    expect(await screen.findByRole('heading', { level: 1, name: 'Second' })).toBeInTheDocument();
    expect(titles()).toEqual(['First', 'Second', 'Third']);
  });

  it('is undone before the delete has arrived: the restore comes after it', async () => {
    const { api, user } = renderChat('/chat', three);
    await screen.findByRole('link', { name: 'First' });
    const letGo = holdCalls(api);
    await choose(user, 'First', 'Delete');
    await user.click(await screen.findByRole('button', { name: 'Undo' }));
    expect(await screen.findByRole('link', { name: 'First' })).toBeInTheDocument();
    expect(api.sessionCalls.filter((call) => !call.startsWith('GET'))).toEqual(['DELETE']);
    letGo();
    await waitFor(() => expect(api.sessionCalls.filter((call) => !call.startsWith('GET'))).toEqual(['DELETE', 'POST restore']));
    await waitFor(() => expect(api.sessions).toHaveLength(3));
  });

  it('comes back where it is refused, says so, and can be tried again', async () => {
    const { api, user } = renderChat('/chat', (mock) => {
      three(mock);
      mock.refusals.delete = { status: 503, code: 'database_unavailable' };
    });
    await choose(user, 'First', 'Delete');
    expect(await screen.findByText('“First” was not deleted')).toBeInTheDocument();
    expect(screen.getByText(new RegExp(REQUEST_ID))).toBeInTheDocument();
    expect(await screen.findByRole('link', { name: 'First' })).toBeInTheDocument();
    await waitFor(() => expect(screen.queryByText('Chat deleted')).toBeNull());
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(api.deleted).toHaveLength(1));
    expect(row('First')).toBeNull();
  });

  it('says so where the undo is refused', async () => {
    const { api, user } = renderChat('/chat', (mock) => {
      three(mock);
      mock.refusals.restore = { status: 503, code: 'database_unavailable' };
    });
    await choose(user, 'First', 'Delete');
    await waitFor(() => expect(api.deleted).toHaveLength(1));
    await user.click(await screen.findByRole('button', { name: 'Undo' }));
    expect(await screen.findByText('“First” could not be brought back')).toBeInTheDocument();
    await waitFor(() => expect(row('First')).toBeNull());
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(api.sessions).toHaveLength(3));
    expect(await screen.findByRole('link', { name: 'First' })).toBeInTheDocument();
  });
});

describe('the focus, when a notice goes', () => {
  /** Alt + T, and from the notice on to its buttons. */
  async function goTo(user: User, button: string): Promise<void> {
    await user.keyboard('{Alt>}t{/Alt}');
    const target = await screen.findByRole('button', { name: button });
    expect(target.closest('li')).toHaveFocus();
    for (let steps = 0; steps < 3 && document.activeElement !== target; steps++) await user.tab();
    expect(target).toHaveFocus();
  }

  it.each(['Delete', 'Archive'])('goes to the chat that is back after %s was undone', async (item) => {
    const { user } = renderChat('/chat', three);
    await choose(user, 'First', item);
    await screen.findByRole('button', { name: 'Undo' });
    await waitFor(() => expect(screen.getByRole('button', { name: 'Options for “Second”' })).toHaveFocus());
    await goTo(user, 'Undo');
    await user.keyboard('{Enter}');
    await waitFor(() => expect(row('First')).toHaveFocus());
  });

  it('goes back to who was writing', async () => {
    const { user } = renderChat('/chat', three);
    await choose(user, 'First', 'Delete');
    await screen.findByRole('button', { name: 'Undo' });
    await user.type(screen.getByRole('textbox', { name: 'Message' }), 'Half a thou');
    await goTo(user, 'Undo');
    await user.keyboard('{Enter}');
    expect(await screen.findByRole('link', { name: 'First' })).toBeInTheDocument();
    await user.keyboard('ght');
    expect(screen.getByRole('textbox', { name: 'Message' })).toHaveValue('Half a thought');
  });

  it.each([
    ['Escape', '{Escape}'],
    ['its button', '{Enter}'],
  ])('goes to the message field where what had it before is gone: closed by %s', async (_, key) => {
    const { user } = renderChat('/chat', three);
    await choose(user, 'First', 'Delete');
    await screen.findByRole('button', { name: 'Undo' });
    const before = screen.getByRole('button', { name: 'Options for “Second”' });
    await waitFor(() => expect(before).toHaveFocus());
    await goTo(user, 'Close toast');
    before.remove();
    await user.keyboard(key);
    await waitFor(() => expect(screen.queryByText('Chat deleted')).toBeNull());
    expect(screen.getByRole('textbox', { name: 'Message' })).toHaveFocus();
  });

  it('goes to the list where the message field is out of reach', async () => {
    const { user } = renderChat('/chat', three);
    await choose(user, 'First', 'Delete');
    await screen.findByRole('button', { name: 'Undo' });
    (document.activeElement as HTMLElement).blur();
    await goTo(user, 'Close toast');
    screen.getByRole<HTMLTextAreaElement>('textbox', { name: 'Message' }).disabled = true;
    await user.keyboard('{Escape}');
    await waitFor(() => expect(list()).toHaveFocus());
  });
});

describe('the menu of a chat', () => {
  it('is used by keyboard, and gives the focus back on Escape', async () => {
    const { user } = renderChat('/chat', three);
    const button = await screen.findByRole('button', { name: 'Options for “First”' });
    button.focus();
    await user.keyboard('{Enter}');
    const menu = await screen.findByRole('menu');
    expect(within(menu).getAllByRole('menuitem').map((item) => item.textContent)).toEqual([
      'Rename', 'Pin', 'Archive', 'Export as Markdown', 'Export as JSON', 'Delete',
    ]);
    expect(within(menu).getByRole('menuitem', { name: 'Rename' })).toHaveFocus();
    expect(list(), 'the page is not hidden behind it').toBeInTheDocument();
    await expectAccessible();
    await user.keyboard('{ArrowDown}');
    expect(within(menu).getByRole('menuitem', { name: 'Pin' })).toHaveFocus();
    await user.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByRole('menu')).toBeNull());
    expect(button).toHaveFocus();
  });
});

describe('the groups', () => {
  it('are headings by day, with the month where it is longer ago', async () => {
    const long = new Date(Date.now() - 400 * DAY_MS);
    renderChat('/chat', (api) => {
      api.addSession('Of last year', long.toISOString());
      api.addSession('Weeks old', daysAgo(20));
      api.addSession('Days old', daysAgo(4));
      api.addSession('New');
    });
    await screen.findByRole('link', { name: 'New' });
    const month = new Intl.DateTimeFormat(undefined, { month: 'long', year: 'numeric' }).format(long);
    expect(within(list()).getAllByRole('region').map((region) => region.getAttribute('aria-label'))).toEqual(['Today', 'Previous 7 days', 'Previous 30 days', month]);
  });
});

describe('a list of several pages', () => {
  const many = (api: MockApi): void => {
    for (let number = 90; number >= 1; number--) api.addSession(`Chat ${number}`, daysAgo(number / 1000));
  };

  const noSight = IntersectionObserver;
  afterEach(() => vi.stubGlobal('IntersectionObserver', noSight));

  /** As the browser does when the end comes into sight. */
  function watchSight(): (target?: Element) => void {
    const seen: (() => void)[] = [];
    vi.stubGlobal(
      'IntersectionObserver',
      class {
        constructor(private readonly tell: (entries: { isIntersecting: boolean }[]) => void) {}
        observe(): void {
          seen.push(() => this.tell([{ isIntersecting: true }]));
        }
        disconnect(): void {
          seen.length = 0;
        }
      },
    );
    return () => act(() => seen.splice(0).forEach((tell) => tell()));
  }

  it('fetches the next one when the end comes near', async () => {
    const scrollToEnd = watchSight();
    const { api } = renderChat('/chat', many);
    await screen.findByText('Chat 40');
    expect(screen.queryByText('Chat 41')).toBeNull();
    scrollToEnd();
    expect(await screen.findByText('Chat 80')).toBeInTheDocument();
    scrollToEnd();
    expect(await screen.findByText('Chat 90')).toBeInTheDocument();
    expect(screen.queryByText('Show more')).toBeNull();
    expect(api.sessionCalls).toHaveLength(3);
  });

  it('can be had by keyboard, and says where it fails', async () => {
    const { api, user } = renderChat('/chat', many);
    const more = await screen.findByText('Show more');
    api.refusals.list = { status: 400, code: 'invalid_request' };
    more.focus();
    await user.keyboard('{Enter}');
    expect(await screen.findByText('Could not load. Try again')).toHaveFocus();
    await user.keyboard('{Enter}');
    expect(await screen.findByText('Chat 80')).toBeInTheDocument();
    expect(screen.getByText('Show more')).toHaveFocus();
  });
});

describe('a long list', () => {
  it('is drawn in part, and keeps the row that has the focus', async () => {
    const HEIGHT = 36;
    vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(HEIGHT);
    const sessions = Array.from({ length: 400 }, (_, at) => ({ ...new MockApi().addSession(`Chat ${at}`), id: `id-${at}` }));
    const frame = { current: document.createElement('nav') };
    for (const side of ['offsetHeight', 'offsetWidth', 'clientHeight', 'clientWidth']) Object.defineProperty(frame.current, side, { value: 20 * HEIGHT });
    document.body.append(frame.current);
    const rowOf = (session: Session): SessionRowProps => ({
      session, active: false, renaming: false, maxTitleLength: 200, onNavigate: vi.fn(), onRename: vi.fn(), onRenamed: vi.fn(), onMoved: vi.fn(),
      actions: { rename: vi.fn(), setPinned: vi.fn(), setArchived: vi.fn(), save: vi.fn(), remove: vi.fn() },
    });
    const groups = [{ name: 'Today', members: sessions.slice(0, 10) }, { name: 'May', members: sessions.slice(10) }];
    render(<SessionGroups groups={groups} frame={frame} rowOf={rowOf} />, { container: frame.current });

    await screen.findByText('Chat 0');
    expect(screen.queryByText('Chat 399')).toBeNull();
    expect(frame.current.querySelectorAll('li').length).toBeLessThan(60);
    expect(screen.getByText('May')).toBeInTheDocument();
    const link = screen.getByText('Chat 12').closest('a');
    expect(link?.closest('li')).toHaveAttribute('aria-posinset', '3');
    expect(link?.closest('li')).toHaveAttribute('aria-setsize', '390');

    act(() => link?.focus());
    frame.current.scrollTop = 380 * HEIGHT;
    fireEvent.scroll(frame.current);
    await screen.findByText('Chat 399');
    expect(screen.queryByText('Chat 0')).toBeNull();
    expect(link).toHaveFocus();
    frame.current.remove();
  });
});

describe('searching', () => {
  const some = (api: MockApi): void => {
    const rivers = api.addSession('Rivers', daysAgo(0.002));
    api.addMessage(rivers, 'user', 'Which is longest?');
    api.addMessage(rivers, 'assistant', `${'filler '.repeat(15)}The <b>Nile</b>, by <img src=x onerror=alert(1)> most counts.`);
    api.addSession('A nile-green wall', daysAgo(0.001));
    api.addSession('Nothing of it');
  };
  const field = () => screen.findByRole('searchbox', { name: 'Search chats' });
  const searches = (api: MockApi) => api.sessionCalls.filter((call) => call.includes('q='));

  it('finds by name and by text, and marks the words as text, never as HTML', async () => {
    const { api, user } = renderChat('/chat', some);
    await user.type(await field(), 'nile');
    expect(await screen.findByText('2 chats found')).toHaveAttribute('role', 'status');
    const found = screen.getByRole('list', { name: 'Found chats' });
    expect([...found.querySelectorAll('mark')].map((mark) => mark.textContent)).toEqual(['nile', 'Nile']);
    const [, snippet] = within(found).getAllByRole('link');
    expect(snippet).toHaveTextContent(/^Rivers….*The <b>Nile<\/b>, by <img src=x onerror=alert\(1\)> most counts\.$/);
    expect(found.querySelector('b, img')).toBeNull();
    expect(searches(api), 'not one for each letter').toHaveLength(1);
    await expectAccessible();
    await user.click(await screen.findByText('Rivers'));
    expect(window.location.pathname).toBe(`/chat/${api.sessions.find(({ title }) => title === 'Rivers')?.id}`);
    expect(screen.getByRole('list', { name: 'Found chats' }), 'for the next look').toBeInTheDocument();
  });

  it('says when there is nothing, and Escape brings the list back', async () => {
    const { user } = renderChat('/chat', some);
    await user.type(await field(), 'zebra');
    expect(await screen.findByText('No chats found')).toHaveAttribute('role', 'status');
    await expectAccessible();
    await user.keyboard('{Escape}');
    expect(await field()).toHaveValue('');
    expect(await screen.findByRole('region', { name: 'Today' })).toBeInTheDocument();
    await user.type(await field(), 'x');
    await user.click(screen.getByRole('button', { name: 'Clear the search' }));
    expect(await field()).toHaveFocus();
    expect(await field()).toHaveValue('');
  });

  it('says when it fails, and tries again', async () => {
    const { api, user } = renderChat('/chat', some);
    await screen.findByText('Rivers');
    api.refusals.list = { status: 400, code: 'invalid_request' };
    await user.type(await field(), 'nile');
    await user.click(await within(list()).findByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('2 chats found')).toBeInTheDocument();
  });

  it('has the same actions: a chat that was found is renamed, archived and deleted', async () => {
    const { api, user } = renderChat('/chat', some);
    await user.type(await field(), 'nile');
    await screen.findByText('2 chats found');
    await choose(user, 'Rivers', 'Archive');
    expect(await screen.findByText('Archived')).toBeInTheDocument();
    await choose(user, 'A nile-green wall', 'Delete');
    expect(await screen.findByText('1 chat found')).toBeInTheDocument();
    await waitFor(() => expect(api.deleted).toHaveLength(1));
    const notice = (await screen.findByText('Chat deleted')).closest('li') ?? document.body;
    await user.click(within(notice).getByRole('button', { name: 'Undo' }));
    expect(await screen.findByText('2 chats found')).toBeInTheDocument();
  });

  it('asks for at most 200 code points', async () => {
    const { api } = renderChat('/chat', some);
    fireEvent.change(await field(), { target: { value: '🙂'.repeat(250) } });
    expect(await screen.findByText('No chats found')).toBeInTheDocument();
    expect(new URLSearchParams(searches(api)[0]?.slice(4)).get('q')).toBe('🙂'.repeat(200));
  });

  it('is reached by Ctrl+K, which the list of shortcuts has; the arrow goes on to what is listed', async () => {
    const { user } = renderChat('/chat', (api) => {
      some(api);
      vi.spyOn(window, 'matchMedia').mockImplementation((query) => ({ matches: query.includes('min-width'), media: query, addEventListener: vi.fn(), removeEventListener: vi.fn() }) as never);
    });
    await screen.findByText('Rivers');
    await user.keyboard('{Control>}{Shift>}s{/Shift}{/Control}');
    expect(screen.queryByRole('searchbox')).toBeNull();
    await user.keyboard('{Control>}k{/Control}');
    expect(await field(), 'the list is shown again for it').toHaveFocus();
    await screen.findByText('Rivers');
    await user.keyboard('{ArrowDown}');
    expect(screen.getByRole('link', { name: 'Nothing of it' })).toHaveFocus();
    await user.keyboard('?');
    expect(within(await screen.findByRole('dialog')).getByText('Search chats')).toBeInTheDocument();
  });

  it('has a field of its own in the drawer of a small window, where Escape first empties it', async () => {
    const { user } = renderChat('/chat', some);
    await screen.findByText('Rivers');
    await user.keyboard('{Control>}k{/Control}');
    const drawer = await screen.findByRole('dialog', { name: 'Your chats' });
    const own = within(drawer).getByRole('searchbox', { name: 'Search chats' });
    expect(own).toHaveFocus();
    await user.keyboard('nile');
    await within(drawer).findByText('2 chats found');
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    expect(new Set(ids).size, 'ids are of one instance each').toBe(ids.length);
    await user.keyboard('{Escape}');
    expect(own).toHaveValue('');
    expect(drawer).toBeInTheDocument();
    within(drawer).getByRole('button', { name: 'Sign out' }).focus();
    await user.keyboard('{Control>}k{/Control}');
    expect(own, 'from anywhere in it').toHaveFocus();
    await user.keyboard('{Control>}{Shift>}o{/Shift}{/Control}');
    expect(drawer, 'the other keys are the window’s').toBeInTheDocument();
    await user.keyboard('{Escape}');
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  });
});

describe('the drawer of a small window', () => {
  it('has the rest of the page inert, stays open while a notice is used, and gives the focus back', async () => {
    const { api, user } = renderChat('/chat', three);
    const opener = await screen.findByRole('button', { name: 'Open the chat list' });
    await user.click(opener);
    const drawer = await screen.findByRole('dialog', { name: 'Your chats' });
    expect(opener.closest('[inert]')).not.toBeNull();
    await user.click(await within(drawer).findByRole('button', { name: 'Options for “First”' }));
    await user.click(await screen.findByRole('menuitem', { name: 'Delete' }));
    const undo = await screen.findByRole('button', { name: 'Undo' });
    expect(undo.closest('[inert], [aria-hidden="true"]')).toBeNull();
    undo.focus();
    expect(undo, 'nothing takes the focus back').toHaveFocus();
    await user.click(undo);
    const back = await within(drawer).findByRole('link', { name: 'First' });
    await waitFor(() => expect(back).toHaveFocus());
    await waitFor(() => expect(api.sessions).toHaveLength(3));
    await user.click(within(drawer).getByRole('button', { name: 'Close the chat list' }));
    await waitFor(() => expect(opener).toHaveFocus());
    expect(opener.closest('[inert]')).toBeNull();
  });

  it('closes on a tap beside it', async () => {
    const { user } = renderChat('/chat', three);
    await user.click(await screen.findByRole('button', { name: 'Open the chat list' }));
    await screen.findByRole('dialog', { name: 'Your chats' });
    await user.click(screen.getByTestId('backdrop'));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  });
});
