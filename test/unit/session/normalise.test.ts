import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { foldRow } from '../../../src/core/session/fold.ts';
import { Forest } from '../../../src/core/session/forest.ts';
import { entryFromJson, soundEntry } from '../../../src/core/session/normalise.ts';
import { showsRow } from '../../../src/core/session/order.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { runs } from './properties.ts';
import { sessions } from './sessions.ts';

const anyJson = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;

/** Entries in which a field has another value, is gone, or has one more beside it. */
const nearly: fc.Arbitrary<JsonValue> = fc
  .record({ entries: sessions.filter((entries) => entries.length > 0), pick: fc.nat(), field: fc.nat(), value: anyJson, how: fc.constantFrom('set', 'drop', 'add', 'kind') })
  .map(({ entries, pick, field, value, how }) => {
    const entry = JSON.parse(JSON.stringify(entries[pick % entries.length])) as Record<string, JsonValue>;
    const names = Object.keys(entry);
    const name = names[field % names.length] ?? 'id';
    if (how === 'drop') return Object.fromEntries(Object.entries(entry).filter(([key]) => key !== name));
    if (how === 'add') return { ...entry, [`extra${field}`]: value };
    return { ...entry, [how === 'kind' ? 'kind' : name]: value };
  });

/** Every text within a value. */
function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(texts);
}

function holdsFor(value: JsonValue): void {
  const entry = entryFromJson(value);
  assert.equal(soundEntry(entry), entry, 'what came out goes through unchanged');
  assert.deepEqual(JSON.parse(JSON.stringify(entry)), JSON.parse(JSON.stringify({ ...entry })), 'JSON can carry it');
  const kept = JSON.stringify(entry);
  for (const text of texts(value)) assert.ok(kept.includes(JSON.stringify(text).slice(1, -1)), 'no text is lost');
  if (entry.kind === 'unknown' && !(isJsonObject(value) && value['kind'] === 'unknown')) {
    assert.ok(entry.row !== null, 'what is no entry has a row');
    assert.deepEqual(entry.raw, value, 'what is no entry is kept whole');
  }
  const rows = viewOf([entry]);
  assert.equal(rows.length, entry.row !== null && showsRow(entry) ? 1 : 0, 'a row or, for what shows none, nothing');
  const forest = new Forest();
  forest.apply([entry]);
  assert.deepEqual(forest.tops.map((top) => top.row), rows, 'live as well');
}

describe('P6: any JSON gives a row', () => {
  it('any JSON at all', () => {
    fc.assert(fc.property(anyJson, holdsFor), { numRuns: runs(1_000, 50_000) });
  }, 600_000);

  it('JSON that is nearly an entry', () => {
    fc.assert(fc.property(nearly, holdsFor), { numRuns: runs(1_000, 50_000) });
  }, 600_000);

  it('folding never throws, whatever stands among the entries', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anyJson, nearly), { maxLength: 6 }), (values) => {
        foldRow('row', values as unknown as Entry[], []);
      }),
      { numRuns: runs(500, 5_000) },
    );
  }, 600_000);
});

describe('entryFromJson', () => {
  const notice: Entry = { kind: 'notice', id: 'n', row: 'n', order: [1], rev: 0, at: 5, turn: null, parent: null, level: 'info', code: 'c', text: 't', remedy: null };

  it('gives a fitting entry back as the same object', () => {
    expect(entryFromJson(notice as unknown as JsonValue)).toBe(notice);
  });

  it('mends numbers that are none and a row that names itself as its parent, and keeps the kind', () => {
    const bad = { ...notice, at: Number.NaN, order: [1, null, Number.POSITIVE_INFINITY], rev: null, parent: 'n' } as unknown as JsonValue;
    expect(entryFromJson(bad)).toEqual({ ...notice, at: null, order: [1, -Number.MAX_VALUE, -Number.MAX_VALUE], rev: 0, parent: null });
  });

  it('keeps an entry of a kind that this build does not know at its place', () => {
    const value = { ...notice, kind: 'hologram', rev: 3 } as unknown as JsonValue;
    expect(entryFromJson(value)).toMatchObject({ kind: 'unknown', id: 'n', row: 'n', order: [1], rev: 3, source: 'entry of kind "hologram"', raw: value });
  });

  it('does not take names of Object.prototype for kinds', () => {
    for (const kind of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(soundEntry({ ...notice, kind }).kind).toBe('unknown');
    }
  });

  it('gives equal values without an id the same identity and different ones another', () => {
    expect(entryFromJson({ b: 1, a: 2 }).id).toBe(entryFromJson({ a: 2, b: 1 }).id);
    expect(entryFromJson({ a: 2 }).id).not.toBe(entryFromJson({ a: 3 }).id);
  });

  it('keeps what is nested too deep for JSON.stringify as text', () => {
    let deep: JsonValue = 'bottom';
    for (let level = 0; level < 100_000; level += 1) deep = [deep];
    expect(() => JSON.stringify(deep)).toThrow(RangeError);
    const entry = entryFromJson({ deep });
    expect(entry.kind === 'unknown' && typeof entry.raw === 'string' && entry.raw.includes('bottom')).toBe(true);
    const tool = { kind: 'tool', id: 't', row: 't', order: [1], rev: 0, at: null, turn: null, parent: null, callId: 't', name: 'x', verb: 'other', title: '', input: deep, command: null, cwd: null, locations: [], diffs: [] } as const;
    const [row] = viewOf([tool]);
    expect(row?.kind === 'tool' && typeof row.input === 'string' && row.input.includes('bottom')).toBe(true);
    expect(() => JSON.stringify(row)).not.toThrow();
  });

  it('takes joined pieces only when they come apart into exactly their text', () => {
    const piece = { kind: 'delta', id: 'd', row: 'r', order: [1], rev: 2, at: null, turn: null, parent: null, channel: 'text', part: 0, text: 'abc', joined: { rev: 0, lengths: [1, 2] } };
    expect(entryFromJson(piece as unknown as JsonValue).kind).toBe('delta');
    for (const lengths of [[1], [1, 3], [-1, 4], [1.5, 1.5], ['3']]) {
      expect(soundEntry({ ...piece, joined: { rev: 0, lengths } }).kind).toBe('unknown');
    }
  });
});
