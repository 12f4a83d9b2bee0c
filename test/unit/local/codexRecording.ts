import { readFileSync } from 'node:fs';
import type { Decision } from '../../../src/core/model/backend.ts';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { RolloutLog } from '../../../src/core/systems/local/codex/rollout.ts';
import { cutLines } from '../../../src/core/systems/local/codex/rolloutFiles.ts';
import { LiveThread } from '../../../src/core/systems/local/codex/thread.ts';
import type { ThreadEvents } from '../../../src/core/systems/local/codex/thread.ts';

/** The bytes of a fixture. */
export function fixture(name: string): Buffer {
  return readFileSync(new URL(`../../fixtures/codex/${name}.jsonl`, import.meta.url));
}

/** Time of a recording in which the wire tells none. */
const fallback = 1_795_193_148_000;

/** The decision behind an answer as it was recorded. */
function decisionOf(result: JsonValue): Decision {
  const fields = isJsonObject(result) ? result : {};
  if (isJsonObject(fields['answers'])) {
    const answers = Object.entries(fields['answers']).map(([id, one]) => [id, isJsonObject(one) && Array.isArray(one['answers']) ? one['answers'].map(String) : []] as const);
    return { outcome: 'answer', answers: Object.fromEntries(answers) };
  }
  const word = fields['decision'];
  if (word === 'decline' || word === 'cancel') return { outcome: 'deny', optionId: word };
  return word === 'acceptForSession' ? { outcome: 'allow-session' } : { outcome: isJsonObject(word) ? 'allow-always' : 'allow' };
}

/** Entries of a recorded wire, with what the person answered in it. */
export async function entriesOfWire(name: string): Promise<Entry[]> {
  const lines = fixture(name).toString('utf8').trim().split('\n').map((line) => JSON.parse(line) as { readonly t: number; readonly dir: string; readonly line: JsonObject });
  const timed = lines.find(({ line }) => typeof line['emittedAtMs'] === 'number');
  const began = timed === undefined ? fallback : Number(timed.line['emittedAtMs']) - timed.t;
  const entries: Entry[] = [];
  let now = began;
  const events: ThreadEvents = { entries: (some) => entries.push(...some), changed: () => undefined, turnBegan: () => undefined, turnEnded: () => undefined, unreachable: () => undefined };
  const clock = { now: () => now, monotonic: () => now, setTimeout: () => ({ cancel: () => undefined }) };
  const thread = new LiveThread({ clock, events, folder: () => '', respond: () => Promise.resolve() });
  const asked = new Map<JsonValue, string>();
  for (const { t, dir, line: message } of lines) {
    const { method, params, id, emittedAtMs } = message;
    now = typeof emittedAtMs === 'number' ? emittedAtMs : began + t;
    const request = asked.get(id ?? null);
    if (dir === 'in' && request !== undefined) await thread.answer(request, decisionOf(message['result'] ?? null));
    if (dir === 'meta' && 'exit' in message) thread.onExit({ code: null, signal: message['signal'] === 'SIGKILL' ? 'SIGKILL' : null, stderrTail: '', expected: message['signal'] !== 'SIGKILL' });
    // What is of no thread goes to the connection.
    if (typeof method !== 'string' || !isJsonObject(params) || typeof params['threadId'] !== 'string') continue;
    if (typeof id === 'number') {
      thread.onRequest(method, params, id);
      asked.set(id, thread.waiting.at(-1)?.requestId ?? '');
    } else thread.onNotification(method, params);
  }
  return entries;
}

/** Entries of a recorded file. */
export function entriesOfFile(name: string): Entry[] {
  const log = new RolloutLog({ paginated: name.includes('paginated') });
  return [...cutLines(fixture(name), 0).flatMap(({ line, offset }) => log.push(line, offset)), ...log.finish()];
}

/** Every value within a fixture's lines, for what must take any JSON. */
export function messagesOf(name: string): readonly { readonly method: string; readonly params: JsonValue; readonly at: number }[] {
  return fixture(name).toString('utf8').trim().split('\n').flatMap((line) => {
    const { line: message } = JSON.parse(line) as { readonly line: JsonValue };
    return isJsonObject(message) && typeof message['method'] === 'string' ? [{ method: message['method'], params: message['params'] ?? null, at: Number(message['emittedAtMs'] ?? fallback) }] : [];
  });
}
