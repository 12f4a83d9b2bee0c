import type { CallOptions } from '../../../model/backend.ts';
import type { ResultEntry } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { HappyAccount } from '../account.ts';
import { HappyError } from '../errors.ts';
import { bool, list, num, obj, objects, said, str } from '../normalise/read.ts';
import type { LocalSession } from '../normalise/index.ts';
import { resultEntry } from '../normalise/calls.ts';
import { revs, rowOf } from '../normalise/place.ts';
import type { MachineRow } from '../wire/bodies.ts';
import { quoted, requireShell, runOn } from './machine.ts';

/** Characters of a result's line that are fetched: under the limit of one frame. */
const MOST = 400_000;
const plainId = /^[\w.:-]{1,200}$/;

/** The output of a call as the agent's own transcript on its machine has it. */
interface ToldOutput {
  readonly output: string;
  readonly failed: boolean;
  readonly exitCode: number | null;
  /** True where the transcript has more than was fetched. */
  readonly cut: boolean;
}

/**
 * Reads the output of one call from the agent's own transcript on its machine: the relay carries none (happy.md A, "Agent output"). One command finds the file by the agent's session
 * id and the line by the call's id, and gives it up to its limit. Rejects with `output_not_found`, and as `requireShell` and `runOn` do.
 */
export async function fetchOutput(account: HappyAccount, machine: MachineRow, session: LocalSession, callId: string, options: CallOptions): Promise<ToldOutput> {
  requireShell(account, machine);
  // A call of Codex is named by its thread too.
  const call = callId.includes(':') && session.agent === 'codex' ? callId.slice(callId.lastIndexOf(':') + 1) : callId;
  if (!plainId.test(call) || !plainId.test(session.id)) throw notFound();
  const pattern = session.agent === 'claude' ? `"tool_use_id":"${call}"` : `"call_id":"${call}"`;
  const root = session.agent === 'claude' ? '"${CLAUDE_CONFIG_DIR:-$HOME/.claude}/projects"' : '"${CODEX_HOME:-$HOME/.codex}/sessions"';
  const name = session.agent === 'claude' ? `${session.id}.jsonl` : `*${session.id}*.jsonl`;
  const filter = session.agent === 'claude' ? '' : ` | grep -F '_output"'`;
  // A subagent's calls stand in files beside the session's own.
  const files = session.agent === 'claude' ? `find ${root} \\( -name ${quoted(name)} -o -path ${quoted(`*/${session.id}/*.jsonl`)} \\) -type f` : `find ${root} -name ${quoted(name)} -type f`;
  const found = await runOn(account, machine, `${files} -exec grep -hF ${quoted(pattern)} {} +${filter} | head -n 1 | head -c ${MOST} | base64 || true`, options);
  const line = Buffer.from(found, 'base64').toString('utf8');
  const told = session.agent === 'claude' ? claudeOutput(line, call) : codexOutput(line);
  if (told === null) throw notFound();
  return told;
}

function notFound(): HappyError {
  return new HappyError('output_not_found', 'The agent’s transcript on that machine has no output of this call. It may still run, or the transcript was removed.');
}

/** The call's result as a version above what the relay told of it. It stands where its call does: later than anything is later than that. */
export function outputEntry(callId: string, told: ToldOutput): ResultEntry {
  return resultEntry(rowOf.call(callId), callId, { order: [8.64e15, 0, 0], at: null, turn: null, parent: null }, {
    status: told.failed ? 'error' : 'ok', rev: revs.result.told, output: told.cut ? `${told.output}\n… (more on the machine)` : told.output, exitCode: told.exitCode,
  });
}

/** A `tool_result` of Claude's transcript: its line, or the beginning of it where it was cut. */
function claudeOutput(line: string, callId: string): ToldOutput | null {
  const whole = parsed(line);
  const blocks = objects(obj(whole ?? mended(line) ?? undefined, 'message'), 'content');
  const [only] = blocks;
  // Behind a cut the call's id may be missing; where the line is of one result, it is that of the call for which the line was found.
  const block = blocks.find((one) => str(one, 'tool_use_id') === callId) ?? (whole === null && blocks.length === 1 && only?.['tool_use_id'] === undefined ? only : undefined);
  if (block === undefined || (whole === null && block['content'] === undefined)) return null;
  return { output: textOf(block['content']), failed: bool(block, 'is_error') === true, exitCode: null, cut: whole === null };
}

/** A `function_call_output` or `exec_command_end` of Codex's rollout. */
function codexOutput(line: string): ToldOutput | null {
  const whole = parsed(line);
  const payload = obj(whole ?? mended(line) ?? undefined, 'payload');
  const raw = payload?.['output'];
  if (payload === null || (whole === null && raw === undefined)) return null;
  const inner = typeof raw === 'string' ? (parsed(raw) ?? (whole === null ? mended(raw) : null)) : isJsonObject(raw) ? raw : null;
  const output = inner === null ? textOf(raw) : (str(inner, 'output') ?? textOf(inner['content']));
  const exitCode = num(obj(inner ?? undefined, 'metadata'), 'exit_code') ?? exitOf(output);
  return { output, failed: exitCode !== null && exitCode !== 0, exitCode, cut: whole === null };
}

function exitOf(output: string): number | null {
  const said = /(?:Process exited with code|Exit code:) (\d+)/.exec(output.slice(0, 500))?.[1];
  return said === undefined ? null : Number(said);
}

function parsed(text: string): JsonObject | null {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isJsonObject(value) ? value : null;
  } catch {
    return null;
  }
}

function textOf(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return list({ value }, 'value').map((block) => said(block, 'text') ?? '').filter((text) => text !== '').join('\n');
}

/** The object at the beginning of JSON that was cut off somewhere: what is open is closed there, a key without its value is null. Null where it is no such thing. */
function mended(text: string): JsonObject | null {
  if (!text.startsWith('{')) return null;
  const open: string[] = [];
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '\\' && quoted) at += 1;
    else if (sign === '"') quoted = !quoted;
    else if (quoted) continue;
    else if (sign === '{') open.push('}');
    else if (sign === '[') open.push(']');
    else if (sign === '}' || sign === ']') open.pop();
  }
  const close = open.toReversed().join('');
  // What was cut may end within an escape, or within a number or a word.
  const begun = quoted ? `${text.replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$/, '$1')}"` : text.replace(/[\w.+-]+$/, '').replace(/,\s*$/, '');
  for (const end of ['', 'null', ':null']) {
    const value = parsed(begun + end + close);
    if (value !== null) return value;
  }
  return null;
}
