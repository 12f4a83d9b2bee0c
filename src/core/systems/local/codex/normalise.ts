import type { DeltaEntry, Entry, UsageFigures } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Activity } from '../../../model/session.ts';
import { TurnFiles } from './changes.ts';
import type { Place } from './entries.ts';
import { agentRow, entriesOf, oneLine, resultEntry, rev } from './entries.ts';
import type { CodexItem, UnknownItem } from './item.ts';
import { readItem } from './item.ts';
import { figuresOf, statesByWord, todoEntry, turnEnd, turnFigures, turnStart, usageEntries, usedBefore } from './turns.ts';
import type { WireError, WireTokens, WireTokenUsage } from './wire.ts';
import { errorSchema, errorText, placeSchema, planSchema, read, tokenUsageSchema, turnSchema } from './wire.ts';

interface OpenItem {
  readonly item: CodexItem;
  readonly place: Place;
  /** What streamed in of it. */
  text: string;
  parts: number;
  patches: number;
}
interface RunningTurn {
  readonly id: string;
  readonly began: number;
  readonly files: TurnFiles;
  before: WireTokens | null;
  usage: WireTokenUsage | null;
  error: WireError | null;
  todo: { readonly place: Place; version: number } | null;
  retry: { readonly place: Place; count: number } | null;
}
type Channel = DeltaEntry['channel'];

/** Notifications that carry nothing for a transcript: told elsewhere, doubled, or only of interest to Codex's own windows. */
const silent = /^(?:codex\/event\/|thread\/(?:started|status\/changed|name\/updated|archived|unarchived|closed|deleted|reverted|settings\/updated|readState\/changed|section\/changed|goal\/|queue\/|project\/|environment\/|prediction\/|attachment\/|realtime\/)|turn\/moderationMetadata|item\/(?:commandExecution\/terminalInteraction|autoApprovalReview\/)|hook\/|serverRequest\/resolved|model\/(?:verification|safetyBuffering)|rawResponse)/;
const maxUnknown = 50;

/**
 * Wire of one thread of the app-server → entries. Pure but for its own state: the same calls give the same entries; no clock, no I/O, and no JSON
 * makes it throw. `now` is in milliseconds since the epoch, for what the wire gives no time.
 */
export class ThreadLog {
  readonly #parent: string | null;
  readonly #scope: string;
  readonly #open = new Map<string, OpenItem>();
  /** Commands that go on after their turn: it was interrupted, or left them in the background. */
  readonly #orphans = new Map<string, OpenItem & { readonly aborted: boolean }>();
  readonly #unknown = new Map<string, { readonly place: Place; readonly messages: JsonValue[] }>();
  readonly #warned = new Set<string>();
  /** Subagents that were started and have not ended, with where their rows stand. */
  readonly #agents = new Map<string, Place>();
  #turn: RunningTurn | null = null;
  #closed: string | null = null;
  #ordinal = 0;
  #total: WireTokens | null = null;
  #activity: Activity | null = null;
  #figures: UsageFigures | null = null;
  #heard = 0;

  /** `scope` names what has no id of its own: another one for each run of the program. `parent`: row within which all of it happens (a subagent's). */
  constructor(options: { readonly scope: string; readonly parent?: string | null }) {
    this.#scope = options.scope;
    this.#parent = options.parent ?? null;
  }

  get turn(): string | null {
    return this.#turn?.id ?? null;
  }
  get activity(): Activity | null {
    return this.#activity;
  }
  get figures(): UsageFigures | null {
    return this.#figures;
  }
  /** When the wire last told anything of the running turn but a failed attempt. */
  get heard(): number {
    return this.#heard;
  }
  get retrying(): boolean {
    return this.#activity?.phase === 'retrying';
  }
  /** True while something of the agent's own runs: silence is no stall then. */
  get busy(): boolean {
    return [...this.#open.values()].some(({ item }) => item.type !== 'agentMessage' && item.type !== 'reasoning' && item.type !== 'plan' && item.type !== 'userMessage');
  }
  get filesChanged(): readonly string[] {
    return this.#turn?.files.paths ?? [];
  }

  /** The activity is another one, for a reason that the wire does not tell (waiting for the person, stalled). */
  mark(phase: Activity['phase'], detail: string | null, since: number): void {
    if (this.#turn === null || (this.#activity?.phase === phase && this.#activity.detail === detail)) return;
    this.#activity = { phase, since, detail, until: null };
  }

  /** The item of an open call, for what asks about it. */
  open(itemId: string): CodexItem | null {
    return this.#open.get(itemId)?.item ?? null;
  }

  place(now: number): Place {
    return this.#place(now, this.turn);
  }

  notice(level: 'info' | 'warning' | 'error', code: string, text: string, remedy: string | null, now: number): Entry {
    const place = this.place(now);
    const id = `notice:${this.#scope}:${place.order.join('.')}`;
    return { kind: 'notice', id, row: id, ...place, rev: rev.whole, level, code, text: oneLine(text), remedy };
  }

  notification(method: string, params: JsonValue, now: number): Entry[] {
    const fields: JsonObject = isJsonObject(params) ? params : {};
    if (method !== 'error' && !method.startsWith('thread/') && !method.startsWith('account/')) this.#heard = now;
    switch (method) {
      case 'turn/started': return this.#begin(fields, now);
      case 'turn/completed': return this.#end(fields, now);
      case 'item/started': return this.#item(fields, false, now);
      case 'item/completed': return this.#item(fields, true, now);
      case 'item/agentMessage/delta':
      case 'item/plan/delta':
        return this.#delta(fields, 'text', now);
      case 'item/reasoning/summaryTextDelta':
      case 'item/reasoning/textDelta':
        return this.#delta(fields, 'thinking', now);
      case 'item/reasoning/summaryPartAdded': return fields['summaryIndex'] === 0 ? [] : this.#delta({ ...fields, delta: '\n\n' }, 'thinking', now);
      case 'item/commandExecution/outputDelta':
      case 'item/fileChange/outputDelta':
        return this.#delta(fields, 'output', now);
      case 'item/mcpToolCall/progress': return this.#delta({ ...fields, delta: `${textIn(fields, 'message')}\n` }, 'output', now);
      case 'item/fileChange/patchUpdated': return this.#patched(fields, now);
      case 'turn/diff/updated':
        if (typeof fields['diff'] === 'string') this.#turn?.files.sum(fields['diff']);
        return [];
      case 'turn/plan/updated': return this.#plan(fields, now);
      case 'thread/tokenUsage/updated': return this.#usage(fields, now);
      case 'error': return this.#error(fields, now);
      case 'thread/compacted': return this.#parent === null ? [this.notice('info', 'compacted', 'The conversation was compacted to make room.', null, now)] : [];
      case 'model/rerouted': return [this.notice('info', 'model_changed', `Codex answers with ${textIn(fields, 'toModel')} instead of ${textIn(fields, 'fromModel')}.`, null, now)];
      case 'warning':
      case 'guardianWarning':
        return this.#warning(textIn(fields, 'message'), now);
      default: return silent.test(method) ? [] : this.#unknownMessage(method, params, now);
    }
  }

  /** The process is gone: what was open will not end by itself. `stopped`: the person wanted it so. */
  died(message: string, stopped: boolean, now: number): Entry[] {
    if (this.#turn === null) return this.#endAgents();
    if (stopped || this.#parent !== null) return this.#close('cancelled', null, null, now);
    return [this.notice('error', 'process_died', message, 'Send the next prompt: Codex is started again.', now), ...this.#close('failed', { message, codexErrorInfo: null, additionalDetails: null }, null, now)];
  }

  #place(now: number, turn: string | null): Place {
    this.#ordinal += 1;
    return { order: [now, this.#ordinal], at: now, turn, parent: this.#parent };
  }

  #begin(fields: JsonObject, now: number): Entry[] {
    const turn = turnSchema.safeParse(fields['turn']);
    if (!turn.success) return this.#unknownMessage('turn/started', fields, now);
    const { id } = turn.data;
    this.#turn = { id, began: now, files: new TurnFiles(), before: this.#total, usage: null, error: null, todo: null, retry: null };
    this.#heard = now;
    this.#activity = { phase: 'starting', since: now, detail: null, until: null };
    return this.#parent === null ? [turnStart(id, this.place(now))] : [];
  }

  #end(fields: JsonObject, now: number): Entry[] {
    const turn = turnSchema.safeParse(fields['turn']);
    if (!turn.success) return this.#unknownMessage('turn/completed', fields, now);
    const { id, status, error, durationMs } = turn.data;
    if (this.#closed === id) return [];
    // A turn that fails at once may end without having begun.
    const begun = this.#turn?.id === id ? [] : this.#begin(fields, now);
    return [...begun, ...this.#close(statesByWord[status] ?? 'completed', error, durationMs, now)];
  }

  #close(state: 'completed' | 'failed' | 'cancelled', error: WireError | null, durationMs: number | null, now: number): Entry[] {
    const turn = this.#turn;
    if (turn === null) return [];
    const entries: Entry[] = [];
    for (const [id, open] of this.#open) {
      const command = open.item.type === 'commandExecution';
      if (command) this.#orphans.set(id, { ...open, aborted: state !== 'completed' });
      if (!command || state !== 'completed') entries.push(...this.#cut(open, state));
    }
    this.#open.clear();
    // Subagents outlive a turn that was completed, and no other.
    if (state !== 'completed') entries.push(...this.#endAgents());
    const figures = turn.usage === null ? null : turnFigures(turn.usage, turn.before ?? usedBefore(turn.usage));
    const failure = state === 'failed' ? (error ?? turn.error ?? { message: 'The turn failed, and Codex did not say why.', codexErrorInfo: null, additionalDetails: null }) : null;
    if (this.#parent === null) entries.push(...turnEnd(turn.id, this.place(now), { state, durationMs: durationMs ?? Math.max(0, now - turn.began), figures, filesChanged: this.filesChanged, error: failure }));
    this.#closed = turn.id;
    this.#turn = null;
    this.#activity = null;
    return entries;
  }

  #endAgents(): Entry[] {
    const entries = [...this.#agents].map(([agent, place]) => resultEntry(agentRow(agent), { status: 'cancelled', output: '' }, place, rev.cut));
    this.#agents.clear();
    return entries;
  }

  /** An item that was broken off keeps what came of it. */
  #cut(open: OpenItem, state: 'completed' | 'failed' | 'cancelled'): Entry[] {
    const { item, place } = open;
    if (item.type === 'userMessage') return [];
    if (item.type === 'agentMessage' || item.type === 'plan' || item.type === 'reasoning') {
      if (open.text === '') return [];
      return [{ kind: item.type === 'reasoning' ? 'thinking' : 'text', id: item.id, row: item.id, ...place, rev: rev.cut, text: open.text }];
    }
    return [resultEntry(item.id, { status: state === 'completed' ? 'ok' : 'cancelled', output: open.text }, place, rev.cut)];
  }

  #item(fields: JsonObject, ended: boolean, now: number): Entry[] {
    const item = readItem(fields['item'] ?? null);
    const at = read(placeSchema, fields);
    const started = this.#startedAt(item) ?? at?.startedAtMs ?? null;
    const known = item.id === null ? undefined : (this.#open.get(item.id) ?? this.#orphans.get(item.id));
    const place = known?.place ?? this.#place(started ?? now, at?.turnId ?? this.turn);
    if (this.#parent !== null && item.type === 'userMessage') return [];
    const aborted = item.id !== null && this.#orphans.get(item.id)?.aborted === true;
    if (ended && item.id !== null) this.#orphans.delete(item.id);
    if (item.type !== 'unknown') {
      if (ended) this.#open.delete(item.id);
      else this.#open.set(item.id, { item, place, text: '', parts: 0, patches: 0 });
      if (ended && item.type === 'fileChange' && item.status === 'completed') this.#turn?.files.apply(item.changes);
      if (ended && item.type === 'subAgentActivity') {
        if (item.kind === 'started') this.#agents.set(item.agentThreadId, place);
        else if (item.kind !== 'interacted') this.#agents.delete(item.agentThreadId);
      }
      this.#follow(item, ended, now);
    }
    return entriesOf(item, place, { ended, aborted });
  }

  #startedAt(item: CodexItem | UnknownItem): number | null {
    return item.type === 'unknown' ? null : item.startedAtMs;
  }

  #follow(item: CodexItem, ended: boolean, now: number): void {
    if (this.#turn === null) return;
    if (ended) {
      if (item.type !== 'userMessage') this.#settle(now);
    } else if (item.type === 'agentMessage' || item.type === 'plan') this.#phase('answering', null, now);
    else if (item.type === 'reasoning' || item.type === 'userMessage') this.#phase('thinking', null, now);
    else if (item.type === 'contextCompaction') this.#phase('compacting', null, now);
    else {
      const [call] = entriesOf(item, this.#place(now, this.turn), { ended: false, aborted: false });
      this.#phase('tool', call?.kind === 'tool' ? call.title : null, now);
    }
  }

  /** Something ended: what still runs is shown, else the model is at it again. */
  #settle(now: number): void {
    const rest = [...this.#open.values()].at(-1);
    if (rest === undefined) this.#phase('thinking', null, now);
    else this.#follow(rest.item, false, now);
  }

  #phase(phase: Activity['phase'], detail: string | null, now: number): void {
    if (this.#activity?.phase !== phase || this.#activity.detail !== detail) this.#activity = { phase, since: now, detail, until: null };
  }

  #delta(fields: JsonObject, channel: Channel, now: number): Entry[] {
    const { itemId, delta } = fields;
    if (typeof itemId !== 'string' || typeof delta !== 'string' || delta === '') return [];
    const open = this.#open.get(itemId) ?? this.#orphans.get(itemId);
    if (open === undefined) return [];
    if (this.#activity?.phase === 'retrying' || this.#activity?.phase === 'stalled') this.#follow(open.item, false, now);
    open.text += delta;
    const part = open.parts;
    open.parts += 1;
    return [{ kind: 'delta', id: `${itemId}/${channel}/${part}`, row: itemId, ...open.place, rev: rev.whole, channel, part, text: delta }];
  }

  #patched(fields: JsonObject, now: number): Entry[] {
    const id = fields['itemId'];
    const open = typeof id === 'string' ? this.#open.get(id) : undefined;
    if (open === undefined || typeof id !== 'string') return [];
    const item = readItem({ type: 'fileChange', id, changes: fields['changes'] ?? [], status: 'inProgress' });
    open.patches += 1;
    this.#heard = now;
    return entriesOf(item, open.place, { ended: false, aborted: false }).map((entry) => (entry.kind === 'tool' ? { ...entry, rev: rev.begun + Math.min(open.patches, 999) / 1000 } : entry));
  }

  #plan(fields: JsonObject, now: number): Entry[] {
    const plan = read(planSchema, fields);
    if (plan === null || this.#turn === null || this.#parent !== null) return [];
    this.#turn.todo ??= { place: this.place(now), version: 0 };
    const { todo } = this.#turn;
    todo.version += 1;
    return [todoEntry(this.#turn.id, plan.plan, todo.place, todo.version)];
  }

  #usage(fields: JsonObject, now: number): Entry[] {
    const usage = read(tokenUsageSchema, fields['tokenUsage'] ?? null);
    if (usage === null || this.#parent !== null) return [];
    this.#total = usage.total;
    this.#figures = figuresOf(usage.total, usage);
    const before = this.#turn?.before ?? usedBefore(usage);
    if (this.#turn !== null) {
      this.#turn.before ??= before;
      this.#turn.usage = usage;
    }
    return usageEntries(usage, this.turn, before, this.place(now), now);
  }

  /** Codex says the same before every turn: once is enough. */
  #warning(message: string, now: number): Entry[] {
    if (message === '' || this.#warned.has(message)) return [];
    this.#warned.add(message);
    return [this.notice('warning', 'warning', message, null, now)];
  }

  #error(fields: JsonObject, now: number): Entry[] {
    const error = read(errorSchema, fields['error'] ?? null);
    if (error === null || this.#turn === null) return [];
    if (fields['willRetry'] !== true) {
      this.#turn.error = error;
      return [];
    }
    this.#turn.retry ??= { place: this.place(now), count: 0 };
    const { retry } = this.#turn;
    retry.count += 1;
    const said = oneLine([errorText(error.message), error.additionalDetails].filter((one) => one !== null && one !== '').join(' · '));
    this.#activity = { phase: 'retrying', since: this.#activity?.phase === 'retrying' ? this.#activity.since : now, detail: said, until: null };
    const id = `notice:${this.#turn.id}:retrying`;
    return [{ kind: 'notice', id, row: id, ...retry.place, rev: retry.count, level: 'warning', code: 'retrying', text: said, remedy: null }];
  }

  #unknownMessage(method: string, params: JsonValue, now: number): Entry[] {
    const item = isJsonObject(params) && typeof params['itemId'] === 'string' ? `:${params['itemId']}` : '';
    const id = `unknown:${this.#scope}:${this.turn ?? ''}:${method}${item}`;
    const seen = this.#unknown.get(id) ?? { place: this.place(now), messages: [] };
    if (seen.messages.length >= maxUnknown) return [];
    seen.messages.push(params);
    this.#unknown.set(id, seen);
    return [{ kind: 'unknown', id, row: id, ...seen.place, rev: seen.messages.length, source: `codex ${method}`, raw: [...seen.messages] }];
  }
}

function textIn(fields: JsonObject, key: string): string {
  const value = fields[key];
  return typeof value === 'string' ? value : '';
}
