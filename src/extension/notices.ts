import type { Session, SessionKey } from '../core/model/session.ts';
import { belowFolder, noticeText } from './tree/text.ts';

/** A notification for a session, and what its button does: both open the chat. */
export interface Notice {
  readonly text: string;
  readonly action: 'Review…' | 'Open';
}

const WORKS: readonly Session['state'][] = ['starting', 'running', 'waiting'];

/** What there is to tell of sessions as they change: that one asks, that one failed, that one is done. Each thing once. */
export class Notices {
  /** The request of each session that was told or seen last, by its id. */
  private readonly told = new Map<SessionKey, string>();
  private readonly since: number;
  /** What each session did last, as far as we were in touch: a turn that failed while we were not is told when we are again. */
  private readonly did = new Map<SessionKey, Session['state']>();

  /** `since`: when this window began to look, milliseconds since the epoch. What was asked before stands in the tree and on the badge; a list of it all at once would be a flood. */
  constructor(since: number) {
    this.since = since;
  }

  /** Takes the session as it is now; null when it is gone. What comes of it is told unless `quiet`: the person sees the chat, or wants none. */
  take(key: SessionKey, session: Session | null, how: { readonly quiet: boolean; readonly done: boolean }): Notice | null {
    if (session === null) {
      this.told.delete(key);
      this.did.delete(key);
      return null;
    }
    const before = this.did.get(key);
    if (session.state !== 'unknown') this.did.set(key, session.state);
    const [first] = session.waiting;
    const asks = first !== undefined && this.told.get(key) !== first.requestId && (before !== undefined || first.askedAt >= this.since);
    // Seen counts as told: what the person saw in its chat is not told when they leave that.
    if (first === undefined) this.told.delete(key);
    else this.told.set(key, first.requestId);
    if (how.quiet || session.owner === 'window') return null;
    const title = noticeText(session.title, 60);
    if (asks) return { text: `“${title}” asks: ${noticeText(belowFolder(first.title, session.folder), 200)}`, action: 'Review…' };
    if (before === undefined || !WORKS.includes(before)) return null;
    if (session.state === 'failed') return { text: `“${title}” failed: ${noticeText(session.error ?? 'the turn ended with an error', 200)}`, action: 'Open' };
    // One that was only starting has done nothing yet.
    if (session.state === 'idle' && before !== 'starting' && how.done) return { text: `“${title}” is done.`, action: 'Open' };
    return null;
  }
}
