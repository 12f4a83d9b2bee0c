import type { Session, SessionKey, WaitingPermission } from '../model/session.ts';
import { sessionKey } from '../model/session.ts';
import type { Connection } from './connection.ts';
import type { Undelivered } from './outboxes.ts';

/** What waits for the person. `finished`: a turn that ended well and was not looked at. */
export type AttentionKind = 'permission' | 'question' | 'plan' | 'sign-in' | 'undelivered' | 'failed' | 'finished';

/** One thing that waits for the person. */
export interface AttentionItem {
  /** The same for as long as it is the same thing that waits. */
  readonly id: string;
  readonly kind: AttentionKind;
  readonly connectionId: string;
  /** Null for a connection's own: its sign-in. */
  readonly key: SessionKey | null;
  /** Name of the connection, for its own; empty else. */
  readonly name: string;
  /** The request, for a permission, a question and a plan. */
  readonly request: WaitingPermission | null;
  /** What it is about, in one line of untrusted text; empty where the kind says it all. */
  readonly text: string;
  /** Since when it waits, milliseconds since the epoch; null where that is not known. */
  readonly since: number | null;
  /** What can be done about it from outside of its chat. */
  readonly can: readonly ('allow' | 'deny' | 'review' | 'open' | 'sign-in')[];
}

/** What is known of a session beside its record. */
interface SessionFacts {
  /** Null: none that is known. */
  readonly connection: Pick<Connection, 'dormant' | 'traits'> | null;
  readonly unreadSince: number | null;
  /** That its unread turn failed, for one of which nothing is known now. */
  readonly failed?: boolean;
  readonly undelivered: Undelivered | null;
}

/** What blocks an agent, then what blocks a whole connection, then what was not done, then what is only to be read. */
const RANKS: Readonly<Record<AttentionKind, number>> = { permission: 0, question: 0, plan: 0, 'sign-in': 1, undelivered: 2, failed: 3, finished: 4 };

/** Whether something must be done about it. What is only to be read is part of the queue, and no alarm. */
export function needsPerson(item: Pick<AttentionItem, 'kind'>): boolean {
  return item.kind !== 'finished';
}

/** True where a request can be allowed and denied without being opened: all that would be done is seen where the buttons are (`WaitingPermission.whole`), and its agent runs here or can be reached. */
export function answersAtOnce(request: WaitingPermission, connection: Pick<Connection, 'dormant'> | null): boolean {
  return request.ask === 'tool' && request.whole !== undefined && connection !== null && !connection.dormant;
}

/** Order of the queue: what blocks an agent stands first, and of the same kind what waits longest. */
export function compareAttention(a: AttentionItem, b: AttentionItem): number {
  return RANKS[a.kind] - RANKS[b.kind] || (a.since ?? Number.MAX_VALUE) - (b.since ?? Number.MAX_VALUE) || (a.id < b.id ? -1 : 1);
}

/** What waits for the person in a session; nothing in one that is archived. */
export function sessionAttention(session: Session, { connection, unreadSince, undelivered, failed = false }: SessionFacts): readonly AttentionItem[] {
  if (session.archived) return [];
  const key = sessionKey(session);
  const { connectionId } = session;
  const item = (kind: AttentionKind, id: string, since: number | null, text = ''): AttentionItem => ({ id: `${kind}/${key}/${id}`, kind, connectionId, key, name: '', request: null, text, since, can: ['open'] });
  const items: AttentionItem[] = session.waiting.map((request) => ({
    id: `asks/${key}/${request.requestId}`, kind: request.ask === 'tool' ? 'permission' : request.ask, connectionId, key, name: '', request, text: request.whole ?? request.title, since: request.askedAt,
    can: answersAtOnce(request, connection) ? ['allow', 'deny', 'review'] : ['review'],
  }));
  // A closed session that goes on in a fresh one sends nothing before the person resumed it.
  const stuck = undelivered !== null && (undelivered.failed > 0 || (session.state === 'stopped' && connection?.traits.goesOnFresh === true));
  if (stuck) items.push(item('undelivered', String(undelivered.since), undelivered.since, undelivered.error ?? ''));
  const works = session.state === 'running' || session.state === 'waiting' || session.state === 'starting';
  const endedBadly = session.state === 'failed' || (session.state === 'unknown' && failed);
  if (unreadSince !== null && !works) items.push(endedBadly ? item('failed', String(unreadSince), unreadSince, session.error ?? '') : item('finished', String(unreadSince), unreadSince));
  return items;
}

/** A connection that nobody is signed in to any more; null for one that works, that the person signed out of, that does not run here, and for an agent of this computer that was never used (`used`: it has sessions). */
export function connectionAttention(connection: Connection, used: boolean): AttentionItem | null {
  const { connectionId, state, system, dormant } = connection;
  if (state.status !== 'needs-sign-in' || state.signedOut === true || dormant || (system === 'local' && !used)) return null;
  return { id: `sign-in/${connectionId}`, kind: 'sign-in', connectionId, key: null, name: connection.name, request: null, text: state.message ?? '', since: connection.lastContactAt ?? null, can: ['sign-in'] };
}
