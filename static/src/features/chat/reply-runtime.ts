import type { QueryClient } from '@tanstack/react-query';
import { ApiError, toApiError } from '@/lib/api/errors';
import type { AnswerEvent, Message, Session } from '@/lib/api/types';
import { createFrameScheduler } from '@/lib/frame-scheduler';
import { onWake } from '@/lib/wake';
import type { Ask } from './api/ask';
import { attachMessage } from './api/attach-message';
import { getMessage } from './api/get-message';
import { quotaQuery } from './api/get-quota';
import { getSession, sessionQuery } from './api/get-session';
import { featuresQuery } from './api/get-features';
import { regenerateMessage } from './api/regenerate-message';
import { sendMessage } from './api/send-message';
import { stopMessage } from './api/stop-message';
import { attachedReply, initialReply, isOver, reduceReply, type ReplyState } from './reply-reducer';
import { replyEvents } from './reply-stream';
import { putMessages, putQuota, putSession, supersedeFrom } from './session-cache';

/** The key of a chat that has no session yet. */
export const NEW_CHAT = 'new';

export interface PendingQuestion {
  content: string;
  askedAt: string;
  idempotencyKey: string;
  model: string | undefined;
  /** The question that it replaces: an edit. */
  replaces: Message | null;
}

export interface SendOptions {
  model?: string | undefined;
  replaces?: Message | undefined;
}

/** An answer of this tab: being written, just finished, or failed and waiting for the reader. */
export interface LiveReply {
  /** The question, shown until the service has stored it. */
  question: PendingQuestion | null;
  /** The answer that this one replaces. */
  replacesId: string | null;
  model: string | undefined;
  stopping: boolean;
  reconnecting: boolean;
  state: ReplyState;
}

/** How long a model thought before its first word, if this page saw all of it. */
export interface Thought {
  since: number;
  ms: number | null;
}

export interface RuntimeEvents {
  /** `key`: the chat whose answer failed; null: an action on an answer failed. */
  onError: (error: ApiError, key: string | null) => void;
  onSessionStarted: (session: Session) => void;
  /** The text of a send that can't go on goes back to the input. */
  onTextReturned: (key: string, content: string) => void;
  /** Does a part of the work of drawing this text; true while there is more. */
  prepareText: (key: string, content: string) => boolean;
}

const FIRST_TRIES = 2;
const ATTACH_TRIES = 6;
const BACKOFF_MS = [300, 1_000, 2_000, 4_000, 8_000, 8_000];

/**
 * Orchestrates: opens streams, feeds the reducer, attaches again when a connection breaks, and
 * writes final states into the query cache. One answer per chat; answers of chats that are not
 * shown go on. It knows nothing of React.
 */
export class ReplyRuntime {
  private readonly replies = new Map<string, LiveReply>();
  private readonly running = new Map<string, AbortController>();
  private readonly listeners = new Set<() => void>();
  /** By the answer's id. */
  readonly thoughts = new Map<string, Thought>();
  /** Events didn't get through: the next question asks for its answer in one piece at once. */
  private eventsBlocked = false;

  constructor(
    private readonly client: QueryClient,
    private readonly events: RuntimeEvents,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get(key: string): LiveReply | undefined {
    return this.replies.get(key);
  }

  isBusy(key: string): boolean {
    return this.running.has(key);
  }

  send(sessionId: string | null, content: string, { model, replaces }: SendOptions = {}): void {
    const key = sessionId ?? NEW_CHAT;
    if (this.isBusy(key)) return;
    const failed = this.replies.get(key)?.question ?? null;
    const again = failed !== null && failed.content === content && failed.model === model && failed.replaces?.id === replaces?.id;
    this.ask(key, {
      content,
      askedAt: new Date().toISOString(),
      // An edit is tried again from its editor: it may have arrived the first time.
      idempotencyKey: again && replaces !== undefined ? failed.idempotencyKey : crypto.randomUUID(),
      model,
      replaces: replaces ?? null,
    });
  }

  regenerate(sessionId: string, message: Message, model?: string): void {
    if (this.isBusy(sessionId)) return;
    this.begin(sessionId, { replacesId: message.id, model }, regenerateMessage(message.id, crypto.randomUUID(), model), initialReply);
  }

  /** Joins an answer that is being written, begun by another tab or before a reload. */
  attach(sessionId: string, message: Message): void {
    if (this.isBusy(sessionId)) return;
    this.begin(sessionId, {}, null, attachedReply(message));
  }

  /** Once more, whichever way the last try went wrong. */
  retry(key: string): void {
    const reply = this.replies.get(key);
    if (reply?.state.phase !== 'failed' || this.isBusy(key)) return;
    const { state, question } = reply;
    if (state.message !== null) {
      if (state.lastEventId === 'end') this.regenerate(key, state.message, reply.model);
      else this.begin(key, {}, null, { ...state, phase: 'writing', error: null });
    } else if (question !== null) {
      this.ask(key, question);
    } else if (reply.replacesId !== null) {
      const { replacesId, model } = reply;
      this.begin(key, { replacesId, model }, regenerateMessage(replacesId, crypto.randomUUID(), model), initialReply);
    }
  }

  private ask(key: string, question: PendingQuestion): void {
    const { content, idempotencyKey, model, replaces } = question;
    const sessionId = key === NEW_CHAT ? null : key;
    this.begin(key, { question, model }, sendMessage({ sessionId, content, idempotencyKey, model, replaces: replaces?.id }), initialReply);
  }

  /** Gives a message that could not be sent back to the input. */
  takeBack(key: string): void {
    const question = this.replies.get(key)?.question ?? null;
    if (this.isBusy(key)) return;
    this.replies.delete(key);
    this.tell();
    // An edit's text is still in its editor.
    if (question !== null && question.replaces === null) this.events.onTextReturned(key, question.content);
  }

  async stop(key: string): Promise<void> {
    const reply = this.replies.get(key);
    if (reply === undefined || !this.isBusy(key) || reply.stopping) return;
    this.update(key, { stopping: true });
    // Not known yet: `start` brings the id, and run() stops it then.
    const messageId = reply.state.message?.id ?? (this.eventsBlocked ? await this.activeIn(key) : null);
    if (messageId !== null) await this.stopNow(key, messageId);
  }

  /** Lets go of a chat that was deleted. */
  drop(key: string): void {
    this.running.get(key)?.abort();
    this.running.delete(key);
    this.replies.delete(key);
    this.tell();
  }

  /** Lets go of all of them: the page is left. */
  close(): void {
    for (const key of [...this.running.keys()]) this.drop(key);
  }

  private async stopNow(key: string, messageId: string): Promise<void> {
    try {
      await stopMessage(messageId);
    } catch (error) {
      this.update(key, { stopping: false });
      this.events.onError(toApiError(error), null);
    }
  }

  /** The answer that is being written in a chat, if no `start` has named it. */
  private async activeIn(key: string): Promise<string | null> {
    if (key === NEW_CHAT) return null;
    const session = await getSession(key).catch(() => null);
    return session?.active_message_id ?? null;
  }

  /** Without anything to ask it attaches to the answer that the state knows. */
  private begin(key: string, about: Partial<LiveReply>, ask: Ask | null, state: ReplyState): void {
    const controller = new AbortController();
    this.running.set(key, controller);
    this.replies.set(key, { question: null, replacesId: null, model: undefined, stopping: false, reconnecting: false, ...about, state });
    this.tell();
    void this.run(key, ask, state, controller.signal);
  }

  private async run(firstKey: string, ask: Ask | null, firstState: ReplyState, signal: AbortSignal): Promise<void> {
    let key = firstKey;
    let state = firstState;
    let tries = 0;
    let whole = this.eventsBlocked;
    const isDropped = () => signal.aborted;
    const screen = createFrameScheduler(
      () => this.update(key, { state, reconnecting: false }),
      () => this.events.prepareText(key, state.content),
    );

    while (!isOver(state)) {
      let error: ApiError = ApiError.local('connection_lost');
      try {
        if (whole && ask !== null && state.message === null) {
          state = reduceReply(state, { event: 'whole', data: await ask.whole(signal) });
          this.eventsBlocked = true;
          key = this.started(key, state);
          if (isOver(state)) break;
        }
        const { message } = state;
        const open = message === null ? ask?.asEvents : attachMessage(message.id, state.outOfStep ? null : state.lastEventId);
        if (open === undefined) return;
        for await (const event of replyEvents(open, signal)) {
          state = reduceReply(state, event);
          if (ask !== null) this.noteThought(state, event.event);
          if (event.event !== 'ping') tries = 0;
          if (event.event === 'start') {
            key = this.started(key, state);
            screen.flush();
          } else if (event.event === 'title' && state.session !== null) putSession(this.client, state.session);
          if (state.outOfStep || isOver(state)) break;
          screen.request();
        }
      } catch (caught) {
        error = toApiError(caught);
      }
      if (isDropped()) {
        screen.cancel();
        return;
      }
      if (isOver(state)) break;

      screen.flush();
      tries++;
      const stored = state.message;
      if (stored === null && !whole && error.status === 0 && (error.code === 'events_blocked' || tries >= FIRST_TRIES)) {
        whole = true;
        continue;
      }
      if (isFinal(error, stored !== null) || tries >= (stored === null ? FIRST_TRIES : ATTACH_TRIES)) {
        state = reduceReply(state, { event: stored === null ? 'refused' : 'lost', error });
        break;
      }
      if (stored !== null) this.update(key, { reconnecting: true });
      await sleep(BACKOFF_MS[tries - 1] ?? 8_000, signal);
      if (isDropped()) return;
      if (stored !== null) {
        const message = tries < 2 ? null : await getMessage(stored.id).catch(() => null);
        if (message !== null) {
          state = reduceReply(state, { event: 'stored', message });
          // The service is there and goes on writing; only the events don't come through.
          tries = Math.min(tries, ATTACH_TRIES - 2);
        }
      }
    }

    screen.cancel();
    if (state.needsStoredText && state.message !== null) {
      const message = await getMessage(state.message.id).catch(() => null);
      // The error, if there was one, is still what ended it.
      if (message !== null) state = { ...reduceReply(state, { event: 'stored', message }), error: state.error };
    }
    await screen.end();
    if (isDropped()) return;
    this.over(key, state);
  }

  private noteThought({ message, reasoning }: ReplyState, event: AnswerEvent['event']): void {
    if (message === null || reasoning === '') return;
    const thought = this.thoughts.get(message.id);
    if (thought === undefined) this.thoughts.set(message.id, { since: Date.now(), ms: null });
    else if (thought.ms === null && event !== 'reasoning' && event !== 'ping') {
      this.thoughts.set(message.id, { ...thought, ms: Date.now() - thought.since });
    }
  }

  private started(key: string, state: ReplyState): string {
    const { session, userMessage, message, quota } = state;
    if (session === null || userMessage === null || message === null) return key;
    const reply = this.replies.get(key);
    let now = key;
    if (key === NEW_CHAT) {
      now = session.id;
      const controller = this.running.get(key);
      this.running.delete(key);
      this.replies.delete(key);
      if (controller !== undefined) this.running.set(now, controller);
    }
    if (reply !== undefined) this.replies.set(now, { ...reply, question: null, state, reconnecting: false });
    const replaced = reply?.question?.replaces ?? null;
    if (replaced !== null) supersedeFrom(this.client, replaced, userMessage);
    putMessages(this.client, session, [userMessage, message]);
    putSession(this.client, session);
    if (quota !== null) putQuota(this.client, quota);
    this.tell();
    if (key === NEW_CHAT) this.events.onSessionStarted(session);
    if (reply?.stopping === true) void this.stopNow(now, message.id);
    return now;
  }

  private over(key: string, state: ReplyState): void {
    this.running.delete(key);
    const { session, userMessage, message, quota, error } = state;
    if (message !== null && state.lastEventId === 'end') {
      if (session !== null) {
        putMessages(this.client, session, userMessage === null ? [message] : [userMessage, message]);
        putSession(this.client, session);
      } else void this.client.invalidateQueries({ queryKey: sessionQuery(key).queryKey });
    }
    if (quota !== null && state.phase === 'done') putQuota(this.client, quota);
    this.update(key, { state, stopping: false, reconnecting: false });
    if (error !== null) this.failed(key, error);
  }

  private failed(key: string, error: ApiError): void {
    const quota = error.details?.quota;
    if (quota === undefined) void this.client.invalidateQueries({ queryKey: quotaQuery.queryKey });
    else putQuota(this.client, quota);

    if (error.code === 'feature_disabled') void this.client.invalidateQueries({ queryKey: featuresQuery.queryKey });
    if (error.code === 'generation_in_progress') {
      // Another tab has asked: show that answer, and keep the text that was typed here.
      this.takeBack(key);
      void this.client.invalidateQueries({ queryKey: sessionQuery(key).queryKey });
    }
    if (error.status !== 401) this.events.onError(error, key);
  }

  private update(key: string, change: Partial<LiveReply>): void {
    const reply = this.replies.get(key);
    if (reply === undefined) return;
    this.replies.set(key, { ...reply, ...change });
    this.tell();
  }

  private tell(): void {
    this.listeners.forEach((listener) => listener());
  }
}

/**
 * The reader decides whether to repeat a send that was refused. The page itself repeats an attach: the service may be
 * restarting, and only a 4xx means that there is nothing to attach to.
 */
function isFinal(error: ApiError, attaching: boolean): boolean {
  return attaching ? error.status >= 400 && error.status < 500 : error.status !== 0;
}

/** Waits until the time is over, or there is reason to try now, or nobody waits any more. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      off();
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    const off = onWake(over);
    signal.addEventListener('abort', over);
  });
}
