import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { canonicalJson } from '../../../src/core/model/json.ts';
import type { WireBatch } from './schema.ts';

/** An answer that is an error. */
export class Refusal extends Error {
  readonly status: number;
  readonly detail: unknown;
  constructor(status: number, detail: unknown) {
    super(`refused with ${status}`);
    this.status = status;
    this.detail = detail;
  }
}

export interface TestCollector {
  readonly id: string;
  readonly key: string;
  readonly workspace: string;
  readonly registration: JsonObject;
  disabled: boolean;
}
export interface StoredEvent {
  readonly type: string;
  readonly hash: string;
  readonly emittedAt: string;
  readonly data: JsonObject;
  /** One number for all of a batch. */
  readonly sequence: number;
}
export interface TestConversation {
  readonly id: string;
  readonly session: string;
  readonly owner: string;
  agentType: string;
  readonly rows: StoredEvent[];
  /** Grows with what is not stored, too. */
  lastSequence: number;
  status: 'active' | 'completed';
  outcome: string | null;
  summary: string | null;
  firstAt: string | null;
  lastAt: string;
}

const ROLES: ReadonlySet<string> = new Set(['human', 'caller', 'assistant', 'agent', 'tool', 'system']);
const TYPES: ReadonlySet<string> = new Set(['prompt', 'response', 'tool_call', 'tool_result', 'plan', 'summary', 'context', 'error']);
const STORED: ReadonlySet<string> = new Set(['message', 'tool_call', 'tool_result', 'thinking', 'error']);

/**
 * State and rules of kulesh/catsyphon at 2b64d3b on PostgreSQL, as observed: twins within a batch are stored twice, batches at the same time do not see one another, session_start, session_end
 * and unknown types are counted and not stored, a batch is stored whole or not at all, and what only the database refuses is a 500.
 */
export class Kernel {
  readonly workspaces = new Set<string>();
  readonly collectors: TestCollector[] = [];
  readonly sessions = new Map<string, TestConversation>();
  /** An event for which the server fails, whatever the contract says. */
  poison: (data: JsonObject) => boolean = () => false;
  /** Milliseconds between looking for what is stored and storing. */
  ingestMs = 0;
  /** Batches at work at the same moment, at most, of one session. */
  mostAtOnce = 0;
  readonly #atWork = new Map<string, number>();

  register(body: JsonObject): TestCollector {
    const workspace = textOf(body['workspace_id']);
    if (!this.workspaces.has(workspace)) throw new Refusal(404, 'Workspace not found');
    const made: TestCollector = { id: randomUUID(), key: `cs_live_${randomBytes(32).toString('base64url')}`, workspace, registration: body, disabled: false };
    this.collectors.push(made);
    return made;
  }

  async ingest(collector: TestCollector, batch: WireBatch): Promise<{ readonly accepted: number; readonly conversation: TestConversation }> {
    const { session_id: id } = batch;
    const working = (this.#atWork.get(id) ?? 0) + 1;
    this.#atWork.set(id, working);
    this.mostAtOnce = Math.max(this.mostAtOnce, working);
    try {
      const known = new Set((this.sessions.get(id)?.rows ?? []).map((row) => row.hash));
      const zones = new Set(batch.events.map((event) => typeof event.emitted_at === 'number' || /(?:Z|[+-]\d\d:?\d\d)$/.test(event.emitted_at)));
      if (zones.size > 1) throw new Refusal(500, "can't compare offset-naive and offset-aware datetimes");
      if (id.length > 255) throw new Refusal(500, 'value too long for type character varying(255)');
      for (const event of batch.events) this.#database(event.type, event.data);
      const fresh = batch.events.map((event) => ({ event, hash: event.event_hash ?? hashOf(event) })).filter(({ hash }) => !known.has(hash));
      if (this.ingestMs > 0) await pause(this.ingestMs);
      const conversation = this.#conversation(collector, id);
      const sequence = conversation.rows.length + 1;
      const sorted = fresh.toSorted((a, b) => Date.parse(String(a.event.emitted_at)) - Date.parse(String(b.event.emitted_at)));
      conversation.firstAt ??= String(sorted[0]?.event.emitted_at ?? '');
      conversation.lastAt = new Date().toISOString();
      for (const { event, hash } of sorted) this.#take(conversation, { type: event.type, hash, emittedAt: String(event.emitted_at), data: event.data, sequence });
      conversation.lastSequence += fresh.length;
      return { accepted: fresh.length, conversation };
    } finally {
      this.#atWork.set(id, (this.#atWork.get(id) ?? 1) - 1);
    }
  }

  /** What was stored of a session, oldest first. */
  rows(session: string): readonly StoredEvent[] {
    return this.sessions.get(session)?.rows ?? [];
  }

  /** A session that this collector may look at. */
  own(collector: TestCollector, id: string): TestConversation {
    const found = this.sessions.get(id);
    if (found === undefined) throw new Refusal(404, `No events received for session ${id}`);
    if (found.owner !== collector.id) throw new Refusal(403, 'Session belongs to a different collector');
    return found;
  }

  #take(conversation: TestConversation, row: StoredEvent): void {
    if (row.type === 'session_start' && conversation.agentType === 'unknown') conversation.agentType = textOf(row.data['agent_type']);
    if (row.type === 'session_end') {
      conversation.status = 'completed';
      conversation.outcome = textOf(row.data['outcome']);
    }
    if (!STORED.has(row.type)) return;
    const data = row.type === 'message' && !TYPES.has(textOf(row.data['message_type'])) ? { ...row.data, message_type: 'response' } : row.data;
    conversation.rows.push({ ...row, data });
  }

  #conversation(collector: TestCollector, session: string): TestConversation {
    // Whose it is is not looked at: another collector's events go into the same conversation.
    const made = this.sessions.get(session) ?? {
      id: randomUUID(), session, owner: collector.id, agentType: 'unknown', rows: [], lastSequence: 0, status: 'active' as const, outcome: null, summary: null, firstAt: null, lastAt: new Date().toISOString(),
    };
    this.sessions.set(session, made);
    return made;
  }

  #database(type: string, data: JsonObject): void {
    if (type === 'message' && !ROLES.has(textOf(data['author_role']))) throw new Refusal(500, `'${textOf(data['author_role'])}' is not a valid AuthorRole`);
    for (const name of ['agent_type', 'agent_version']) if (type === 'session_start' && textOf(data[name]).length > 50) throw new Refusal(500, 'value too long for type character varying(50)');
    if (STORED.has(type) && textsIn(data).some((text) => text.includes('\u0000') || /\p{Surrogate}/u.test(text))) throw new Refusal(500, `unsupported Unicode escape sequence in ${JSON.stringify(data)}`);
    if (this.poison(data)) throw new Refusal(500, `DataError in ${JSON.stringify(data)}`);
  }
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function textsIn(value: JsonValue): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([key, inner]: [string, JsonValue]) => [key, ...textsIn(inner)]) : [];
}

/** The server's own hash, where an event has none. */
function hashOf(event: WireBatch['events'][number]): string {
  return createHash('sha256').update(`${event.type}:${new Date(event.emitted_at).toISOString()}:${canonicalJson(event.data)}`).digest('hex').slice(0, 32);
}
