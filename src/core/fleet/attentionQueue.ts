import type { Disposable } from '../model/backend.ts';
import type { SessionKey } from '../model/session.ts';
import { sessionKey } from '../model/session.ts';
import { Emitter } from '../transport/emitter.ts';
import type { AttentionItem } from './attention.ts';
import { compareAttention, connectionAttention, needsPerson, sessionAttention } from './attention.ts';
import type { FleetChange } from './change.ts';
import type { Fleet } from './fleet.ts';

/** How the queue changed. */
interface AttentionChange {
  /** What began to wait while we were in touch: not what waited already when a session, or a connection, was first heard of, and not what the person marked as unread. */
  readonly added: readonly AttentionItem[];
}

type Source = Pick<Fleet, 'sessions' | 'session' | 'connections' | 'onChange'> & { readonly marks: Pick<Fleet['marks'], 'unreadSince' | 'isAgain'>; readonly outboxes: Pick<Fleet['outboxes'], 'of'> };

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

  /** Whether it still waits. */
  has(item: AttentionItem): boolean {
    return this.held.get(item.key ?? item.connectionId)?.some((each) => each.id === item.id) ?? false;
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
    if (session === null) {
      if (this.held.has(key) && !this.isConnection(key)) this.hold(key, []);
      return [];
    }
    const connection = this.fleet.connections().find((each) => each.connectionId === session.connectionId) ?? null;
    const items = sessionAttention(session, { connection, unreadSince: this.fleet.marks.unreadSince(key), undelivered: this.fleet.outboxes.of(key) });
    const wasKnown = this.known.has(key);
    if (session.state !== 'unknown') this.known.add(key);
    const told = (item: AttentionItem): boolean => (item.kind === 'failed' || item.kind === 'finished') && this.fleet.marks.isAgain(key);
    return this.hold(key, items).filter((item) => !told(item) && (wasKnown || (item.since !== null && item.since >= this.since)));
  }

  private lookAtConnections(): readonly AttentionItem[] {
    const connections = this.fleet.connections();
    const ids = new Set(connections.map((each) => each.connectionId));
    for (const key of this.held.keys()) if (this.isConnection(key) && !ids.has(key)) this.hold(key, []);
    return connections.flatMap((connection) => {
      const { connectionId, state } = connection;
      if (state.status === 'ready') this.known.add(connectionId);
      const used = state.status === 'needs-sign-in' && this.fleet.sessions().some((session) => session.connectionId === connectionId);
      const item = connectionAttention(connection, used);
      return this.hold(connectionId, item === null ? [] : [item]).filter(() => this.known.has(connectionId));
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

/** Whether both say the same; a session that works changes often, and what waits in it does not. */
function sameItems(a: readonly AttentionItem[], b: readonly AttentionItem[]): boolean {
  return a.length === b.length && a.every((item, index) => {
    const other = b[index];
    return other !== undefined && item.id === other.id && item.text === other.text && item.since === other.since && item.name === other.name && item.can.join() === other.can.join();
  });
}
