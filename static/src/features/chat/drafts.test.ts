import { expect, test, vi } from 'vitest';
import { Drafts, forgetDrafts } from './drafts';

test('what was typed is there after a reload, chat by chat', () => {
  const before = new Drafts('ann@example.com');
  before.set('new', 'Half a thou');
  before.set('a', 'Another');
  before.set('a', '');
  const after = new Drafts('ann@example.com');
  expect([after.get('new'), after.get('a')]).toEqual(['Half a thou', '']);
});

test('who signs in next finds nothing of it, and nothing is left for the one before', () => {
  new Drafts('ann').set('new', 'Mine');
  expect(new Drafts('bob').get('new')).toBe('');
  expect(new Drafts('ann').get('new')).toBe('');
  new Drafts('an').set('new', 'Ours');
  expect(new Drafts('ann').get('new')).toBe('');
});

test('signing out forgets it, and nothing else', () => {
  window.localStorage.setItem('theme', 'dark');
  new Drafts('ann').set('new', 'Mine');
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
