import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { historyPage } from '../../../src/core/systems/local/claude/pages.ts';
import { answerOf } from '../../../src/core/systems/local/claude/permissions.ts';
import { ClaudeReader } from '../../../src/core/systems/local/claude/reader.ts';
import { list, obj, str } from '../../../src/core/systems/local/claude/wire.ts';

export interface Recorded {
  readonly t: number;
  readonly dir: string;
  readonly line: JsonValue;
}
export interface Replay {
  readonly entries: readonly Entry[];
  /** What the reader told of beside entries. */
  readonly told: readonly string[];
  readonly reader: ClaudeReader;
}

export const folder = '/home/dev/project';
export const wholeSession = '0b1e5c1e-0000-4000-8000-00000000c1a0';
/** Time of a recording in which the wire tells none. */
const fallback = 1_795_192_740_000;

export function recording(name: string): readonly Recorded[] {
  return readFileSync(new URL(`../../fixtures/claude/${name}.jsonl`, import.meta.url), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Recorded);
}

export const transcriptFile = fileURLToPath(new URL(`../../fixtures/claude/config/projects/-home-dev-project/${wholeSession}.jsonl`, import.meta.url));

/** When the recording began: no message was received before the time that it bears (which the agent's own notes may be). */
function startOf(lines: readonly Recorded[]): number {
  const starts = lines.flatMap(({ t, dir, line }) => {
    const at = dir === 'out' && isJsonObject(line) && line['isReplay'] !== true ? Date.parse(str(line, 'timestamp') ?? '') : Number.NaN;
    return Number.isNaN(at) ? [] : [at - t];
  });
  return starts.length === 0 ? fallback : Math.max(...starts);
}

/** Gives a recorded wire to a reader, with what the person sent and answered in it. */
export function replay(lines: readonly Recorded[]): Replay {
  const began = startOf(lines);
  const told: string[] = [];
  const taken = new Set<string>();
  const reader = new ClaudeReader({
    folder,
    events: {
      onTaken: (uuid) => {
        if (!taken.has(uuid)) told.push(`taken ${uuid}`);
        taken.add(uuid);
      },
      onAsk: (ask) => told.push(`asks ${ask.tool}: ${ask.title}`),
      onTurnEnd: (state, error) => told.push(`turn ${state}${error === null ? '' : `: ${error}`}`),
      onTitle: (title) => told.push(`title ${title}`),
      onMode: (mode) => told.push(`mode ${mode}`),
      onLoginFailed: (words) => told.push(`login failed: ${words}`),
      onRefuse: (_id, subtype) => told.push(`refused ${subtype}`),
    },
  });
  let prompts = 0;
  for (const { t, dir, line } of lines) {
    const now = began + t;
    if (dir === 'out' && typeof line === 'string') reader.garbage(line, now);
    else if (dir === 'out') reader.accept(line, now);
    if (!isJsonObject(line)) continue;
    if (dir === 'in' && str(line, 'type') === 'user') {
      prompts += 1;
      send(reader, line, `prompt-${prompts}`, now);
    }
    if (dir === 'in' && str(line, 'type') === 'control_response') answer(reader, obj(line, 'response'), now);
    if (dir === 'in' && str(obj(line, 'request'), 'subtype') === 'interrupt') reader.interrupting();
    if (dir === 'meta' && 'exit' in line) {
      const signal = str(line, 'signal');
      reader.ended(signal === null ? null : { text: `Claude Code ended by ${signal}.`, remedy: 'Send a prompt to resume the session.' }, now);
    }
  }
  return { entries: reader.flush(), told, reader };
}

function send(reader: ClaudeReader, line: JsonObject, fallbackId: string, now: number): void {
  const content = obj(line, 'message')?.['content'];
  const text = typeof content === 'string' ? content : list(obj(line, 'message'), 'content').filter(isJsonObject).map((block) => str(block, 'text') ?? '').filter((one) => one !== '').join('\n');
  const uuid = str(line, 'uuid') ?? fallbackId;
  reader.sent({ text, attachments: [] }, uuid, now);
  reader.written(uuid);
}

function answer(reader: ClaudeReader, response: JsonObject | null, now: number): void {
  const ask = reader.ask(str(response, 'request_id') ?? '');
  const given = obj(response, 'response');
  if (ask === null || given === null) return;
  const answers = obj(obj(given, 'updatedInput'), 'answers');
  const chosen = answers === null ? {} : Object.fromEntries(Object.entries(answers).map(([question, value]) => [question, [typeof value === 'string' ? value : '']]));
  const lasting = list(given, 'updatedPermissions').some((one) => isJsonObject(one) && str(one, 'destination') === 'localSettings');
  const outcome = str(given, 'behavior') === 'deny' ? 'deny' : answers !== null ? 'answer' : !('updatedPermissions' in given) ? 'allow' : lasting ? 'allow-always' : 'allow-session';
  reader.answered(ask.requestId, answerOf(ask, { outcome, answers: chosen, reason: str(given, 'message') ?? '' }), now);
}

/** Entries of the recorded transcript, read by pages of that size. */
export async function transcriptEntries(limit: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  let cursor: string | undefined;
  do {
    const page = await historyPage(transcriptFile, folder, { limit, ...(cursor === undefined ? {} : { cursor }) }, true);
    entries.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return entries;
}

/** What both sides tell of a row. Permissions and what happened on the way (retries, silence) are the wire's alone. */
export function told(rows: readonly Row[]): unknown[] {
  return rows.filter((row) => row.kind !== 'permission' && !(row.kind === 'notice' && row.code === 'retrying')).map((row) => {
    if (row.kind === 'tool') return [row.key, row.kind, row.turn, row.name, row.title, row.command, row.status, row.output, row.diffs, row.exitCode, told(row.children)];
    if (row.kind === 'turn') return [row.key, row.kind, row.state, row.filesChanged, row.error];
    if (row.kind === 'text' || row.kind === 'thinking' || row.kind === 'prompt') return [row.key, row.kind, row.turn, row.text];
    if (row.kind === 'notice') return [row.key, row.kind, row.level, row.code, row.text, row.remedy];
    if (row.kind === 'todo') return [row.key, row.kind, row.turn, row.items];
    return [row.key, row.kind];
  });
}
