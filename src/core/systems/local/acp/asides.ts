import type { Entry, NoticeEntry, TodoEntry, UsageFigures } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { blockOf } from './content.ts';
import type { Places } from './place.ts';
import { num, obj, objects, oneLine, str } from './read.ts';

export type Notice = Pick<NoticeEntry, 'level' | 'code' | 'text' | 'remedy'>;

const todoStates: Readonly<Record<string, TodoEntry['items'][number]['status']>> = { pending: 'pending', in_progress: 'running', completed: 'done', cancelled: 'cancelled' };
const compactions: Readonly<Record<string, string>> = {
  in_progress: 'The conversation is being compacted.', completed: 'The conversation was compacted.', failed: 'The conversation could not be compacted.', cancelled: 'Compacting was cancelled.',
};

/** What stands beside the conversation: plans, usage, notices, and what this build does not know. */
export class Asides {
  private readonly places: Places;
  /** The lists of plans as last told, by the agent's ids. */
  private readonly plans = new Map<string, { readonly row: string; readonly items: TodoEntry['items'] }>();
  /** Compactions that go on, by the agent's ids: where they are shown, and what came of their summaries. */
  private readonly compacting = new Map<string, { readonly home: string; readonly pieces: string[] }>();
  private cost: number | null = null;

  constructor(places: Places) {
    this.places = places;
  }

  /** The same `key` within a turn again gives a higher version of the notice. */
  notice(notice: Notice, now: number, key?: string): Entry {
    const id = key === undefined ? this.places.name('notice') : `${this.places.home}/notice/${key}`;
    return { kind: 'notice', id, row: id, rev: this.places.version(id), ...this.places.keep(id, now), ...notice };
  }

  /** `notice` of the schema's unstable part. */
  agentNotice(update: JsonObject, now: number): Entry {
    const severity = str(update, 'severity');
    const text = [str(update, 'title'), str(update, 'description')].filter((part) => part !== null).join(': ');
    if (text === '') return this.unknown('notice', update, now);
    return this.notice({ level: severity === 'error' || severity === 'warning' ? severity : 'info', code: 'agent_notice', text, remedy: null }, now);
  }

  /** `compaction_update`: how far it is, and the summary where it is told. */
  compaction(update: JsonObject, now: number): Entry[] {
    const status = str(update, 'status') ?? '';
    const text = [compactions[status] ?? `Compacting: ${oneLine(status)}`, str(update, 'error')].filter((part) => part !== null).join(' ');
    const { home, pieces } = this.under(str(update, 'compactionId') ?? '');
    const notice: Entry = { kind: 'notice', id: home, row: home, rev: this.places.version(home), ...this.places.keep(home, now), level: status === 'failed' ? 'warning' : 'info', code: 'compacted', text, remedy: null };
    const whole = Array.isArray(update['summary']) ? textOf(update['summary']) : status === 'in_progress' ? '' : pieces.join('');
    if (status !== 'in_progress') this.compacting.delete(str(update, 'compactionId') ?? '');
    return whole === '' ? [notice] : [notice, this.summary(home, whole, now, 1)];
  }

  /** `compaction_summary_chunk`: folded away as thinking is. */
  compactionChunk(update: JsonObject, now: number): Entry {
    const id = str(update, 'compactionId');
    const block = blockOf(update['content']);
    if (id === null || block.type !== 'text') return this.unknown('compaction_summary_chunk', update, now);
    const { home, pieces } = this.under(id);
    const row = `${home}/summary`;
    const part = pieces.length;
    pieces.push(block.text);
    return { kind: 'delta', id: `${row}/${part}`, row, rev: 0, ...this.places.keep(row, now), channel: 'thinking', part, text: block.text };
  }

  /** What streams is whole as it stands. `provisional`: as versions that every real end replaces, and it goes on. */
  close(now: number, provisional = false): Entry[] {
    return [...this.compacting.values()].flatMap(({ home, pieces }) => (pieces.length === 0 ? [] : [this.summary(home, pieces.join(''), now, provisional ? 0 : 1)]));
  }

  private under(id: string): { readonly home: string; readonly pieces: string[] } {
    const known = this.compacting.get(id) ?? { home: `${this.places.home}/notice/compaction:${id}`, pieces: [] };
    this.compacting.set(id, known);
    return known;
  }

  private summary(home: string, text: string, now: number, least: 0 | 1): Entry {
    const row = `${home}/summary`;
    return { kind: 'thinking', id: row, row, rev: least === 0 ? 0 : 1 + this.places.version(row), ...this.places.keep(row, now), text };
  }

  /** `plan` (the whole list each time), or `plan_update` of the unstable part: a list, a text, or a file. */
  plan(kind: 'plan' | 'plan_update', update: JsonObject, parent: string | null, now: number): Entry {
    const plan = kind === 'plan' ? update : obj(update, 'plan');
    if (plan === null) return this.unknown(kind, update, now);
    const id = `${this.places.home}/${kind === 'plan' ? 'plan' : `plan:${str(plan, 'planId') ?? ''}`}`;
    const text = str(plan, 'content');
    if (plan['type'] === 'markdown' && text !== null) {
      const row = `${id}/text`;
      return { kind: 'text', id: row, row, rev: this.places.version(row), ...this.places.keep(row, now, parent), text };
    }
    const file = plan['type'] === 'file' ? blockOf({ type: 'resource_link', uri: plan['uri'] ?? null, mimeType: 'text/markdown' }) : null;
    if (file?.type === 'file') {
      const row = `${id}/file`;
      return { kind: 'file', id: row, row, rev: this.places.version(row), ...this.places.keep(row, now, parent), file: file.file };
    }
    if (!Array.isArray(plan['entries'])) return this.unknown(kind, update, now);
    const items = objects(plan, 'entries').map((item) => ({ text: oneLine(str(item, 'content') ?? '', 1000), status: todoStates[str(item, 'status') ?? ''] ?? 'pending' }));
    this.plans.set(str(plan, 'planId') ?? '', { row: id, items });
    return { kind: 'todo', id, row: id, rev: this.places.version(id), ...this.places.keep(id, now, parent), items };
  }

  /** `plan_removed`: what of a list was not done is not going to be. A text or a file that was shown stays. */
  planRemoved(update: JsonObject, now: number): Entry[] {
    const planId = str(update, 'planId');
    if (planId === null) return [this.unknown('plan_removed', update, now)];
    const known = this.plans.get(planId);
    if (known === undefined) return [];
    this.plans.delete(planId);
    const id = known.row;
    const items = known.items.map((item) => (item.status === 'pending' || item.status === 'running' ? { ...item, status: 'cancelled' as const } : item));
    return [{ kind: 'todo', id, row: id, rev: this.places.version(id), ...this.places.keep(id, now), items }];
  }

  /** `usage_update`: tokens in context, size of the window, and the session's cost so far. */
  usage(update: JsonObject, now: number): Entry {
    const used = num(update, 'used');
    const size = num(update, 'size');
    const cost = obj(update, 'cost');
    if (used === null && size === null && cost === null) return this.unknown('usage_update', update, now);
    const amount = cost !== null && str(cost, 'currency') === 'USD' ? num(cost, 'amount') : null;
    this.cost = amount ?? this.cost;
    const id = `${this.places.home}/usage`;
    const figures: UsageFigures = { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: this.cost, contextTokens: used, contextWindow: size };
    return { kind: 'usage', id, row: null, rev: this.places.version(id), ...this.places.keep(id, now), scope: 'session', figures };
  }

  unknown(source: string, raw: JsonValue, now: number): Entry {
    const id = this.places.name('unknown');
    return { kind: 'unknown', id, row: id, rev: 0, ...this.places.next(now), source: `acp ${oneLine(source, 60)}`, raw };
  }

  /** An update of a kind that this build does not know. All of one kind that are about the same thing are one row. */
  unknownUpdate(kind: string, update: JsonObject, now: number): Entry {
    const about = ['messageId', 'toolCallId', 'terminalId', 'sessionId', 'planId', 'compactionId'].map((key) => str(update, key)).find((id) => id !== null);
    if (about === undefined || kind === '') return this.unknown(kind === '' ? 'update' : kind, update, now);
    const row = `${this.places.home}/unknown:${kind}:${about}`;
    return { kind: 'unknown', id: `${row}/${this.places.version(row)}`, row, rev: 0, ...this.places.keep(row, now), source: `acp ${oneLine(kind, 60)}`, raw: update };
  }

  /** Parts of a call's content that this build does not know, as they stand now. */
  unknownContent(row: string, raw: readonly JsonValue[], now: number): Entry {
    const id = `${row}/unknown`;
    return { kind: 'unknown', id, row: id, rev: this.places.version(id), ...this.places.keep(id, now), source: 'acp tool content', raw: raw.length === 1 ? (raw[0] ?? null) : [...raw] };
  }
}

function textOf(blocks: readonly JsonValue[]): string {
  return blocks.map((one) => blockOf(one)).map((block) => (block.type === 'text' ? block.text : '')).filter((text) => text !== '').join('\n\n');
}
