import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { entryFromJson } from '../../../src/core/session/normalise.ts';
import { agentStateEntries, controlsOf, flavourOf, isHidden, localSessionOf, machineOf, normaliseMessage, openAsks, plainContext, SessionNormaliser, sessionOf } from '../../../src/core/systems/happy/normalise/index.ts';
import { runs } from '../session/properties.ts';
import { readRecording, recordings } from './normaliseRecording.ts';

const json = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;
const recorded = recordings.flatMap((name) => readRecording(name).messages);
const contents = recorded.flatMap((one) => (one.content === undefined ? [] : [one.content]));
const wordsOfWire = ['role', 'content', 'type', 'data', 'ev', 't', 'text', 'session', 'agent', 'user', 'output', 'acp', 'codex', 'event', 'message', 'tool-call-start', 'tool-call-end', 'turn-end', 'call', 'args', 'assistant', 'tool_result', 'requests', 'completedRequests', '__proto__', 'constructor'];

/** A recorded value with one of its parts, anywhere in it, replaced. */
function withPart(value: JsonValue, path: number, part: JsonValue): JsonValue {
  if (path <= 0) return part;
  if (Array.isArray(value) && value.length > 0) return (value as readonly JsonValue[]).map((one, index) => (index === path % value.length ? withPart(one, Math.floor(path / 2) - 1, part) : one));
  if (isJsonObject(value) && Object.keys(value).length > 0) {
    const keys = Object.keys(value);
    const chosen = keys[path % keys.length] ?? '';
    return { ...value, [chosen]: withPart(value[chosen] ?? null, Math.floor(path / 2) - 1, part) };
  }
  return part;
}
const bent = fc.tuple(fc.constantFrom(...contents), fc.integer({ min: 0, max: 400 }), fc.oneof(json, fc.constantFrom(...wordsOfWire))).map(([value, path, part]) => withPart(value, path, part));
const wordy = fc.object({ key: fc.constantFrom(...wordsOfWire), values: [fc.constantFrom(...wordsOfWire), fc.string(), fc.integer(), fc.constant(null)], maxDepth: 5 }) as fc.Arbitrary<JsonValue>;

const input = (content: JsonValue, seq: number, createdAt: number) => ({ id: `m${seq}`, seq, localId: null, createdAt, content });
function assertSound(entries: readonly Entry[]): void {
  for (const entry of entries) assert.equal(entryFromJson(entry as unknown as JsonValue), entry, `no sound entry: ${JSON.stringify(entry)}`);
}

describe('P6: the normaliser is total', () => {
  it('any JSON gives a row', () => {
    fc.assert(
      fc.property(fc.oneof(json, wordy), fc.oneof(fc.integer(), fc.double()), (content, createdAt) => {
        const entries = normaliseMessage(input(content, 1, createdAt), plainContext);
        assertSound(entries);
        // What a known shape shows nothing of is not any JSON: it has a role.
        assert.ok(entries.some((entry) => entry.row !== null) || (isJsonObject(content) && typeof content['role'] === 'string'));
      }),
      { numRuns: runs(5_000, 100_000) },
    );
  }, 600_000);

  it('recorded messages with any part replaced give sound entries, alone and together', () => {
    fc.assert(
      fc.property(fc.array(bent, { minLength: 1, maxLength: 6 }), (list) => {
        const log = new SessionNormaliser({ ...plainContext, folder: '/home/dev/work/p2', agent: 'claude', sentFrom: 'lab' });
        assertSound(log.messages(list.map((content, index) => input(content, index + 1, 1_800_000_000_000 + index))));
      }),
      { numRuns: runs(3_000, 50_000) },
    );
  }, 600_000);

  it('no text of a known place is dropped', () => {
    const marker = 'MARKER 7f3a';
    const shapes = [
      (text: string) => ({ role: 'user', content: { type: 'text', text } }), (text: string) => ({ role: 'session', content: { id: 'e', time: 1, role: 'agent', ev: { t: 'text', text } } }),
      (text: string) => ({ role: 'session', content: { id: 'e', time: 1, role: 'user', ev: { t: 'text', text } } }), (text: string) => ({ role: 'session', content: { id: 'e', time: 1, role: 'agent', turn: 't', ev: { t: 'service', text } } }),
      (text: string) => ({ role: 'session', content: { id: 'e', time: 1, role: 'agent', turn: 't', ev: { t: 'tool-call-start', call: 'c', name: 'X', args: { deep: [{ text }] } } } }),
      (text: string) => ({ role: 'agent', content: { type: 'output', data: { type: 'assistant', message: { content: [{ type: 'odd' }, { type: 'thinking', thinking: text }] } } } }),
      (text: string) => ({ role: 'agent', content: { type: 'output', data: { type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: 'c', content: [{ type: 'text', text }, { odd: text }] }] } } } }),
      (text: string) => ({ role: 'agent', content: { type: 'output', data: { type: 'result', result: text } } }), (text: string) => ({ role: 'agent', content: { type: 'acp', provider: 'x', data: { type: 'terminal-output', callId: 'c', data: text } } }),
      (text: string) => ({ role: 'agent', content: { type: 'codex', data: { type: 'reasoning', message: text } } }), (text: string) => ({ role: 'agent', content: { type: 'event', id: 'e', data: { type: 'message', message: text } } }),
      (text: string) => ({ role: 'agent', content: { type: 'acp', provider: 'x', data: { type: 'what', said: text } } }), (text: string) => ({ role: 'robot', words: [text] }),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...shapes), fc.string(), fc.string(), (shape, before, after) => {
        const shown = JSON.stringify(normaliseMessage(input(shape(`${before}${marker}${after}`), 1, 1), plainContext));
        assert.ok(shown.includes(marker), shown);
      }),
      { numRuns: runs(2_000, 20_000) },
    );
  });

  it('any agentState, metadata and daemon state give entries, sessions, machines and controls', () => {
    const row = { id: 's', createdAt: 1, updatedAt: 2, active: true, activeAt: 3 };
    const presence = { connectedAt: 0, heardAt: 5, thinking: null };
    const states = recordings.flatMap((name) => readRecording(name).states.map((state) => state.agentState));
    const any = fc.oneof(json, wordy, fc.tuple(fc.constantFrom(...states), fc.integer({ min: 0, max: 400 }), json).map(([value, path, part]) => withPart(value, path, part)));
    fc.assert(
      fc.property(any, any, fc.integer({ min: 0, max: 1e6 }), (one, other, version) => {
        assertSound(agentStateEntries(one, version, plainContext).entries);
        const log = new SessionNormaliser(plainContext);
        assertSound([...log.agentState(one, 1), ...log.agentState(other, 2), ...log.messages([])]);
        const session = sessionOf({ connectionId: 'c', row, metadata: other, agentState: one, presence, now: 6 });
        assert.ok(session.title !== '' && session.id === 's');
        assert.equal(machineOf({ connectionId: 'c', row, metadata: one, daemonState: other, presence, now: 6 }).id, 's');
        assert.ok(controlsOf(one, flavourOf(one)).commands.length >= 0 && typeof isHidden(one) === 'boolean' && localSessionOf(one) !== undefined && openAsks(one).length >= 0);
      }),
      { numRuns: runs(2_000, 20_000) },
    );
  }, 600_000);
});
