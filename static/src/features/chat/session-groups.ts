import type { Session } from '@/lib/api/types';
import { dayGroup } from '@/lib/format-time';

export interface SessionGroup {
  name: string;
  members: Session[];
}

/**
 * The pinned ones first, then by the day of the last message. A new name or a pin doesn't move a chat
 * to today.
 */
export function groupSessions(sessions: Session[], now: Date): SessionGroup[] {
  const groups = new Map<string, Session[]>();
  const ordered = sessions.toSorted((a, b) => activeAt(b).localeCompare(activeAt(a)));
  const pinned = ordered.filter((session) => session.pinned);
  if (pinned.length > 0) groups.set('Pinned', pinned);
  for (const session of ordered) {
    if (session.pinned) continue;
    const name = dayGroup(activeAt(session), now);
    const members = groups.get(name);
    if (members === undefined) groups.set(name, [session]);
    else members.push(session);
  }
  return [...groups].map(([name, members]) => ({ name, members }));
}

function activeAt(session: Session): string {
  return session.last_message_at ?? session.created_at;
}
