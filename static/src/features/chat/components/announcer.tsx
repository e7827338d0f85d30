import { useEffect, useEffectEvent, useState } from 'react';
import { SentenceReader } from '@/lib/sentences';
import { isOver } from '../reply-reducer';
import type { LiveReply } from '../reply-runtime';

/** Sentences are gathered for this time: nobody listens faster. */
const EVERY_MS = 1_000;

/** For users of a screen reader: the state of the answer, once per step, and its text sentence by sentence, never token by token. */
export function Announcer({ reply }: { reply: LiveReply | undefined }) {
  const message = reply?.state.message ?? null;
  return (
    <div className="sr-only">
      <div role="status" data-testid="announcer">
        {stepOf(reply)}
      </div>
      {reply !== undefined && message !== null && (
        <Sentences key={message.id} text={reply.state.content} ended={isOver(reply.state)} />
      )}
    </div>
  );
}

function Sentences({ text, ended }: { text: string; ended: boolean }) {
  const [reader] = useState(() => new SentenceReader());
  const [said, setSaid] = useState('');
  const sayMore = useEffectEvent(() => {
    const more = reader.read(text, ended);
    if (more !== '') setSaid(more);
  });
  useEffect(() => {
    const timer = ended ? setTimeout(() => sayMore()) : setInterval(() => sayMore(), EVERY_MS);
    return () => clearTimeout(timer);
  }, [ended]);
  return (
    <div aria-live="polite" data-testid="sentences">
      {said}
    </div>
  );
}

function stepOf(reply: LiveReply | undefined): string {
  if (reply?.state.phase === 'waiting') return 'Message sent. Waiting for the answer.';
  if (reply?.state.phase === 'writing') return 'The answer is being written.';
  if (reply?.state.phase !== 'done') return '';
  return reply.state.message?.status === 'stopped' ? 'The answer was stopped.' : 'The answer is complete.';
}
