import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { soundEntry } from '../../../src/core/session/normalise.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { SessionLog } from '../../../src/core/systems/local/acp/normalise.ts';
import { ClaudeReader } from '../../../src/core/systems/local/claude/reader.ts';
import { TranscriptReader } from '../../../src/core/systems/local/claude/transcript.ts';
import { ThreadLog } from '../../../src/core/systems/local/codex/normalise.ts';
import { RolloutLog } from '../../../src/core/systems/local/codex/rollout.ts';
import { readRecording } from '../local/acpRecording.ts';
import { recording, transcriptFile } from '../local/claudeRecording.ts';
import { messagesOf } from '../local/codexRecording.ts';
import { runs } from './properties.ts';

/** A normaliser as messages in, entries out, and recorded sessions of messages for it. */
interface Normaliser {
  readonly play: (messages: readonly JsonValue[]) => readonly Entry[];
  readonly recorded: readonly (readonly JsonValue[])[];
  /** A message that holds this value and is of no known kind. */
  readonly strange: (value: JsonValue) => JsonValue;
}

const T0 = 1_800_000_000_000;
const linesOf = (url: URL | string): JsonValue[] => readFileSync(url, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as JsonValue);
const field = (value: JsonValue, name: string): JsonValue => (isJsonObject(value) ? (value[name] ?? null) : null);
const object = (value: JsonValue): JsonObject => (isJsonObject(value) ? value : {});
const method = (value: JsonValue): string => {
  const named = field(value, 'method');
  return typeof named === 'string' ? named : '';
};

const silent = { onTaken: () => undefined, onAsk: () => undefined, onTurnEnd: () => undefined, onTitle: () => undefined, onMode: () => undefined, onLoginFailed: () => undefined, onRefuse: () => undefined };

const claude: Normaliser = {
  play(messages) {
    const reader = new ClaudeReader({ folder: '/w', events: silent });
    messages.forEach((message, index) => reader.accept(message, T0 + index));
    reader.ended(null, T0 + messages.length);
    return reader.flush();
  },
  recorded: ['whole-wire', 'permissions', 'interrupt', 'multiturn', 'compat-1.0.123', 'err-529-then-ok'].map((name) => recording(name).flatMap(({ dir, line }) => (dir === 'out' ? [line] : []))),
  strange: (value) => value,
};

const acp: Normaliser = {
  play(messages) {
    const log = new SessionLog({ scope: 'run:test' });
    const entries = log.beginTurn({ clientId: 'p1', text: 'go', attachments: [] }, T0);
    messages.forEach((message, index) => {
      const now = T0 + 1 + index;
      if (method(message) === 'session/request_permission') entries.push(...log.asked(object(field(message, 'params')), now).entries);
      else entries.push(...log.update(field(field(message, 'params'), 'update'), now));
    });
    return [...entries, ...log.endTurn({ state: 'completed', error: null, figures: null, openTools: 'ok' }, T0 + 1 + messages.length)];
  },
  recorded: ['claude', 'codex', 'cancel-claude', 'cancel-codex', 'claude-load', 'codex-load'].map((name) => readRecording(name)
    .flatMap(({ dir, line }) => (dir === 'out' && (line['method'] === 'session/update' || line['method'] === 'session/request_permission') ? [line] : []))),
  strange: (value) => ({ method: 'session/update', params: { update: value } }),
};

const codex: Normaliser = {
  play(messages) {
    const log = new ThreadLog({ scope: 'test' });
    return messages.flatMap((message, index) => log.notification(method(message), field(message, 'params'), T0 + index));
  },
  recorded: ['appserver', 'codemode', 'noauth', 'compat-0.73.0', 'compat-0.169.0', 'wire-paginated'].map((name) => messagesOf(name).map(({ method: of, params }) => ({ method: of, params }))),
  strange: (value) => ({ method: 'item/hologram/shone', params: value }),
};

const claudeDisk: Omit<Normaliser, 'strange'> = {
  play(lines) {
    const reader = new TranscriptReader({ folder: '/w' });
    lines.forEach((line, index) => {
      if (isJsonObject(line)) reader.line(line, index * 100, index * 100 + 100);
    });
    reader.finish(true);
    return reader.flush();
  },
  recorded: [linesOf(transcriptFile)],
};

const codexDisk: Omit<Normaliser, 'strange'> = {
  play(lines) {
    const log = new RolloutLog({ paginated: field(field(lines[0] ?? null, 'payload'), 'history_mode') === 'paginated' });
    return [...lines.flatMap((line, index) => log.push(JSON.stringify(line), index * 100)), ...log.finish()];
  },
  recorded: ['rollout-paginated', 'rollout-legacy'].map((name) => linesOf(new URL(`../../fixtures/codex/${name}.jsonl`, import.meta.url))),
};

/** Any JSON as a wire brings it. */
const anyJson = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as JsonValue);

/** Every text within a value. */
function texts(value: JsonValue): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value as JsonObject).flatMap(texts) : [];
}

/** The value with what `change` makes of its values, from the outermost inwards. */
function changed(value: JsonValue, change: (value: JsonValue) => JsonValue): JsonValue {
  const own = change(value);
  if (own !== value) return own;
  if (Array.isArray(value)) return value.map((one: JsonValue) => changed(one, change));
  return isJsonObject(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, changed(one, change)])) : value;
}

function sizeOf(value: JsonValue): number {
  return 1 + (typeof value === 'object' && value !== null ? Object.values(value as JsonObject).reduce<number>((sum, one) => sum + sizeOf(one), 0) : 0);
}

/** Some messages of a recorded session in a row. */
function stretches({ recorded }: Pick<Normaliser, 'recorded'>, length: number): fc.Arbitrary<readonly JsonValue[]> {
  return fc.record({ session: fc.nat(recorded.length - 1), at: fc.nat(), size: fc.integer({ min: 1, max: length }) }).map(({ session, at, size }) => {
    const messages = recorded[session] ?? [];
    const start = at % Math.max(1, messages.length);
    return messages.slice(start, start + size);
  }).filter((messages) => messages.length > 0);
}

/** Recorded messages of which one has another value somewhere. */
function spoiled(normaliser: Pick<Normaliser, 'recorded'>): fc.Arbitrary<readonly JsonValue[]> {
  return fc.record({ messages: stretches(normaliser, 6), which: fc.nat(), spot: fc.nat(), other: anyJson }).map(({ messages, which, spot, other }) => {
    const index = which % messages.length;
    let left = spot % sizeOf(messages[index] ?? null);
    return messages.map((message, at) => {
      if (at !== index) return message;
      return changed(message, (value) => {
        left -= 1;
        return left === -1 ? other : value;
      });
    });
  });
}

function assertSound(entries: readonly Entry[]): void {
  for (const entry of entries) {
    assert.equal(soundEntry(entry), entry, `a ${entry.kind} entry is sound as it comes`);
    assert.deepEqual(JSON.parse(JSON.stringify(entry)), { ...entry }, 'JSON carries it');
  }
  viewOf(entries);
}

const patience = 900_000;

describe.each([['claude', claude], ['codex', codex], ['acp', acp]] as const)('P6, %s: any JSON', (_, normaliser) => {
  it('gives a row in which all of its text is, or spoils nothing but its own place in a recorded wire', () => {
    const strange = anyJson.map((value) => ({ value, messages: [normaliser.strange(value)] }));
    const near = spoiled(normaliser).map((messages) => ({ value: null, messages }));
    fc.assert(fc.property(fc.oneof(strange, near), ({ value, messages }) => {
      const entries = normaliser.play(messages);
      assertSound(entries);
      if (value === null) return;
      const view = JSON.stringify(viewOf(entries));
      for (const text of texts(value)) assert.ok(view.includes(JSON.stringify(text).slice(1, -1)), 'no text is lost');
      assert.ok(viewOf(entries).some((row) => row.kind === 'unknown'), 'it has a row');
    }), { numRuns: runs(1_000, 100_000) });
  }, patience);
});

describe.each([['claude', claudeDisk], ['codex', codexDisk]] as const)('P6, %s on disk: any JSON', (_, normaliser) => {
  it('is a line that spoils nothing but its own place', () => {
    fc.assert(fc.property(fc.oneof(spoiled(normaliser), fc.array(anyJson, { maxLength: 4 })), (lines) => assertSound(normaliser.play(lines))), { numRuns: runs(1_000, 100_000) });
  }, patience);
});

const CANARY = 'a canary sings here';

describe.each([['claude', claude], ['codex', codex], ['acp', acp], ['claude on disk', claudeDisk], ['codex on disk', codexDisk]] as const)('P6, %s: text', (_, normaliser) => {
  it('that stands in place of another that is shown is shown', () => {
    fc.assert(fc.property(stretches(normaliser, 10), fc.nat(), (messages, which) => {
      const wire = JSON.stringify(messages);
      const shown = JSON.stringify(viewOf(normaliser.play(messages)));
      // Sentences that stand there once: one word may be a name that means something, and what begins as JSON is a piece of it.
      const inner = (text: string): string => JSON.stringify(text).slice(1, -1);
      const sentences = [...new Set(messages.flatMap(texts))].filter((text) => text.length > 8 && text.includes(' ') && !/["{]/.test(text) && wire.split(inner(text)).length === 2 && shown.includes(inner(text)));
      const text = sentences[which % Math.max(1, sentences.length)];
      fc.pre(text !== undefined);
      const entries = normaliser.play(messages.map((message) => changed(message, (value) => (value === text ? CANARY : value))));
      assertSound(entries);
      assert.ok(JSON.stringify(viewOf(entries)).includes(CANARY), `${text} was shown`);
    }), { numRuns: runs(250, 5_000), maxSkipsPerRun: 1_000 });
  }, patience);
});
