import type { CallOptions } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { describeError, PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { SessionOwner } from '../../../model/session.ts';
import type { HeldElsewhere } from '../claims.ts';
import { waitFor } from '../wait.ts';
import type { Routed, SessionHost } from './host.ts';
import type { Link } from './link.ts';
import { bringBack, isAuthRequired, makeFresh, Replay } from './loading.ts';
import { sessionNotFound, wordsOf } from './outcome.ts';
import { oneLine } from './read.ts';
import type { SessionRecord } from './records.ts';
import { newRecord } from './records.ts';

/** The longest that a call may take which starts a program and brings a session back. */
const callMs = 180_000;

interface PresenceEvents {
  /** The agent has the session now; `result` is what it answered. */
  loaded(result: JsonValue): void;
  /** The agent has a fresh session in its place, which knows nothing of what was said. */
  contextLost(): void;
  changed(): void;
}

/** Where a session is: known or not, whose, loaded in which program, with which past. */
export class Presence {
  link: Link | null = null;
  /** Who holds it, as last asked. */
  owner: SessionOwner = 'nobody';
  /** What that is called, where it is not this window. */
  ownerName: string | null = null;
  /** The text of the last prompt that a replay had; null where none was taken. */
  lastPrompt: string | null = null;
  /** What a replay gave and nobody has asked for yet. */
  past: readonly Entry[] | null = null;
  removed = false;
  private readonly routed: Routed;
  private readonly host: SessionHost;
  private readonly events: PresenceEvents;
  private replay: Replay | null = null;
  private activating: Promise<Link> | null = null;
  /** Settles, and never rejects, when the last giving up is done. */
  private leaving: Promise<void> = Promise.resolve();

  constructor(routed: Routed, host: SessionHost, events: PresenceEvents) {
    this.routed = routed;
    this.host = host;
    this.events = events;
  }

  get starting(): boolean {
    return this.activating !== null;
  }

  get record(): SessionRecord | null {
    return this.host.records.peek(this.routed.id);
  }

  get agentId(): string {
    return this.record?.agentId ?? this.routed.id;
  }

  /** True when the update was part of a replay that is being taken. */
  replayed(update: JsonValue | undefined): boolean {
    return this.replay?.take(update) ?? false;
  }

  /** What is known of the session; it is looked for in the agent's list where we have no record. Rejects with `session_not_found`. */
  async need(): Promise<SessionRecord> {
    const { id } = this.routed;
    if (this.removed) throw sessionNotFound(id);
    const record = await this.host.records.get(id);
    if (record !== null) return record;
    const listed = await this.host.listed(id);
    if (listed === null) throw sessionNotFound(id);
    const at = listed.updatedAt ?? this.host.context.clock.now();
    const found = newRecord({ id, agentId: id, folder: listed.folder, title: oneLine(listed.title ?? ''), titleBy: 'agent', origin: 'listed', createdAt: at, updatedAt: at });
    await this.host.records.add(found);
    return found;
  }

  /** Makes the agent have this session: the claim, the program, the session in it. Joins what is under way. `replay` takes the agent's replay anew. */
  activate(options: { readonly replay?: boolean } & CallOptions = {}): Promise<Link> {
    this.activating ??= this.load(options.replay ?? false).finally(() => {
      this.activating = null;
      this.events.changed();
    });
    return this.within(this.activating, options.signal);
  }

  /** The agent's replay, where nobody has its rows and the agent can give one. A session that another window runs is in the store already; what another program runs cannot be had. */
  async ensurePast(stored: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    const record = await this.need();
    const have = stored === undefined ? record.rows : stored > 0;
    if (have || this.past !== null || neverUsed(record)) return;
    const link = await this.within(this.host.connectLink(), signal);
    if (!link.facts.load || this.routed.running || (await this.elsewhere()) !== null) return;
    await this.host.records.change(this.routed.id, () => ({ rows: false }));
    await this.activate({ replay: true, ...(signal === undefined ? {} : { signal }) });
  }

  /** The session was made, forked or brought back in `link`. */
  adopt(link: Link, agentId: string, result: JsonValue): void {
    this.link = link;
    this.host.route(agentId, this.routed);
    this.events.loaded(result);
  }

  /**
   * Gives the session up in `link` (null: loaded nowhere), and its claim. Where it is not there any more, that was done, and somebody may have claimed it anew: then it
   * only waits until what is being given back is free. Never rejects.
   */
  async unload(link: Link | null): Promise<void> {
    if (this.link === link) {
      if (link !== null) this.host.unroute(this.agentId);
      this.link = null;
      this.owner = 'nobody';
      this.ownerName = null;
      this.leaving = this.leave(this.leaving);
    }
    await this.leaving;
  }

  /** Who else holds it. */
  elsewhere(): Promise<HeldElsewhere | null> {
    return this.host.claims.other(this.routed.id);
  }

  async refreshOwner(): Promise<void> {
    const other = await this.elsewhere();
    this.owner = other?.owner ?? (this.link === null ? 'nobody' : 'this');
    this.ownerName = other?.name ?? null;
  }

  /** Claims the session, or rejects with `session_runs_elsewhere`. */
  own(): Promise<void> {
    return this.host.claims.take(this.routed.id);
  }

  within<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return waitFor(work, { clock: this.host.context.clock, timeoutMs: callMs, signal, onTimeout: () => new PilothouseError('timeout', `${this.host.label} did not answer in time. Try again, or stop the session.`) });
  }

  /** One after the other: what is given back must not be what the next load has taken. */
  private async leave(before: Promise<void>): Promise<void> {
    await before;
    await this.host.claims.release(this.routed.id).catch((error: unknown) => this.host.context.log.warn('a claim could not be given back', { session: this.routed.id, error: describeError(error) }));
  }

  private async load(replay: boolean): Promise<Link> {
    const record = await this.need();
    this.events.changed();
    await this.leaving;
    await this.own();
    try {
      const link = await this.host.connectLink();
      if (this.link === link && link.exit === null && !replay) return link;
      await this.loadIn(link, record, replay);
      await this.host.records.change(this.routed.id, () => ({ stopped: false }));
      return link;
    } catch (error) {
      if (this.link === null) await this.host.claims.release(this.routed.id);
      if (isAuthRequired(error)) throw this.host.needsSignIn(error);
      throw error;
    }
  }

  /** The session may have been given up or removed, and the program may have ended, while the agent brought the session back. */
  private async ownStill(link: Link): Promise<void> {
    await this.own();
    if (this.removed) throw sessionNotFound(this.routed.id);
    if (link.exit !== null) throw new PilothouseError('process_died', `${this.host.label} has ended while it brought the session back. Try again.`);
  }

  private async loadIn(link: Link, record: SessionRecord, replay: boolean): Promise<void> {
    const taking = new Replay();
    this.replay = taking;
    this.host.route(record.agentId, this.routed);
    try {
      const back = await bringBack(link, { id: record.id, agentId: record.agentId, folder: record.folder, replay: replay || !record.rows }, taking).catch((error: unknown) => {
        // Agents forget a session in which nothing was ever said.
        if (neverUsed(record) && error instanceof PilothouseError && error.code === 'session_not_found') return null;
        throw error;
      });
      if (back !== null) {
        this.lastPrompt = back.lastPrompt;
        if (!record.rows && back.replayed !== null) this.past = back.replayed;
        this.replay = null;
        await this.ownStill(link);
        this.adopt(link, record.agentId, back.result);
        return;
      }
    } catch (error) {
      this.host.unroute(record.agentId);
      throw error instanceof PilothouseError ? error : new PilothouseError('load_failed', `The agent could not bring the session back: ${wordsOf(error)}`, { cause: error });
    } finally {
      this.replay = null;
    }
    this.host.unroute(record.agentId);
    const { agentId, result } = await makeFresh(link, record.folder);
    await this.host.records.change(record.id, () => ({ agentId }));
    await this.ownStill(link);
    this.adopt(link, agentId, result);
    if (!neverUsed(record)) this.events.contextLost();
  }
}

/** Nothing was ever said in it: there is no past to lose. */
function neverUsed(record: SessionRecord): boolean {
  return record.origin === 'made' && record.sent.length === 0;
}
