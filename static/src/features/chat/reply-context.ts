import { createContext, useContext, useSyncExternalStore } from 'react';
import type { LiveReply, ReplyRuntime } from './reply-runtime';

export const ReplyRuntimeContext = createContext<ReplyRuntime | null>(null);

export function useReplyRuntime(): ReplyRuntime {
  const runtime = useContext(ReplyRuntimeContext);
  if (runtime === null) throw new Error('useReplyRuntime needs a ReplyRuntimeContext.');
  return runtime;
}

export function useLiveReply(key: string): LiveReply | undefined {
  const runtime = useReplyRuntime();
  return useSyncExternalStore(runtime.subscribe, () => runtime.get(key));
}
