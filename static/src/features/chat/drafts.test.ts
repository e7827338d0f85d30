import { afterEach, expect, test, vi } from 'vitest';
import { Drafts, forgetDrafts } from './drafts';

afterEach(() => void vi.useRealTimers());

const reload = () => window.dispatchEvent(new Event('pagehide'));

test('what was typed is there after a reload, chat by chat', () => {
  const before = new Drafts('ann@example.com');
  before.set('new', 'Half a thou');
  before.set('a', 'Another');
  before.set('a', '');
  reload();
  const after = new Drafts('ann@example.com');
  expect([after.get('new'), after.get('a')]).toEqual(['Half a thou', '']);
});

test('who signs in next finds nothing of it, and nothing is left for the one before', () => {
  new Drafts('ann').set('new', 'Mine');
  reload();
  expect(new Drafts('bob').get('new')).toBe('');
  expect(new Drafts('ann').get('new')).toBe('');
  new Drafts('an').set('new', 'Ours');
  reload();
  expect(new Drafts('ann').get('new')).toBe('');
});

test('a key typed costs no write; the browser has it when the typing pauses, or the page is put aside', () => {
  vi.useFakeTimers();
  const write = vi.spyOn(Storage.prototype, 'setItem');
  const drafts = new Drafts('ann');
  for (const text of ['W', 'Wa', 'Wai', 'Wait']) {
    drafts.set('new', text);
    vi.advanceTimersByTime(200);
  }
  expect(write).not.toHaveBeenCalled();
  vi.advanceTimersByTime(100);
  expect(write.mock.calls).toEqual([['chat.draft.ann.new', 'Wait']]);
  drafts.set('new', 'Wait, what');
  document.dispatchEvent(new Event('visibilitychange'));
  expect(new Drafts('ann').get('new')).toBe('Wait, what');
});

test('what has been sent is gone from the browser at once', () => {
  const drafts = new Drafts('ann');
  drafts.set('new', 'Sent');
  reload();
  drafts.set('new', '');
  expect(new Drafts('ann').get('new')).toBe('');
});

test('signing out forgets it, and nothing else, and nothing is written after it', () => {
  window.localStorage.setItem('theme', 'dark');
  const drafts = new Drafts('ann');
  drafts.set('new', 'Mine');
  reload();
  drafts.set('a', 'On its way');
  drafts.forget();
  reload();
  expect([new Drafts('ann').get('new'), new Drafts('ann').get('a')]).toEqual(['', '']);
  new Drafts('ann').set('new', 'Mine');
  reload();
  forgetDrafts();
  expect(new Drafts('ann').get('new')).toBe('');
  expect(window.localStorage.getItem('theme')).toBe('dark');
});

test('a browser that keeps nothing: a draft lives as long as the page', () => {
  vi.spyOn(Storage.prototype, 'setItem').mockImplementation(() => {
    throw new DOMException('full', 'QuotaExceededError');
  });
  const drafts = new Drafts('ann');
  drafts.set('new', 'Still here');
  expect(drafts.get('new')).toBe('Still here');
});

test('a draft that waits to be written when somebody signs out is never written', () => {
  vi.useFakeTimers();
  const drafts = new Drafts('zoe');
  drafts.set('new', 'On its way');
  drafts.forget();
  drafts.set('new', 'Typed while the page goes');
  vi.advanceTimersByTime(1_000);
  reload();
  expect(window.localStorage.getItem('chat.draft.zoe.new')).toBeNull();
});

test('a page that was put aside writes its draft once', () => {
  vi.useFakeTimers();
  const drafts = new Drafts('zoe');
  const before = vi.getTimerCount();
  drafts.set('new', 'Wait');
  expect(vi.getTimerCount()).toBe(before + 1);
  reload();
  vi.advanceTimersByTime(0);
  expect(vi.getTimerCount()).toBe(before);
});
