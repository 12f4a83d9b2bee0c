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
  /** Sessions that were heard of, and connections that worked. */
  private readonly known = new Set<string>();
  private sorted: readonly AttentionItem[] | null = null;

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
    this.sorted ??= [...this.held.values()].flat().sort(compareAttention);
    return this.sorted;
  }

  /** What must be done, without what is only to be read. */
  needs(): readonly AttentionItem[] {
    const items = this.items();
    const end = items.findIndex((item) => !needsPerson(item));
    return end < 0 ? items : items.slice(0, end);
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
    const before = this.sorted;
    const added = [...change.sessions].flatMap((key) => this.lookAtSession(key));
    if (change.connections) {
      // What can be done about it depends on its connection.
      for (const key of this.held.keys()) if (!change.sessions.has(key)) this.lookAtSession(key);
      added.push(...this.lookAtConnections());
    }
    if (this.sorted !== before || added.length > 0) this.changed.emit({ added });
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
    const before = this.held.get(key);
    if (before === undefined && items.length === 0) return [];
    if (items.length === 0) this.held.delete(key);
    else this.held.set(key, items);
    this.sorted = null;
    return items.filter((item) => before?.every((each) => each.id !== item.id) ?? true);
  }
}
