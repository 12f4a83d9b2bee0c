import { describe, expect, it } from 'vitest';
import type { DeltaEntry, Entry } from '../../../src/core/model/entry.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { OUTPUT_HEAD, OUTPUT_LIMIT, OUTPUT_TAIL } from '../../../src/core/session/cut.ts';
import { foldRow } from '../../../src/core/session/fold.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { shuffled, randomFrom } from './properties.ts';

const base = { row: 'r', order: [1], rev: 0, at: null, turn: null, parent: null } as const;
const text = (value: string, more: object = {}): Entry => ({ ...base, kind: 'text', id: `text-${value}`, text: value, ...more });
const piece = (channel: DeltaEntry['channel'], part: number, value: string, more: object = {}): DeltaEntry => ({ ...base, kind: 'delta', id: `${channel}/${part}`, channel, part, text: value, ...more });
const call = (more: object = {}): Entry => ({
  ...base, kind: 'tool', id: 'call', callId: 'c', name: 'Bash', verb: 'execute', title: 'ls', input: { command: 'ls' }, command: 'ls', cwd: '/w', locations: [], diffs: [], ...more,
});
const result = (output: string, more: object = {}): Entry => ({
  ...base, kind: 'result', id: 'result', callId: 'c', status: 'ok', output, exitCode: 0, durationMs: 3, diffs: [], attachments: [], ...more,
});
const permission = (more: object = {}): Entry => ({
  ...base, kind: 'permission', id: 'ask', requestId: 'p', callId: 'c', ask: 'tool', tool: 'Bash', title: 'ls', reason: null, input: null, command: null, cwd: null, diffs: [], plan: null,
  questions: [], options: [], takesReason: true, ...more,
});
const answer = (more: object = {}): Entry => ({ ...base, kind: 'answer', id: 'answer', requestId: 'p', outcome: 'allowed', by: 'person', reason: null, answers: {}, ...more });
const notice: Entry = { ...base, kind: 'notice', id: 'notice', level: 'info', code: 'c', text: 'n', remedy: null };
const fold = (...entries: Entry[]): Row | null => foldRow('r', entries, []);

describe('pieces', () => {
  it('are joined by part, whatever came first, passing over what is missing', () => {
    const row = fold(piece('text', 4, 'e'), piece('text', 0, 'a'), piece('text', 1, 'b'));
    expect(row).toMatchObject({ kind: 'text', text: 'abe', streaming: true });
  });

  it('give way to the whole block', () => {
    expect(fold(piece('text', 0, 'half'), text('whole'))).toMatchObject({ text: 'whole', streaming: false });
    expect(fold(piece('output', 0, 'half'), call(), result('whole'))).toMatchObject({ output: 'whole', status: 'ok' });
    expect(fold(piece('input', 0, '{"co'), call())).toMatchObject({ input: { command: 'ls' } });
  });

  it('of input are the input as text while the call is not whole; one that broke off is no row, and a block without text is none', () => {
    const begun = call({ rev: 0, input: null, title: 'Bash', stage: 'streaming' });
    const came = piece('input', 0, '{"com');
    expect(fold(begun, came)).toMatchObject({ name: 'Bash', status: 'running', input: '{"com' });
    expect(fold(begun, came, call({ rev: 1 }))).toMatchObject({ input: { command: 'ls' } });
    const rows = (...entries: readonly Entry[]): unknown[] => viewOf(entries).map((row) => row.key);
    expect(rows(begun, came)).toHaveLength(1);
    expect(rows(begun, came, call({ rev: 0.5, input: null, stage: 'void' }))).toEqual([]);
    expect(rows(piece('text', 0, 'half a'))).toHaveLength(1);
    expect(rows(piece('text', 0, 'half a'), text(''))).toEqual([]);
  });

  it('of input are the input as text while the call itself is not here', () => {
    expect(fold(piece('input', 1, 'mand'), piece('input', 0, '{"com'))).toMatchObject({ kind: 'tool', status: 'running', input: '{"command' });
  });

  it('that were joined are taken apart where a later version of one of them holds', () => {
    const joined = piece('output', 0, 'abc', { id: 'j', rev: 3, joined: { rev: 0, lengths: [1, 1, 1] } });
    expect(fold(joined, piece('output', 1, 'X', { rev: 1 }), piece('output', 3, 'd'))).toMatchObject({ output: 'aXcd' });
  });

  it('of which two have one part count once, the same on every side', () => {
    const twice = [piece('text', 0, 'a'), piece('text', 0, 'b', { id: 'other' })];
    expect(fold(...twice)).toEqual(fold(...[...twice].reverse()));
    expect(fold(...twice)).toMatchObject({ text: 'b' });
  });
});

describe('the kind of a row', () => {
  const all: Entry[] = [
    call(), permission(), { ...base, kind: 'prompt', id: 'prompt', text: 'p', attachments: [], clientId: null }, text('t'),
    { ...base, kind: 'thinking', id: 'thinking', text: 'h' }, { ...base, kind: 'todo', id: 'todo', items: [] },
    { ...base, kind: 'file', id: 'file', file: { name: 'f', mediaType: 'm', size: null, data: null, path: null } }, notice,
    { ...base, kind: 'turn', id: 'end', turn: 't', phase: 'end', state: 'completed', durationMs: null, figures: null, filesChanged: [], error: null },
    { ...base, kind: 'unknown', id: 'unknown', source: 's', raw: 1 },
  ];

  it('follows a fixed precedence, whatever order the entries are in', () => {
    for (let first = 0; first < all.length; first += 1) {
      const rest = all.slice(first);
      for (let seed = 0; seed < 5; seed += 1) expect(fold(...shuffled(rest, randomFrom(seed)))?.kind).toBe(rest[0]?.kind);
    }
  });

  it('is none for what only changes a row', () => {
    expect(fold()).toBeNull();
    expect(fold(answer())).toBeNull();
    expect(fold({ ...base, kind: 'usage', id: 'u', scope: 'turn', figures: { inputTokens: 1, outputTokens: 1, cachedTokens: null, costUsd: null, contextTokens: null, contextWindow: null } })).toBeNull();
  });

  it('is unknown, with everything kept, for what is no entry', () => {
    expect(foldRow('r', [{ kind: 'what', id: 'x', row: 'r', blob: [1, 2] } as unknown as Entry], [])).toMatchObject({ kind: 'unknown', raw: { kind: 'what', blob: [1, 2] } });
    expect(foldRow('r', [7, null, 'text'] as unknown as Entry[], [])).toMatchObject({ kind: 'unknown', raw: expect.arrayContaining([7, null, 'text']) });
  });
});

describe('a tool row', () => {
  it('runs until its result, and waits while a permission among its own entries is unanswered', () => {
    expect(fold(call())).toMatchObject({ status: 'running' });
    expect(fold(call(), permission())).toMatchObject({ status: 'waiting' });
    expect(fold(call(), permission(), answer())).toMatchObject({ status: 'running' });
    expect(fold(call(), permission(), answer({ requestId: 'another' }))).toMatchObject({ status: 'waiting' });
    expect(fold(call(), permission(), result('', { status: 'denied' }))).toMatchObject({ status: 'denied' });
  });

  it('names its call, as the permission about it does', () => {
    const told = [fold(call({ callId: 'c7' })), fold(result('', { callId: 'c7' })), fold(permission({ callId: 'c7' }))];
    expect(told).toEqual([0, 1, 2].map(() => expect.objectContaining({ callId: 'c7' })));
    expect(fold(permission({ callId: null }))).not.toHaveProperty('callId');
  });

  it('is made of a result without its call', () => {
    expect(fold(result('out'))).toMatchObject({ kind: 'tool', status: 'ok', output: 'out', name: 'tool' });
  });

  it('takes diffs from the result, or from the call where the result has none', () => {
    const diff = { path: 'a', change: 'modify', oldPath: null, patch: '', added: 0, removed: 0, before: null, after: null };
    expect(fold(call({ diffs: [diff] }), result(''))).toMatchObject({ diffs: [diff] });
    expect(fold(call({ diffs: [diff] }), result('', { diffs: [{ ...diff, path: 'b' }] }))).toMatchObject({ diffs: [{ path: 'b' }] });
  });

  it('carries the head and the tail of a long output, and never half a character', () => {
    expect(fold(result('x'.repeat(OUTPUT_LIMIT)))).toMatchObject({ output: 'x'.repeat(OUTPUT_LIMIT), outputOmitted: 0 });
    const long = `${'a'.repeat(OUTPUT_HEAD)}${'b'.repeat(500)}${'c'.repeat(OUTPUT_TAIL)}`;
    expect(fold(result(long))).toMatchObject({ output: `${'a'.repeat(OUTPUT_HEAD)}${'c'.repeat(OUTPUT_TAIL)}`, outputOmitted: 500 });
    for (const shift of [0, 1]) {
      const row = fold(result(`${'-'.repeat(shift)}${'😀'.repeat(OUTPUT_LIMIT)}`));
      expect(row?.kind === 'tool' && row.output.isWellFormed()).toBe(true);
      expect(row?.kind === 'tool' && row.output.length + row.outputOmitted).toBe(OUTPUT_LIMIT * 2 + shift);
    }
  });
});

describe('permissions and other rows', () => {
  it('hold the answer that stands last, whichever came first', () => {
    const answers = [answer(), answer({ id: 'later', order: [2], outcome: 'lost', reason: 'gone' })];
    expect(fold(permission(), ...answers)).toMatchObject({ outcome: 'lost', answerReason: 'gone' });
    expect(fold(...[...answers].reverse(), permission())).toMatchObject({ outcome: 'lost' });
    expect(fold(permission())).toMatchObject({ outcome: null });
  });

  it('have the earliest time and the turn of the entry that stands first', () => {
    expect(fold(text('a', { order: [2], at: 20, turn: 'second' }), text('b', { order: [1], at: 30, turn: 'first' }))).toMatchObject({ at: 20, turn: 'first', text: 'b\n\na' });
  });
});

describe('the view', () => {
  const at = (row: string, order: number, parent: string | null, more: object = {}): Entry => text(row, { id: row, row, order: [order], parent, ...more });
  const keys = (rows: readonly Row[]): unknown[] => rows.map((row) => (row.kind === 'tool' && row.children.length > 0 ? [row.key, ...keys(row.children)] : row.key));

  it('stands rows by their smallest order, then by key in code units', () => {
    expect(keys(viewOf([at('b', 1, null), at('\uff5e', 1, null), at('\u{1f600}', 1, null), at('a', 2, null), { ...at('a', 0, null), id: 'early' }]))).toEqual(['a', 'b', '\u{1f600}', '\uff5e']);
  });

  it('nests rows within their parent, and shows them at the top while it is not there', () => {
    const agent = { ...call({ id: 'agent', row: 'agent', order: [1] }) };
    const inside = [at('x', 3, 'agent'), at('y', 2, 'agent')];
    expect(keys(viewOf([...inside, agent]))).toEqual([['agent', 'y', 'x']]);
    expect(keys(viewOf(inside))).toEqual(['y', 'x']);
  });

  it('takes the parent of the entry that stands first among those with one', () => {
    const agents = ['p', 'q'].map((row) => call({ id: row, row, order: [row === 'p' ? 1 : 2] }));
    const row = [at('x', 3, null, { id: '1' }), at('x', 5, 'q', { id: '2' }), at('x', 4, 'p', { id: '3' })];
    expect(keys(viewOf([...agents, ...row]))).toEqual([['p', 'x'], 'q']);
  });

  it('loses no row to parents that lead back to themselves', () => {
    const ring = [at('a', 3, 'b'), at('b', 2, 'c'), at('c', 1, 'a'), at('tail', 4, 'a'), at('self', 5, 'self')];
    expect(keys(viewOf(ring))).toEqual([['c', 'c#own', ['b', 'b#own', ['a', 'a#own', 'tail']]], 'self']);
  });

  it('shows an answer as soon as its permission comes', () => {
    expect(viewOf([answer()])).toEqual([]);
    expect(viewOf([answer(), permission()])).toMatchObject([{ kind: 'permission', outcome: 'allowed' }]);
  });

  it('puts a row that can hold no children first within one made to hold them', () => {
    expect(viewOf([text('t', { id: 't', row: 't' }), at('x', 2, 't')])).toMatchObject([
      { kind: 'tool', verb: 'agent', key: 't', children: [{ kind: 'text', key: 't#own', text: 't' }, { key: 'x' }] },
    ]);
  });

  it('folds agents nested ten thousand deep', () => {
    const deep = Array.from({ length: 10_000 }, (_, level) => call({ id: `${level}`, row: `${level}`, order: [level], parent: level === 0 ? null : `${level - 1}` }));
    expect(viewOf(deep)).toHaveLength(1);
  });
});
