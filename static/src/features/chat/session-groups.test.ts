import { expect, it } from 'vitest';
import type { Session } from '@/lib/api/types';
import { groupSessions } from './session-groups';

const NOW = new Date('2026-03-10T12:00:00Z');

function session(title: string, about: Partial<Session>): Session {
  const at = '2026-01-01T12:00:00.000Z';
  return { id: title, title, model: 'm', created_at: at, updated_at: at, message_count: 0, last_message_at: null, pinned: false, archived: false, context_starts_at: null, ...about };
}

const grouped = (sessions: Session[]) => groupSessions(sessions, NOW).map(({ name, members }) => [name, ...members.map(({ title }) => title)]);

it('goes by the last message, or the beginning where there is none, not by the last change', () => {
  const renamed = session('renamed today', { last_message_at: '2026-02-20T12:00:00.000Z', updated_at: '2026-03-10T11:00:00.000Z' });
  const empty = session('empty', { created_at: '2026-03-09T12:00:00.000Z', updated_at: '2026-03-10T11:30:00.000Z' });
  const written = session('written in', { last_message_at: '2026-03-10T09:00:00.000Z', updated_at: '2026-03-10T09:00:00.000Z' });
  expect(grouped([empty, renamed, written])).toEqual([
    ['Today', 'written in'],
    ['Yesterday', 'empty'],
    ['Previous 30 days', 'renamed today'],
  ]);
});

it('has the pinned ones first, whenever they were written in, and nowhere else', () => {
  const old = session('old', { pinned: true });
  const fresh = session('fresh', { pinned: true, last_message_at: '2026-03-10T09:00:00.000Z' });
  const today = session('today', { last_message_at: '2026-03-10T10:00:00.000Z' });
  expect(grouped([today, old, fresh])).toEqual([
    ['Pinned', 'fresh', 'old'],
    ['Today', 'today'],
  ]);
});
