import type { Disposable } from '../model/backend.ts';
import type { SessionKey } from '../model/session.ts';
import { parseSessionKey, sessionKey } from '../model/session.ts';
import { Emitter } from '../transport/emitter.ts';
import type { AttentionItem } from './attention.ts';
import { compareAttention, connectionAttention, needsPerson, sessionAttention } from './attention.ts';
import type { FleetChange } from './change.ts';
import type { Fleet } from './fleet.ts';

/** How the queue changed. */
interface AttentionChange {
  /** What began to wait while we were in touch: not what waited already when a session, or a connection, was first heard of or contact was lost, and not what the person marked as unread. */
  readonly added: readonly AttentionItem[];
}

type Source = Pick<Fleet, 'sessions' | 'session' | 'connections' | 'onChange'> & { readonly marks: Pick<Fleet['marks'], 'unreadSince' | 'isAgain' | 'hasFailed'>; readonly outboxes: Pick<Fleet['outboxes'], 'of'> };

/** All that waits for the person, over all systems, in the order in which it is to be done. A session that changed is looked at alone. */
export class AttentionQueue implements Disposable {
  private readonly fleet: Source;
  private readonly since: number;
  private readonly changed: Emitter<AttentionChange>;
  private readonly watch: Disposable;
  /** By session, or by connection for its own. */
  private readonly held = new Map<string, readonly AttentionItem[]>();
  /** Of those, all that have something that must be done: few, whatever is only to be read. */
  private readonly urgent = new Set<string>();
  /** Sessions that were heard of, and connections that worked. */
  private readonly known = new Set<string>();
  /** What waited as contact was lost, as `held`, until there is contact. */
  private readonly lost = new Map<string, readonly AttentionItem[]>();
  private sortedNeeds: readonly AttentionItem[] | null = null;
  private sortedRest: readonly AttentionItem[] | null = null;
  private stirred = false;

  /** `since`: when this program began to look, milliseconds since the epoch. What waits since then is told of in any case. */
  constructor(fleet: Source, since: number, onError: (error: unknown) => void) {
    this.fleet = fleet;
    this.since = since;
    this.changed = new Emitter(onError);
    this.watch = fleet.onChange((change) => this.onFleetChange(change));
    for (const session of fleet.sessions()) this.lookAtSession(sessionKey(session));
    this.lookAtConnections();
  }

  items(): readonly AttentionItem[] {
    this.sortedRest ??= [...this.held.values()].flat().filter((item) => !needsPerson(item)).sort(compareAttention);
    return this.sortedRest.length === 0 ? this.needs() : [...this.needs(), ...this.sortedRest];
  }

  /** What must be done, without what is only to be read: the beginning of `items`. The same array until it changes. */
  needs(): readonly AttentionItem[] {
    this.sortedNeeds ??= [...this.urgent].flatMap((key) => this.held.get(key) ?? []).filter(needsPerson).sort(compareAttention);
    return this.sortedNeeds;
  }

  /** Whether it still waits, as far as is known: what waited as contact was lost does. */
  has(item: AttentionItem): boolean {
    const key = item.key ?? item.connectionId;
    const isIt = (each: AttentionItem): boolean => each.id === item.id;
    return (this.held.get(key)?.some(isIt) ?? false) || (this.lost.get(key)?.some(isIt) === true && (item.key === null || this.fleet.session(item.key) !== null));
  }

  onChange(listener: (change: AttentionChange) => void): Disposable {
    return this.changed.on(listener);
  }

  dispose(): void {
    this.watch.dispose();
    this.changed.clear();
  }

  private onFleetChange(change: FleetChange): void {
    this.stirred = false;
    const added = [...change.sessions].flatMap((key) => this.lookAtSession(key));
    if (change.connections) {
      // What can be done about it depends on its connection.
      for (const key of this.held.keys()) if (!change.sessions.has(key)) this.lookAtSession(key);
      added.push(...this.lookAtConnections());
    }
    if (this.stirred) this.changed.emit({ added });
  }

  private lookAtSession(key: SessionKey): readonly AttentionItem[] {
    const session = this.fleet.session(key);
    const { marks, outboxes } = this.fleet;
    if (session === null) {
      if (!this.isConnection(key)) this.forget(key);
      return [];
    }
    const connection = this.fleet.connections().find((each) => each.connectionId === session.connectionId) ?? null;
    const inTouch = session.state !== 'unknown';
    const wasKnown = this.known.has(key);
    const before = [...(this.held.get(key) ?? []), ...(this.lost.get(key) ?? [])].filter(isUnread);
    // Without contact it is as it was: what worked has not ended, and one that the person marked as unread failed where it was seen to.
    const unreadSince = inTouch || !wasKnown || before.length > 0 || marks.isAgain(key) ? marks.unreadSince(key) : null;
    const failed = marks.hasFailed(key) || before.some((item) => item.kind === 'failed');
    const items = sessionAttention(session, { connection, unreadSince, failed, undelivered: outboxes.of(key) });
    if (inTouch) this.known.add(key);
    const told = (item: AttentionItem): boolean => isUnread(item) && marks.isAgain(key);
    return this.heldAnew(key, items, inTouch).filter((item) => !told(item) && (wasKnown || (item.since !== null && item.since >= this.since)));
  }

  /** A session that is gone: deleted, or with its connection, which may come back with it. */
  private forget(key: SessionKey): void {
    const connectionId = parseSessionKey(key)?.connectionId;
    const isReached = this.fleet.connections().some((each) => each.connectionId === connectionId && each.state.status === 'ready');
    if (isReached) this.lost.delete(key);
    this.heldAnew(key, [], isReached);
  }

  /** As `hold`, without what waited already as contact was lost. `inTouch`: what does not wait now is over. */
  private heldAnew(key: string, items: readonly AttentionItem[], inTouch: boolean): readonly AttentionItem[] {
    const before = this.held.get(key) ?? [];
    const lost = this.lost.get(key) ?? [];
    const has = (list: readonly AttentionItem[], { id }: AttentionItem): boolean => list.some((each) => each.id === id);
    if (inTouch) this.lost.delete(key);
    else {
      const missed = before.filter((item) => !has(items, item) && !has(lost, item));
      if (missed.length > 0) this.lost.set(key, [...lost, ...missed]);
    }
    return this.hold(key, items).filter((item) => !has(lost, item));
  }

  private lookAtConnections(): readonly AttentionItem[] {
    const connections = this.fleet.connections();
    const ids = new Set(connections.map((each) => each.connectionId));
    for (const key of this.held.keys()) if (this.isConnection(key) && !ids.has(key)) this.heldAnew(key, [], true);
    return connections.flatMap((connection) => {
      const { connectionId, state } = connection;
      if (state.status === 'ready') this.known.add(connectionId);
      const used = state.status === 'needs-sign-in' && this.fleet.sessions().some((session) => session.connectionId === connectionId);
      const item = connectionAttention(connection, used);
      return this.heldAnew(connectionId, item === null ? [] : [item], state.status === 'ready' || state.status === 'needs-sign-in').filter(() => this.known.has(connectionId));
    });
  }

  private isConnection(key: string): boolean {
    return !key.includes('\u0000');
  }

  /** Gives those that were not held before. */
  private hold(key: string, items: readonly AttentionItem[]): AttentionItem[] {
    const before = this.held.get(key) ?? [];
    if (sameItems(before, items)) return [];
    this.stirred = true;
    if (items.length === 0) this.held.delete(key);
    else this.held.set(key, items);
    const urgent = items.some(needsPerson);
    if (urgent || this.urgent.has(key)) this.sortedNeeds = null;
    if (!items.every(needsPerson) || !before.every(needsPerson)) this.sortedRest = null;
    if (urgent) this.urgent.add(key);
    else this.urgent.delete(key);
    return items.filter((item) => before.every((each) => each.id !== item.id));
  }
}

function isUnread({ kind }: AttentionItem): boolean {
  return kind === 'failed' || kind === 'finished';
}

/** Whether both say the same; a session that works changes often, and what waits in it does not. */
function sameItems(a: readonly AttentionItem[], b: readonly AttentionItem[]): boolean {
  return a.length === b.length && a.every((item, index) => {
    const other = b[index];
    return other !== undefined && item.id === other.id && item.text === other.text && item.since === other.since && item.name === other.name && item.can.join() === other.can.join();
  });
}
