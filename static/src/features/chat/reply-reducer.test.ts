import { describe, expect, it } from 'vitest';
import { MockApi } from '@/testing/mock-api';
import type { AnswerEvent, ClosingMessage } from '@/lib/api/types';
import { initialReply, reduceReply, type ReplyAction } from './reply-reducer';

const api = new MockApi();
const session = api.addSession('Title');
const question = api.addMessage(session, 'user', 'Hi');
const answer = api.addMessage(session, 'assistant', '', { status: 'streaming', parent_id: question.id });

const start: AnswerEvent = { event: 'start', id: '0.0', data: { session, user_message: question, message: answer, quota: api.quota } };
const delta = (id: string, content: string): AnswerEvent => ({ event: 'delta', id, data: { content } });
const reasoning = (id: string, content: string): AnswerEvent => ({ event: 'reasoning', id, data: { content } });
const closing = (bytes: number, status: ClosingMessage['status'] = 'complete'): ClosingMessage => {
  const { content: _content, reasoning: _reasoning, ...rest } = answer;
  return { ...rest, status, content_bytes: bytes };
};
const done = (bytes: number): AnswerEvent => ({ event: 'done', id: 'end', data: { message: closing(bytes), session, quota: api.quota } });
const play = (...actions: ReplyAction[]) => actions.reduce(reduceReply, initialReply);

describe('reduceReply', () => {
  it('gathers reasoning and text apart, counting bytes as the ids do', () => {
    const state = play(start, reasoning('3.0', 'hmm'), delta('3.3', '€'), delta('3.7', '🙂'));
    expect(state).toMatchObject({ phase: 'writing', content: '€🙂', reasoning: 'hmm', lastEventId: '3.7', outOfStep: false });
  });

  it('ends with the closing message and all of the text', () => {
    const state = play(start, delta('0.2', 'ab'), done(2));
    expect(state).toMatchObject({ phase: 'done', needsStoredText: false, lastEventId: 'end' });
    expect(state.message).toMatchObject({ status: 'complete', content: 'ab' });
  });

  it('passes over text that it has already', () => {
    const state = play(start, delta('0.2', 'ab'), delta('0.2', 'ab'), delta('0.1', 'a'), delta('0.3', 'c'));
    expect(state).toMatchObject({ content: 'abc', outOfStep: false });
  });

  it.each([
    ['a gap', delta('0.9', 'x')],
    ['an overlap', delta('0.3', 'bc')],
    ['an id that is none', delta('nine', 'x')],
    ['the wrong counter', delta('1.2', 'x')],
  ])('notices %s, and takes no more until it starts over', (_, wrong) => {
    const state = play(start, delta('0.2', 'ab'), wrong, delta('0.3', 'c'));
    expect(state).toMatchObject({ content: 'ab', outOfStep: true });
    expect(play(start, delta('0.2', 'ab'), wrong, start, delta('0.1', 'z'))).toMatchObject({ content: 'z', outOfStep: false });
  });

  it.each([1, 3])('wants the stored text where the service has %i bytes and we two', (bytes) => {
    expect(play(start, delta('0.2', 'ab'), done(bytes)).needsStoredText).toBe(true);
  });

  it('takes the stored text, which counts', () => {
    const stored = { ...answer, status: 'complete' as const, content: 'a', content_bytes: 1 };
    expect(play(start, delta('0.2', 'ab'), done(1), { event: 'stored', message: stored })).toMatchObject({
      phase: 'done', content: 'a', needsStoredText: false,
    });
  });

  it('fails with the error of the stream and keeps the text so far', () => {
    const error = { code: 'interrupted', message: 'x', type: 'api_error', param: null, retryable: true, retry_after: null, request_id: 'r1', details: null } as const;
    const state = play(start, delta('0.2', 'ab'), { event: 'error', id: 'end', data: { error, message: closing(2, 'interrupted') } });
    expect(state).toMatchObject({ phase: 'failed', content: 'ab', error: { code: 'interrupted', requestId: 'r1' } });
    expect(state.message).toMatchObject({ status: 'interrupted', content: 'ab' });
  });

  it('renames the session on title, and ignores ping', () => {
    expect(play(start, { event: 'ping', data: {} }, { event: 'title', data: { title: 'Better' } }).session?.title).toBe('Better');
  });

  it('changes nothing after the end', () => {
    const over = play(start, done(0));
    expect(reduceReply(over, delta('0.2', 'ab'))).toBe(over);
  });
});
