import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Entry } from '../../core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { canonicalJson, isJsonObject } from '../../core/model/json.ts';
import type { CollectorEvent } from '../../core/systems/catsyphon/events.ts';
import { fromEntries, startEvent } from '../../core/systems/catsyphon/fromEntries.ts';
import { historyPage } from '../../core/systems/local/claude/pages.ts';
import { RolloutLog } from '../../core/systems/local/codex/rollout.ts';
import type { OffsetLine } from '../../core/systems/local/codex/rolloutFiles.ts';
import { linesForward, openRollout } from '../../core/systems/local/codex/rolloutFiles.ts';

/** An event of a file, and where it stands there: the line of a file of events, the number of the event of a transcript. */
export interface FiledEvent {
  readonly at: number;
  readonly event: CollectorEvent;
}
interface Shipment {
  readonly format: 'events' | 'claude' | 'codex';
  readonly events: AsyncIterable<FiledEvent>;
}
/** A line of a file. */
interface Line {
  readonly value: JsonValue;
  /** 1-based. */
  readonly number: number;
}

/** Lines at the beginning of a file among which its kind shows. */
const LOOK = 50;
/** Bytes of a file's beginning that are read for that. */
const CHUNK = 256 * 1024;

/**
 * What a file ships: JSON lines of events, or a transcript as Claude Code or Codex leave it on disk (packed ones, `.zst`, too). Nothing that was left open in a transcript is taken for ended: its
 * agent may be at it still. Rejects with `transcript_missing`, `unknown_format`.
 */
export async function readShipment(file: string, session: string): Promise<Shipment> {
  const first: JsonObject[] = [];
  for await (const { value } of linesOf(file, CHUNK)) {
    if (isJsonObject(value)) first.push(value);
    if (first.length >= LOOK) break;
  }
  const meta = first.find((line) => line['type'] === 'session_meta' && isJsonObject(line['payload']));
  if (meta !== undefined) return { format: 'codex', events: codexEvents(file, session, isJsonObject(meta['payload']) ? meta['payload'] : {}) };
  if (first.some((line) => typeof line['sessionId'] === 'string' && typeof line['type'] === 'string')) return { format: 'claude', events: claudeEvents(file, session, first) };
  if (first.some((line) => typeof line['type'] === 'string' && isJsonObject(line['data']))) return { format: 'events', events: ownEvents(file, session) };
  throw new PilothouseError('unknown_format', 'The file holds neither JSON lines of events ({"type", "data"}) nor a transcript of Claude Code or Codex.', { personMustAct: true });
}

async function* claudeEvents(file: string, session: string, first: readonly JsonObject[]): AsyncGenerator<FiledEvent> {
  const told = (name: string): string | undefined => first.map((line) => line[name]).find((value) => typeof value === 'string' && value !== '') as string | undefined;
  const workingDirectory = told('cwd');
  const { items } = await historyPage(file, workingDirectory ?? '/', { limit: Number.MAX_SAFE_INTEGER }, false);
  yield* shipped(items, { key: session, agentType: 'claude-code', agentVersion: told('version'), workingDirectory, gitBranch: told('gitBranch') });
}

async function* codexEvents(file: string, session: string, meta: JsonObject): AsyncGenerator<FiledEvent> {
  const git = isJsonObject(meta['git']) ? meta['git'] : {};
  const told = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
  const from = meta['subagent_history_start_ordinal'];
  const log = new RolloutLog({ paginated: meta['history_mode'] === 'paginated', ...(typeof from === 'number' ? { from } : {}) });
  const entries: Entry[] = [];
  for await (const lines of rawLines(file)) for (const { line, offset } of lines) entries.push(...log.push(line, offset));
  yield* shipped(entries, { key: session, agentType: 'codex', agentVersion: told(meta['cli_version']), workingDirectory: told(meta['cwd']), gitBranch: told(git['branch']) });
}

function* shipped(entries: readonly Entry[], session: Parameters<typeof startEvent>[0]): Generator<FiledEvent> {
  const events = fromEntries(session, entries);
  const { emittedAt } = events[0] ?? {};
  if (typeof emittedAt !== 'number') return;
  yield { at: 0, event: startEvent(session, emittedAt) };
  for (const [index, event] of events.entries()) yield { at: index + 1, event };
}

/** Lines that are no events come along as they are, so that whoever sends them says so. */
async function* ownEvents(file: string, session: string): AsyncGenerator<FiledEvent> {
  for await (const { value, number } of linesOf(file)) {
    const given = isJsonObject(value) ? value : {};
    const { type, data, emittedAt = given['emitted_at'], observedAt = given['observed_at'], eventHash = given['event_hash'] } = given;
    // An event without a time of its own is known again by its place, so that the file can be shipped twice.
    const place = emittedAt === undefined && eventHash === undefined ? createHash('sha256').update(`${session}\n${number}\n${canonicalJson(value)}`).digest('hex').slice(0, 32) : undefined;
    yield { at: number, event: { type, data, emittedAt, observedAt, eventHash: eventHash ?? place } as CollectorEvent };
  }
}

/** The lines of a file that hold something, each as JSON (null where it is none); with `most`, those that begin within so many bytes. */
async function* linesOf(file: string, most = Infinity): AsyncGenerator<Line> {
  let [number, next] = [0, 0];
  for await (const lines of rawLines(file, Math.min(most, 1024 * 1024))) {
    for (const { line, offset } of lines) {
      // Lines without anything are passed over; each is one byte.
      number += 1 + Math.max(0, offset - next);
      next = offset + Buffer.byteLength(line) + 1;
      if (line.trim() !== '') yield { value: jsonOf(line), number };
    }
    if (next > most) return;
  }
}

async function* rawLines(file: string, chunk?: number): AsyncGenerator<readonly OffsetLine[]> {
  const facts = await stat(file).catch(() => null);
  if (facts?.isFile() !== true) throw new PilothouseError('transcript_missing', 'There is no such file.', { personMustAct: true });
  const source = await openRollout({ id: '', path: file, archived: false, packed: file.endsWith('.zst'), size: facts.size, changedAt: Math.round(facts.mtimeMs) });
  try {
    yield* linesForward(source, 0, chunk);
  } finally {
    await source.close();
  }
}

function jsonOf(line: string): JsonValue {
  try {
    return JSON.parse(line) as JsonValue;
  } catch {
    return null;
  }
}
