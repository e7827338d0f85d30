import { expect, test } from 'vitest';
import { lastScreen, type ChatItem } from './chat-view';

const itemsOf = (...texts: string[]) => texts.map((content, index) => ({ key: String(index), content }) as ChatItem);
const keys = (items: ChatItem[]) => items.map(({ key }) => key);

test.each([
  ['one that is longer than the screen', itemsOf('a', 'b', 'x'.repeat(10_000)), ['2']],
  ['lines, however short', itemsOf('a', 'b', 'x\n'.repeat(40)), ['2']],
  ['an empty one has its height', itemsOf('', '', '', ''), ['0', '1', '2', '3']],
  ['as many as it takes', itemsOf('a', 'x\n'.repeat(20), 'x\n'.repeat(20), 'x\n'.repeat(20)), ['2', '3']],
  ['none', [], []],
])('the last screen: %s', (_what, items, expected) => {
  expect(keys(lastScreen(items, 800))).toEqual(expected);
});
