import { http, HttpResponse } from 'msw';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { server } from '@/testing/server';
import { callJson } from './client';
import { askEarly } from './early';

let asked: number;
beforeEach(() => {
  asked = 0;
  server.use(http.get('/api/v1/chat/features', () => HttpResponse.json({ number: ++asked })));
});
afterEach(() => void vi.restoreAllMocks());

test('what was asked for early is not asked for again, but once', async () => {
  askEarly('/chat/features');
  expect([await callJson('/chat/features'), await callJson('/chat/features')]).toEqual([{ number: 1 }, { number: 2 }]);
});

test('an answer that nobody came for is too old after ten seconds', async () => {
  askEarly('/chat/features');
  const now = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(now + 10_000);
  expect(await callJson('/chat/features')).toEqual({ number: 2 });
});

test('one that failed fails as any other does', async () => {
  server.use(http.get('/api/v1/chat/features', () => HttpResponse.error()));
  askEarly('/chat/features');
  await expect(callJson('/chat/features')).rejects.toMatchObject({ code: 'offline' });
});
