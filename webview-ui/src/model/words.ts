import { callWords, saysMore } from './calls.ts';
import { below } from './place.ts';
import type { Attachment, ChatState, FileDiff, OutboxView, PermissionRow, Row, RowOf, ToolRow, UsageFigures } from '../types.ts';
import type { QuietRow } from './items.ts';

/** `0.4 s`, `9 s`, `1 m 12 s`, `2 h 5 m`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 0.95) return `${Math.max(0.1, Math.round(seconds * 10) / 10)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 === 0 ? `${minutes} m` : `${minutes} m ${whole % 60} s`;
  return minutes % 60 === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

/** `840`, `18.2k`, `1.4M`. */
export function count(value: number): string {
  if (value < 1_000) return String(Math.round(value));
  const [scaled, unit] = value < 999_500 ? [value / 1_000, 'k'] : [value / 1_000_000, 'M'];
  return `${scaled < 99.95 ? scaled.toFixed(1).replace(/\.0$/, '') : Math.round(scaled)}${unit}`;
}

export function money(usd: number): string {
  if (usd === 0) return '$0.00';
  return usd < 0.01 ? '<$0.01' : `$${usd.toFixed(2)}`;
}

/** `420 B`, `12 KB`, `3.4 MB`. */
export function bytes(size: number): string {
  if (size < 1_024) return `${size} B`;
  if (size < 1_024 * 1_024) return `${Math.round(size / 1_024)} KB`;
  return `${(size / 1_024 / 1_024).toFixed(1)} MB`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hour12: false });
const dayFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/** `14:02`, with the day before it when it is not the day of `now`. Both in ms since the epoch. */
export function clock(at: number, now: number = Date.now()): string {
  const time = clockFormat.format(at);
  return new Date(at).toDateString() === new Date(now).toDateString() ? time : `${dayFormat.format(at)}, ${time}`;
}

/** How long ago, coarse enough to be written anew every ten seconds only. */
export function ago(at: number, now: number): string {
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds / 10) * 10} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `at ${clock(at, now)}`;
}

/** One line of a text that may have many. */
export function oneLine(text: string, max = 200): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > max ? `${line.slice(0, max - 1)}…` : line;
}

/** What a tool did in one line: a word, what it was done to, and figures at the end of the line. */
export interface ToolLine {
  readonly icon: string;
  readonly verb: string;
  readonly subject: string;
  /** True where the subject is a path or a command, and so written in the editor's font. */
  readonly mono: boolean;
  readonly path: string | null;
  readonly line: number | null;
  readonly added: number | null;
  readonly removed: number | null;
  /** `exit 1`, `denied`, `stopped`, `failed`, … */
  readonly outcome: string | null;
  readonly failed: boolean;
}

export function toolLine(row: ToolRow): ToolLine {
  const line = statedLine(row);
  const asks = row.status === 'waiting' && callWords(row.name, row.verb, '')?.asks !== true;
  return asks ? { ...line, verb: wish(line) } : line;
}

/** What waits for its permission has not begun. */
function wish({ verb, subject }: ToolLine): string {
  if (verb === 'Agent') return subject === '' ? 'Wants to start an agent' : 'Wants to start an agent:';
  return `Wants to ${verb.charAt(0).toLowerCase()}${verb.slice(1)}`;
}

function statedLine(row: ToolRow): ToolLine {
  const tense = tenseOf(row);
  const base = { path: null, line: null, added: null, removed: null, mono: false, ...toolOutcome(row) };
  const place = row.locations[0];
  const at = place === undefined ? {} : { path: place.path, line: place.line };
  const title = saysMore(row.title, row.name) ? oneLine(row.title) : '';
  const plain = callWords(row.name, row.verb, title);
  if (plain !== null) return { ...base, ...at, icon: plain.icon, verb: plain.words[row.status === 'waiting' && plain.asks ? 0 : tense], subject: plain.subject };
  switch (row.verb) {
    case 'edit':
    case 'delete':
    case 'move':
      return { ...base, ...at, ...editLine(row, tense) };
    case 'execute':
      return { ...base, icon: 'terminal', verb: ['Running', 'Ran', 'Run'][tense] ?? '', subject: oneLine(row.command ?? (title || 'a command')), mono: row.command !== null || title !== '' };
    case 'read':
      return { ...base, ...at, icon: 'file', verb: tense === 0 ? 'Reading' : 'Read', subject: place === undefined ? title || 'a file' : below(place.path), mono: place !== undefined };
    case 'search':
      return { ...base, icon: 'search', verb: ['Searching', 'Searched', 'Search'][tense] ?? '', subject: title, mono: true };
    case 'fetch':
      return { ...base, icon: 'globe', verb: ['Fetching', 'Fetched', 'Fetch'][tense] ?? '', subject: title || 'a page', mono: title !== '' };
    case 'think':
      return { ...base, icon: 'lightbulb', verb: ['Thinking', 'Thought', 'Think'][tense] ?? '', subject: title };
    case 'agent':
      return { ...base, icon: 'hubot', verb: tense === 0 ? 'Agent at work' : 'Agent', subject: title };
    case 'todo':
      return { ...base, icon: 'checklist', verb: ['Updating the to-do list', 'Updated the to-do list', 'Update the to-do list'][tense] ?? '', subject: '' };
    case 'other':
      return { ...base, icon: 'tools', verb: ['Using', 'Used', 'Use'][tense] ?? '', subject: [toolName(row.name), title === toolName(row.name) || row.name.endsWith(`__${title}`) ? '' : title].filter((part) => part !== '').join(' · ') };
  }
}

/** It happens, it happened, or it did not: what waits, was denied or failed is named by what it would do. */
type Tense = 0 | 1 | 2;

function tenseOf(row: ToolRow): Tense {
  if (row.status === 'running') return 0;
  if (row.status === 'ok') return 1;
  // A command that was stopped, or that failed, has run.
  return row.verb === 'execute' && (row.status === 'cancelled' || row.status === 'error') ? 1 : 2;
}

/** A tool's name as a person reads it: `mcp__tracker__list_issues` is `tracker: list_issues`. */
export function toolName(name: string): string {
  const match = /^mcp__(.+?)__(.+)$/.exec(name);
  return match === null ? name : `${match[1] ?? ''}: ${match[2] ?? ''}`;
}

function editLine(row: ToolRow, tense: Tense): Pick<ToolLine, 'icon' | 'verb' | 'subject' | 'mono' | 'path' | 'added' | 'removed'> {
  const paths = [...new Set(row.diffs.map((diff) => diff.path))];
  const only = row.diffs.length === 1 ? row.diffs[0] : undefined;
  const change = only?.change ?? (row.verb === 'delete' ? 'delete' : row.verb === 'move' ? 'rename' : 'modify');
  const verbs = { create: ['Creating', 'Created', 'Create'], modify: ['Editing', 'Edited', 'Edit'], delete: ['Deleting', 'Deleted', 'Delete'], rename: ['Moving', 'Moved', 'Move'] } as const;
  const path = paths.length === 1 ? (paths[0] ?? null) : paths.length === 0 ? (row.locations[0]?.path ?? null) : null;
  const moved = only !== undefined && only.change === 'rename' && only.oldPath !== null ? `${below(only.oldPath)} → ${below(only.path)}` : null;
  // Moved as it was: there is nothing to count.
  const same = moved !== null && sum(row.diffs, 'added') + sum(row.diffs, 'removed') === 0;
  return {
    icon: change === 'delete' ? 'trash' : change === 'create' ? 'new-file' : 'edit',
    verb: verbs[change][tense],
    subject: moved ?? (path === null ? null : below(path)) ?? (paths.length > 1 ? plural(paths.length, 'file') : saysMore(row.title, row.name) ? oneLine(row.title) : 'a file'),
    mono: paths.length <= 1 && (path !== null || moved !== null || saysMore(row.title, row.name)),
    path,
    added: row.diffs.length === 0 || same ? null : sum(row.diffs, 'added'),
    removed: row.diffs.length === 0 || same ? null : sum(row.diffs, 'removed'),
  };
}

function sum(diffs: readonly FileDiff[], field: 'added' | 'removed'): number {
  return diffs.reduce((total, diff) => total + diff[field], 0);
}

function toolOutcome(row: ToolRow): { outcome: string | null; failed: boolean } {
  switch (row.status) {
    case 'waiting':
      return { outcome: 'waits for you', failed: false };
    case 'denied':
      return { outcome: 'denied', failed: false };
    case 'cancelled':
      return { outcome: 'stopped', failed: false };
    case 'error':
      return { outcome: row.exitCode === null ? 'failed' : `exit ${row.exitCode}`, failed: true };
    case 'ok':
      return { outcome: row.exitCode === null ? null : `exit ${row.exitCode}`, failed: row.exitCode !== null && row.exitCode !== 0 };
    case 'running':
      return { outcome: null, failed: false };
  }
}

/** "Read 6 files, searched 3 times". */
export function groupLine(rows: readonly QuietRow[]): string {
  const files = new Set<string>();
  let reads = 0;
  let searches = 0;
  let fetches = 0;
  let failures = 0;
  for (const row of rows) {
    if (row.kind !== 'tool') continue;
    if (row.verb === 'read') {
      reads += 1;
      files.add(row.locations[0]?.path ?? row.title);
    } else if (row.verb === 'search') searches += 1;
    else fetches += 1;
    if (row.status === 'error') failures += 1;
  }
  const parts: string[] = [];
  if (reads > 0) parts.push(`read ${plural(files.size, 'file')}`);
  if (searches > 0) parts.push(searches === 1 ? 'searched once' : `searched ${searches} times`);
  if (fetches > 0) parts.push(`fetched ${plural(fetches, 'page')}`);
  const text = parts.join(', ');
  const line = text.charAt(0).toUpperCase() + text.slice(1);
  return failures === 0 ? line : `${line} · ${failures} failed`;
}

/** Spoken name of an answered permission: what was decided about what. */
export function outcomeLine(row: PermissionRow): string {
  const words: Record<NonNullable<PermissionRow['outcome']>, string> = {
    allowed: 'Allowed', 'allowed-session': 'Allowed for the session', 'allowed-always': 'Always allowed', denied: 'Denied', answered: 'Answered',
    withdrawn: 'Withdrawn by the agent', lost: 'Unanswered: the agent ended',
  };
  const word = row.outcome === null ? 'Waiting' : words[row.outcome];
  if (row.ask === 'plan') return row.outcome === 'allowed' ? 'Plan approved' : row.outcome === 'denied' ? 'Plan sent back' : `Plan: ${word.toLowerCase()}`;
  return word;
}

export function turnLine(row: RowOf<'turn'>): string[] {
  const parts: string[] = [];
  if (row.state === 'cancelled') parts.push('Stopped');
  if (row.durationMs !== null) parts.push(duration(row.durationMs));
  if (row.filesChanged.length > 0) parts.push(`${plural(row.filesChanged.length, 'file')} changed`);
  const tokens = totalTokens(row.figures);
  if (tokens !== null) parts.push(`${count(tokens)} tokens`);
  if (row.figures?.costUsd !== null && row.figures?.costUsd !== undefined) parts.push(money(row.figures.costUsd));
  return parts;
}

function totalTokens(figures: UsageFigures | null): number | null {
  if (figures === null || (figures.inputTokens === null && figures.outputTokens === null)) return null;
  return (figures.inputTokens ?? 0) + (figures.outputTokens ?? 0);
}

/** Context and cost as the composer shows them: `38 % of context`, `$0.14`. */
export function usageParts(figures: UsageFigures | null): { context: number | null; cost: string | null } {
  if (figures === null) return { context: null, cost: null };
  const { contextTokens, contextWindow, costUsd } = figures;
  return {
    context: contextTokens === null || contextWindow === null || contextWindow <= 0 ? null : Math.min(100, Math.round((contextTokens / contextWindow) * 100)),
    cost: costUsd === null ? null : money(costUsd),
  };
}

const LONG_WAIT_MS = 10 * 60_000;

/** One quiet line for what the turn is doing. `now` in ms since the epoch. */
export function activityLine(state: Pick<ChatState, 'activity' | 'state'>, now: number): string | null {
  const { activity } = state;
  if (activity === null) return stateWord(state.state);
  const since = duration(Math.max(0, now - activity.since));
  switch (activity.phase) {
    case 'starting':
      return `Starting · ${since}`;
    case 'thinking':
      return `Thinking · ${since}`;
    case 'answering':
      return 'Answering';
    case 'tool':
      return activity.detail === null ? `Working · ${since}` : `${callWords(activity.detail, 'agent', '')?.words[0] ?? oneLine(activity.detail, 60)} · ${since}`;
    case 'waiting':
      return 'Waiting for you';
    case 'compacting':
      return `Compacting the conversation · ${since}`;
    case 'retrying': {
      const detail = activity.detail === null ? '' : ` (${oneLine(activity.detail, 60)})`;
      if (activity.until === null || activity.until <= now) return `Retrying${detail}`;
      // Of a long wait its end tells more than what is left of it.
      return activity.until - now > LONG_WAIT_MS ? `Retrying at ${clock(activity.until, now)}${detail}` : `Retrying in ${duration(activity.until - now)}${detail}`;
    }
    case 'stalled':
      return `No answer from the model since ${clock(activity.since, now)}`;
  }
}

function stateWord(state: ChatState['state']): string | null {
  const words: Record<ChatState['state'], string | null> = {
    starting: 'Starting', running: 'Working', waiting: 'Waiting for you', idle: null, failed: 'Failed', stopped: 'Stopped', unknown: 'State unknown',
  };
  return words[state];
}

export function deliveryWord(item: Pick<OutboxView, 'delivery' | 'steer'>): string {
  const words: Record<OutboxView['delivery'], string> = {
    pending: item.steer ? 'Steering' : 'Queued', queued: 'Waiting to be sent', sending: 'Sending', failed: 'Not sent',
  };
  return words[item.delivery];
}

export function attachmentLine(file: Attachment): string {
  return file.size === null ? file.name : `${file.name}, ${bytes(file.size)}`;
}

/** Accessible name of a row: who or what, and the first words. */
export function rowLabel(row: Row, agentName: string): string {
  switch (row.kind) {
    case 'prompt':
      return `You: ${oneLine(row.text, 120)}`;
    case 'text':
      return `${agentName}: ${oneLine(row.text.slice(0, 400), 120)}`;
    case 'thinking':
      return `${agentName} thought`;
    case 'tool': {
      const line = toolLine(row);
      const figures = line.added === null ? '' : `, ${line.added} added, ${line.removed ?? 0} removed`;
      return `${line.verb} ${line.subject}${figures}${line.outcome === null ? '' : `, ${line.outcome}`}`;
    }
    case 'permission':
      return `${outcomeLine(row)}: ${row.ask === 'tool' ? toolName(row.tool) : oneLine(row.questions[0]?.text ?? row.title, 120)}`;
    case 'todo':
      return `To-do list: ${row.items.filter((item) => item.status === 'done').length} of ${row.items.length} done`;
    case 'file':
      return `File ${attachmentLine(row.file)}`;
    case 'notice':
      return `${row.level === 'info' ? 'Notice' : row.level === 'warning' ? 'Warning' : 'Error'}: ${oneLine(row.text, 160)}`;
    case 'turn':
      return ['End of turn', ...turnLine(row)].join(', ');
    case 'unknown':
      return `Unknown ${row.source}`;
  }
}
