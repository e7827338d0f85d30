import type { ApiError } from '@/lib/api/errors';
import type { Message, MessageStatus } from '@/lib/api/types';
import { isOver } from './reply-reducer';
import type { LiveReply, Thought } from './reply-runtime';

/** One message as it is drawn. */
export interface ChatItem {
  key: string;
  role: 'user' | 'assistant';
  content: string;
  reasoning: string;
  createdAt: string;
  /** When the model began to think, and for how long it did before its first word; null: not known, or not yet. */
  thinkingSince: number | null;
  thoughtMs: number | null;
  /** `unsent`: the question never reached the service. `waiting`: no word of the answer yet. */
  status: MessageStatus | 'waiting' | 'unsent';
  error: ApiError | null;
  message: Message | null;
  /** All answers to the same question that have text, this one among them, oldest first. */
  versions: Message[];
}

/** Stored messages and the answer of the moment, as one list in the order of reading. */
export function chatItems(loaded: Message[], reply: LiveReply | undefined, thoughts: ReadonlyMap<string, Thought>): ChatItem[] {
  const live = reply?.state;
  const edited = reply?.question?.replaces ?? null;
  // An edit removes the old question at once; if it is refused, the question is back.
  const messages = edited === null || live?.phase === 'failed' ? loaded : loaded.filter(({ seq }) => seq < edited.seq);
  const hidden = live !== undefined && live.phase !== 'failed' ? reply?.replacesId : null;
  const items = newestAnswers(messages)
    .filter((message) => message.superseded_by === null && message.role !== 'system' && message.id !== hidden)
    .map((message) => storedItem(message, message.id === live?.message?.id ? reply : undefined, versionsOf(message, messages), thoughts));
  if (reply === undefined || live === undefined) return items;

  if (live.message !== null) {
    if (!messages.some(({ id }) => id === live.message?.id)) items.push(storedItem(live.message, reply, [], thoughts));
    return items;
  }
  const { question } = reply;
  if (edited !== null && live.phase === 'failed') {
    return items.map((item) => (item.key === edited.id ? { ...item, error: live.error } : item));
  }
  if (question !== null) {
    items.push({
      key: 'question',
      role: 'user',
      content: question.content,
      reasoning: '',
      createdAt: question.askedAt,
      thinkingSince: null,
      thoughtMs: null,
      status: live.phase === 'failed' ? 'unsent' : 'complete',
      error: live.error,
      message: null,
      versions: [],
    });
  }
  if (live.phase === 'waiting') items.push({ ...WAITING, createdAt: question?.askedAt ?? '' });
  else if (question === null && live.phase === 'failed') {
    const last = items.at(-1);
    if (last !== undefined) items[items.length - 1] = { ...last, error: live.error };
  }
  return items;
}

const WAITING: ChatItem = {
  key: 'waiting',
  role: 'assistant',
  content: '',
  reasoning: '',
  createdAt: '',
  thinkingSince: null,
  thoughtMs: null,
  status: 'waiting',
  error: null,
  message: null,
  versions: [],
};

function storedItem(message: Message, reply: LiveReply | undefined, versions: Message[], thoughts: ReadonlyMap<string, Thought>): ChatItem {
  const live = reply?.state;
  const writing = live !== undefined && !isOver(live);
  const content = live === undefined ? message.content : live.content;
  const reasoning = live === undefined ? (message.reasoning ?? '') : live.reasoning;
  const status = live === undefined || writing ? message.status : (live.message?.status ?? message.status);
  return {
    key: message.id,
    role: message.role === 'user' ? 'user' : 'assistant',
    // It is attached, and the first event is still on its way: the stored text is better than nothing.
    content: writing && content === '' ? message.content : content,
    reasoning,
    createdAt: message.created_at,
    thinkingSince: thoughts.get(message.id)?.since ?? null,
    thoughtMs: thoughts.get(message.id)?.ms ?? null,
    status: writing && content === '' && message.content === '' && reasoning === '' ? 'waiting' : status,
    error: live?.error ?? null,
    message,
    versions,
  };
}

function versionsOf(message: Message, messages: Message[]): Message[] {
  if (message.role !== 'assistant' || message.parent_id === null) return [];
  return messages.filter(
    (other) => other.role === 'assistant' && other.parent_id === message.parent_id && (other.content !== '' || other === message),
  );
}

/** Shows, of several answers to one question, the newest with text, or the one being written. */
function newestAnswers(messages: Message[]): Message[] {
  const chosen = new Map<string, Message>();
  for (const message of messages) {
    if (message.role !== 'assistant' || message.parent_id === null) continue;
    const other = chosen.get(message.parent_id);
    if (other === undefined || message.status === 'streaming' || message.content !== '' || other.content === '') {
      chosen.set(message.parent_id, message);
    }
  }
  return messages.filter((message) => message.role !== 'assistant' || message.parent_id === null || chosen.get(message.parent_id) === message);
}

/** Lines of a message's text, in a window of any width. The estimate is low, so that too much is drawn and not too little. */
const CHARACTERS_A_LINE = 100;
const LINE_PX = 20;

/** The newest messages, as many as certainly fill a screen of this height. */
export function lastScreen(items: ChatItem[], screenPx: number): ChatItem[] {
  let from = items.length;
  for (let left = screenPx; left > 0 && from > 0; ) {
    from--;
    const lines = items[from]?.content.split('\n').reduce((sum, line) => sum + Math.ceil(line.length / CHARACTERS_A_LINE), 0) ?? 0;
    left -= Math.max(lines, 1) * LINE_PX;
  }
  return items.slice(from);
}
