import type { Entry, NoticeEntry, TodoEntry, UsageFigures } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
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

  /** `compaction_update` of the schema's unstable part. */
  compaction(update: JsonObject, now: number): Entry {
    const status = str(update, 'status') ?? '';
    const text = [compactions[status] ?? `Compacting: ${oneLine(status)}`, str(update, 'error')].filter((part) => part !== null).join(' ');
    return this.notice({ level: status === 'failed' ? 'warning' : 'info', code: 'compacted', text, remedy: null }, now, `compaction:${str(update, 'compactionId') ?? ''}`);
  }

  /** `plan` (the whole list each time), or `plan_update` of the unstable part where it has items. */
  plan(kind: 'plan' | 'plan_update', update: JsonObject, parent: string | null, now: number): Entry {
    const plan = kind === 'plan' ? update : obj(update, 'plan');
    if (plan === null || !Array.isArray(plan['entries'])) return this.unknown(kind, update, now);
    const id = `${this.places.home}/${kind === 'plan' ? 'plan' : `plan:${str(plan, 'planId') ?? ''}`}`;
    const items = objects(plan, 'entries').map((item) => ({ text: oneLine(str(item, 'content') ?? '', 1000), status: todoStates[str(item, 'status') ?? ''] ?? 'pending' }));
    return { kind: 'todo', id, row: id, rev: this.places.version(id), ...this.places.keep(id, now, parent), items };
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
}
