import { stripVTControlCharacters } from 'node:util';
import type { Attachment, Entry, NoticeEntry, Order, PromptEntry, ResultEntry, ToolEntry, UnknownEntry, UsageFigures } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { inputDiffs, resultDiffs } from './diffs.ts';
import { attachmentOf, contentOf, isToolUse, toolFacts } from './tools.ts';
import type { AssistantLine, Block, ResultFacts, Usage, UserLine } from './wire.ts';
import { num, obj, str } from './wire.ts';

/** Where and when a line stands; what all entries of it share. */
export interface Place {
  /** [milliseconds since the epoch, ordinal within the source]; entries of one line count the ordinal on. */
  readonly order: Order;
  readonly at: number | null;
  readonly turn: string | null;
  readonly parent: string | null;
  readonly rev: number;
}

/**
 * Versions of one thing: what was pieced together when its end never came (a call whose input streams, then the same when it broke off), the transcript on
 * disk, the live wire (which knows more: who asked, our ids). Things that change while they go on (turn ends, usage, notices) count from `revs.live` or
 * `revs.disk` on in milliseconds, so a live one always wins.
 */
export const revs = { partial: 0, streaming: (version: number): number => Math.min(version, 900) / 1000, void: 0.95, disk: 1, live: 2, moment: (at: number, live: boolean): number => (live ? 1e14 : 0) + at } as const;

export const rowOf = {
  prompt: (uuid: string): string => `p:${uuid}`,
  block: (messageId: string, index: number): string => `m:${messageId}:${index}`,
  tool: (callId: string): string => `t:${callId}`,
  ask: (requestId: string): string => `ask:${requestId}`,
  turn: (turn: string): string => `turn:${turn}`,
  notice: (id: string): string => `n:${id}`,
} as const;

/** Id of the prompt that a row shows; '' for other rows. */
export function promptOf(row: string): string {
  return row.startsWith('p:') ? row.slice(2) : '';
}

function nth(place: Place, index: number): Place {
  const [ms = 0, ordinal = 0] = place.order;
  return { ...place, order: [ms, ordinal + index] };
}

/** Index in its message of the `position`-th block of this line. Live: the block that streams; disk: `apiBlockIndex`, else counted. */
type BlockIndex = (line: AssistantLine, position: number) => number;

/** Entries of an assistant message's line. Text, thinking and tool calls have the message id and block index, or the call's id, in both sources. */
export function assistantEntries(line: AssistantLine, place: Place, folder: string, blockIndex: BlockIndex): Entry[] {
  const entries: Entry[] = [];
  for (const [position, block] of line.content.entries()) {
    const own = nth(place, position);
    const index = blockIndex(line, position);
    const row = rowOf.block(line.messageId, index);
    switch (block.type) {
      case 'text': {
        const text = str(block, 'text') ?? '';
        if (line.failure !== null) entries.push(failureNotice(line.failure, text, { ...own, row }));
        else if (line.local) entries.push(commandOutput(text, { ...own, id: line.uuid ?? row }));
        else if (text.trim() !== '' && !(line.model === '<synthetic>' && text === 'No response requested.')) entries.push({ ...own, kind: 'text', id: row, row, text });
        break;
      }
      case 'thinking': {
        const text = str(block, 'thinking') ?? '';
        if (text.trim() !== '') entries.push({ ...own, kind: 'thinking', id: row, row, text });
        break;
      }
      case 'redacted_thinking':
      case 'fallback':
        break;
      default:
        if (isToolUse(block.type)) entries.push(toolEntry(block, own, folder, row));
        else if (block.type.endsWith('_tool_result')) entries.push(serverResult(block, own, row));
        else entries.push(unknownEntry(`claude:${block.type}`, block, { ...own, row }));
    }
  }
  return entries;
}

function toolEntry(block: Block, place: Place, folder: string, fallback: string): ToolEntry {
  const name = str(block, 'name') ?? 'tool';
  const callId = str(block, 'id') ?? fallback;
  const input = obj(block, 'input') ?? {};
  const row = rowOf.tool(callId);
  return { ...place, kind: 'tool', id: row, row, callId, name, input, cwd: folder, diffs: inputDiffs(name, input), ...toolFacts(name, input, folder) };
}

/** The result of a call that came to none: its turn broke off. Anything that tells more takes its place. */
export function cancelledResult(callId: string, place: Place): ResultEntry {
  return { ...place, rev: revs.partial, kind: 'result', id: `r:${callId}`, row: rowOf.tool(callId), callId, status: 'cancelled', output: '', exitCode: null, durationMs: null, diffs: [], attachments: [] };
}

function serverResult(block: Block, place: Place, fallback: string): ResultEntry {
  const callId = str(block, 'tool_use_id') ?? fallback;
  const content = contentOf(block['content']);
  const failed = block['is_error'] === true || (isJsonObject(block['content']) && str(block['content'], 'error_code') !== null);
  return {
    ...place, kind: 'result', id: `r:${callId}`, row: rowOf.tool(callId), callId, status: failed ? 'error' : 'ok', output: content.text, exitCode: null, durationMs: null, diffs: [],
    attachments: content.attachments,
  };
}

/** The end of something that ran in the background. */
export interface TaskEnd {
  readonly taskId: string;
  /** The call that started it, where that is told. */
  readonly callId: string | null;
  readonly state: 'completed' | 'failed' | 'stopped';
  /** One line about it in the agent's words. */
  readonly summary: string;
  /** For a subagent: what it was to do, in a few words, and its report (null where it is not told here). */
  readonly agent: { readonly name: string; readonly report: string | null } | null;
  readonly durationMs: number | null;
}

export function taskState(status: string | null): TaskEnd['state'] {
  if (status === null || status === 'completed') return 'completed';
  return status === 'failed' ? 'failed' : 'stopped';
}

/** What a user line is. */
export type UserKind =
  | { readonly is: 'results' }
  | { readonly is: 'prompt'; readonly text: string; readonly attachments: readonly Attachment[] }
  /** The person (or we) broke the turn off. */
  | { readonly is: 'interrupted' }
  | { readonly is: 'output'; readonly text: string }
  /** Something that ran in the background ended; the agent takes up a turn of its own. */
  | ({ readonly is: 'task' } & TaskEnd)
  /** The agent's own bookkeeping: reminders, caveats, summaries after a compaction. */
  | { readonly is: 'internal' };

const inner = (tag: string, text: string): string | null => new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(text)?.[1]?.trim() ?? null;
const wrapped = /^\s*<(system-reminder|ide_selection|ide_opened_file|local-command-caveat)>[\s\S]*<\/\1>\s*$/;

export function userKind(line: UserLine): UserKind {
  if (line.content.some((block) => block.type === 'tool_result')) return { is: 'results' };
  const texts = line.content.filter((block) => block.type === 'text').map((block) => str(block, 'text') ?? '').filter((text) => !wrapped.test(text));
  const text = texts.join('\n\n');
  if (text.startsWith('[Request interrupted by user')) return { is: 'interrupted' };
  const task = inner('task-notification', text);
  if (task !== null) {
    const summary = inner('summary', task) ?? 'A background task ended.';
    const name = /^Agent "([\s\S]*)" /.exec(summary)?.[1];
    return {
      is: 'task', taskId: inner('task-id', task) ?? line.uuid ?? '', callId: inner('tool-use-id', task), state: taskState(inner('status', task)), summary,
      agent: name === undefined ? null : { name, report: inner('result', task) }, durationMs: Number(inner('duration_ms', task) ?? Number.NaN) || null,
    };
  }
  if (line.hidden || text.startsWith('This session is being continued from a previous conversation') || text.startsWith('Caveat: The messages below were generated')) return { is: 'internal' };
  for (const tag of ['local-command-stdout', 'local-command-stderr', 'bash-stdout']) {
    const output = inner(tag, text);
    if (output !== null) {
      const errors = inner('bash-stderr', text);
      return { is: 'output', text: [output, errors].filter((part) => part !== null && part !== '').join('\n') };
    }
  }
  const command = inner('command-name', text);
  if (command !== null) {
    // The agent writes this one too when a program sets the model; its output says what was set.
    if (command === '/model') return { is: 'internal' };
    return { is: 'prompt', text: `${command} ${inner('command-args', text) ?? ''}`.trim(), attachments: [] };
  }
  const shell = inner('bash-input', text);
  const attachments = line.content.flatMap((block, index) => attachmentOf(block, index) ?? []);
  if (text === '' && attachments.length === 0) return { is: 'internal' };
  return { is: 'prompt', text: shell === null ? text : `!${shell}`, attachments };
}

export function promptEntry(uuid: string, text: string, attachments: readonly Attachment[], clientId: string | null, place: Place): PromptEntry {
  const row = rowOf.prompt(uuid);
  return { ...place, kind: 'prompt', id: row, row, text, attachments, clientId };
}

/** Calls that this line says to go on in the background: what it says of them is for the model, and their result comes later. */
export function launchedCalls(line: UserLine): readonly string[] {
  return line.content.filter((block) => block.type === 'tool_result').map((block) => str(block, 'tool_use_id') ?? '').filter((callId) => isLaunch(line.facts(callId)));
}
function isLaunch(facts: ResultFacts): boolean {
  return isJsonObject(facts.detail) && facts.detail['status'] === 'async_launched';
}

/** Results of tools. `denied` tells of calls that we know the person to have denied (1.0 does not say so itself). */
export function resultEntries(line: UserLine, place: Place, denied: (callId: string) => boolean = () => false): ResultEntry[] {
  return line.content.filter((block) => block.type === 'tool_result').flatMap((block, index) => {
    const callId = str(block, 'tool_use_id') ?? `${line.uuid ?? 'result'}:${index}`;
    const facts = line.facts(callId);
    if (isLaunch(facts)) return [];
    const detail = isJsonObject(facts.detail) ? facts.detail : null;
    // A subagent's report, without what the agent wraps around it for the model.
    const report = detail !== null && Array.isArray(detail['content']) && 'totalDurationMs' in detail ? detail['content'] : null;
    const content = contentOf(report ?? block['content']);
    const output = cleanOutput(report === null ? handedBack(content.text) : content.text.replace(/<tools-used-before-summary>[\s\S]*?<\/tools-used-before-summary>\s*/g, ''));
    const status = resultStatus(block['is_error'] === true, facts, content.text, denied(callId));
    const exit = /^Exit code (\d+)/.exec(output)?.[1];
    return [{
      ...nth(place, index), kind: 'result' as const, id: `r:${callId}`, row: rowOf.tool(callId), callId, status, output,
      exitCode: exit !== undefined ? Number(exit) : detail !== null && 'stdout' in detail && status === 'ok' && !('backgroundTaskId' in detail) ? 0 : null,
      durationMs: num(detail, 'totalDurationMs') ?? num(detail, 'durationMs'),
      diffs: status === 'ok' ? resultDiffs(facts.detail) : [], attachments: content.attachments,
    }];
  });
}

function resultStatus(failed: boolean, facts: ResultFacts, words: string, denied: boolean): ResultEntry['status'] {
  const detail = isJsonObject(facts.detail) ? facts.detail : null;
  if (detail?.['interrupted'] === true || /stopped while running|\[Request interrupted by user/.test(words)) return 'cancelled';
  if (denied || facts.refusal === 'user-rejected' || facts.refusal === 'permission-rule') return 'denied';
  return failed ? 'error' : 'ok';
}

/** What the agent adds to outputs for the model: a person reads it off the status. */
const forTheModel = [
  /\n*<system-reminder>[\s\S]*?<\/system-reminder>\n*$/g, / \(file state is current in your context[^)]*\)$/, /^\(Bash completed with no output\)$/,
  /^The user doesn't want to proceed with this tool use\.[\s\S]*?(?:wait for the user to tell you how to proceed\.|To tell you how to proceed, the user said:\n)/,
  /^ Correction to the text above: this call was stopped while running[\s\S]*$/,
];

/** A subagent's report without the frame that the agent puts around it for the model: each of its lines stands two characters in. */
function handedBack(text: string): string {
  const framed = /(?:^|\n)\[Subagent hand-back\][^\n]*\n((?:(?: {2}[^\n]*)?(?:\n|$))*)/.exec(text)?.[1];
  return framed === undefined ? text : framed.replace(/^ {2}/gm, '').trimEnd();
}

function cleanOutput(text: string): string {
  let clean = /^<tool_use_error>([\s\S]*)<\/tool_use_error>$/.exec(text)?.[1] ?? text;
  for (const pattern of forTheModel) clean = clean.replace(pattern, '');
  return stripVTControlCharacters(clean);
}

export function commandOutput(text: string, place: Place & { readonly id: string }): NoticeEntry {
  const { id, ...rest } = place;
  const row = rowOf.notice(id);
  return { ...rest, kind: 'notice', id: row, row, level: 'info', code: 'command_output', text: stripVTControlCharacters(text).trim(), remedy: null };
}

const endWords: Readonly<Record<TaskEnd['state'], string>> = { completed: 'finished', failed: 'failed', stopped: 'was stopped' };
const endStatus: Readonly<Record<TaskEnd['state'], ResultEntry['status']>> = { completed: 'ok', failed: 'error', stopped: 'cancelled' };

/** A notice of the end, and for a subagent the result of its call. One may end several times, when it is spoken to again: the last end holds. */
export function taskEntries(task: TaskEnd, place: Place): Entry[] {
  const row = rowOf.notice(`task:${task.taskId}`);
  // It stands between turns, or in one that it has nothing to do with.
  const shared = { ...place, turn: null };
  const text = task.agent === null ? task.summary : `Agent "${task.agent.name}" ${endWords[task.state]}`;
  const notice: NoticeEntry = { ...shared, kind: 'notice', id: row, row, level: task.state === 'completed' ? 'info' : 'warning', code: 'task_finished', text, remedy: null };
  if (task.agent === null || task.callId === null) return [notice];
  const { callId, agent: { report } } = task;
  const later = (place.order[1] ?? 0) / 1e12;
  return [notice, {
    ...shared, rev: report === null ? revs.void : place.rev + later, kind: 'result', id: `r:${callId}`, row: rowOf.tool(callId), callId, status: endStatus[task.state], output: report ?? '',
    exitCode: null, durationMs: task.durationMs, diffs: [], attachments: [],
  }];
}

const loginRemedy = 'Run `claude auth login` in a terminal (or `claude`, then `/login`), then send again.';

/** A failure in the agent's own words. */
function failureNotice(failure: string, text: string, place: Place & { readonly row: string }): NoticeEntry {
  const login = failure === 'authentication_failed' || failure === 'oauth_org_not_allowed';
  const code = login ? 'login_failed' : failure === 'unknown' ? 'api_error' : failure;
  return { ...place, kind: 'notice', id: place.row, level: 'error', code, text, remedy: login ? loginRemedy : null };
}

export function compactedNotice(uuid: string, before: number | null, after: number | null, place: Place): NoticeEntry {
  const row = rowOf.notice(uuid);
  const sizes = before === null ? '' : after === null ? ` It held ${before} tokens.` : ` ${before} tokens became ${after}.`;
  return { ...place, kind: 'notice', id: row, row, level: 'info', code: 'compacted', text: `The conversation was compacted.${sizes}`, remedy: null };
}

/** Wire content that is not known, whole. `place.row` doubles as its identity. */
export function unknownEntry(source: string, raw: JsonValue, place: Place & { readonly row: string }): UnknownEntry {
  return { ...place, kind: 'unknown', id: place.row, source, raw };
}

export const noFigures: UsageFigures = { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: null, contextTokens: null, contextWindow: null };

/** All input tokens of a request, cached ones included; null where the agent tells nothing. */
export function inputOf(usage: Usage | null): number | null {
  if (usage === null || (usage.input_tokens === null && usage.cache_read_input_tokens === null)) return null;
  return (usage.input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);
}
