import { ApiError } from '@/lib/api/errors';
import type { AnswerEvent, ClosingMessage, Message, Quota, Session } from '@/lib/api/types';
import type { WholeReply } from './api/ask';
import { utf8Length } from '@/lib/text-size';

/**
 * waiting → writing → done | failed; `failed` too from waiting (refused) and when the connection
 * is lost for good. Nothing else sets a phase.
 */
export type ReplyPhase = 'waiting' | 'writing' | 'done' | 'failed';

export interface ReplyState {
  phase: ReplyPhase;
  session: Session | null;
  userMessage: Message | null;
  message: Message | null;
  content: string;
  reasoning: string;
  /** UTF-8 bytes received so far; event ids count the same way. */
  contentBytes: number;
  reasoningBytes: number;
  /** Where to go on after a broken connection; null: from the beginning. */
  lastEventId: string | null;
  /** The received text doesn't match the ids: read the answer again from the start. */
  outOfStep: boolean;
  /** The stored text is not the shown text: fetch the message. */
  needsStoredText: boolean;
  quota: Quota | null;
  error: ApiError | null;
}

export type ReplyAction = AnswerEvent | { event: 'whole'; data: WholeReply } | { event: 'refused' | 'lost'; error: ApiError } | { event: 'stored'; message: Message };

export const initialReply: ReplyState = {
  phase: 'waiting',
  session: null,
  userMessage: null,
  message: null,
  content: '',
  reasoning: '',
  contentBytes: 0,
  reasoningBytes: 0,
  lastEventId: null,
  outOfStep: false,
  needsStoredText: false,
  quota: null,
  error: null,
};

/** Attaching to an answer of which only the stored row is known. */
export function attachedReply(message: Message): ReplyState {
  return { ...initialReply, phase: 'writing', message };
}

export function isOver(state: ReplyState): boolean {
  return state.phase === 'done' || state.phase === 'failed';
}

/** Pure. An event after the end changes nothing. */
export function reduceReply(state: ReplyState, action: ReplyAction): ReplyState {
  if (action.event === 'stored') return withStoredText(state, action.message);
  if (isOver(state)) return state;
  switch (action.event) {
    case 'start':
      return {
        ...initialReply,
        phase: 'writing',
        session: action.data.session,
        userMessage: action.data.user_message,
        message: action.data.message,
        quota: action.data.quota,
        lastEventId: action.id,
      };
    case 'whole': {
      const { session, user_message: userMessage, message, quota } = action.data;
      return withStoredText({ ...initialReply, phase: 'writing', session, userMessage, message, quota }, message);
    }
    case 'delta':
    case 'reasoning':
      return append(state, action.event, action.id, action.data.content);
    case 'title':
      return state.session === null ? state : { ...state, session: { ...state.session, title: action.data.title } };
    case 'done':
      return {
        ...close(state, action.data.message, 'done'),
        session: action.data.session,
        quota: action.data.quota,
      };
    case 'error':
      return {
        ...close(state, action.data.message, 'failed'),
        error: ApiError.fromObject(action.data.error, 200, null),
      };
    case 'refused':
    case 'lost':
      return { ...state, phase: 'failed', error: action.error };
    case 'ping':
      return state;
  }
}

/**
 * An id `r.c` gives how much has been sent up to and with its event. Text that we have already is skipped. A gap, or a
 * border inside our text, means that the two sides disagree.
 */
function append(state: ReplyState, kind: 'delta' | 'reasoning', id: string, text: string): ReplyState {
  if (state.outOfStep) return state;
  const sent = /^(\d{1,15})\.(\d{1,15})$/.exec(id);
  if (sent === null) return { ...state, outOfStep: true };
  const reasoningSent = Number(sent[1]);
  const contentSent = Number(sent[2]);
  if (reasoningSent <= state.reasoningBytes && contentSent <= state.contentBytes) return state;

  const bytes = utf8Length(text);
  const contentBytes = state.contentBytes + (kind === 'delta' ? bytes : 0);
  const reasoningBytes = state.reasoningBytes + (kind === 'reasoning' ? bytes : 0);
  if (contentBytes !== contentSent || reasoningBytes !== reasoningSent) return { ...state, outOfStep: true };
  return {
    ...state,
    content: kind === 'delta' ? state.content + text : state.content,
    reasoning: kind === 'reasoning' ? state.reasoning + text : state.reasoning,
    contentBytes,
    reasoningBytes,
    lastEventId: id,
  };
}

function close(state: ReplyState, closing: ClosingMessage, phase: 'done' | 'failed'): ReplyState {
  return {
    ...state,
    phase,
    lastEventId: 'end',
    needsStoredText: state.outOfStep || closing.content_bytes !== state.contentBytes,
    message: { ...closing, content: state.content, reasoning: state.reasoning === '' ? null : state.reasoning },
  };
}

/** The row as the service has it, which counts once the answer is over. */
function withStoredText(state: ReplyState, message: Message): ReplyState {
  if (message.status === 'streaming') return state;
  return {
    ...state,
    phase: message.status === 'failed' || message.status === 'interrupted' ? 'failed' : 'done',
    message,
    content: message.content,
    reasoning: message.reasoning ?? '',
    contentBytes: message.content_bytes,
    lastEventId: 'end',
    outOfStep: false,
    needsStoredText: false,
  };
}
