import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinArguments, splitArguments } from '../../../src/extension/arguments.ts';
import { diffSides } from '../../../src/extension/chat/diffSides.ts';
import { readPageMessage, refusedRequest } from '../../../src/extension/chat/schema.ts';
import { score } from '../../../src/extension/chat/score.ts';

const request = (body: unknown, over: object = {}): unknown => ({ type: 'request', session: 's', request: 1, body, ...over });

describe('messages of the page', () => {
  it('are read when they are one of the protocol', () => {
    expect(readPageMessage({ type: 'ready' })).toEqual({ type: 'ready' });
    expect(readPageMessage({ type: 'reopen' })).toEqual({ type: 'reopen' });
    expect(readPageMessage(request({ ask: 'rows', start: 0, end: 10 }))).toEqual(request({ ask: 'rows', start: 0, end: 10 }));
    for (const body of [{ ask: 'take-over' }, { ask: 'fetch-output', row: 'call:1' }]) expect(readPageMessage(request(body))).toEqual(request(body));
    expect(readPageMessage(request({ ask: 'answer', requestId: 'r', decision: { outcome: 'deny', reason: 'no' } }))).toEqual(request({ ask: 'answer', requestId: 'r', decision: { outcome: 'deny', reason: 'no' } }));
  });

  it('are refused when a field is missing, surplus or of another type', () => {
    for (const bad of [
      null, 1, 'ready', [], {}, { type: 'ready', extra: 1 }, { type: 'nothing' }, request({ ask: 'nothing' }), request({ ask: 'rows', start: -1, end: 2 }), request({ ask: 'rows', start: 0.5, end: 2 }),
      request({ ask: 'run', command: 'workbench.action.quit' }), request({ ask: 'set', what: 'title', id: 'x' }), request({ ask: 'open-file', path: '', line: null }),
      request({ ask: 'interrupt' }, { session: 7 }), request({ ask: 'fetch-output', row: '' }), request({ ask: 'take-over', by: 'force' }), request({ ask: 'interrupt' }, { request: -1 }), request({ ask: 'answer', requestId: 'r', decision: { outcome: 'allow', extra: true } }),
    ]) expect(readPageMessage(bad), JSON.stringify(bad)).toBeNull();
  });

  it('that are refused leave a number to answer to, where they are requests', () => {
    const long = request({ ask: 'send', text: 'x'.repeat(2_000_001), attachments: [], how: 'send' }, { request: 7 });
    expect(readPageMessage(long)).toBeNull();
    expect(refusedRequest(long)).toBe(7);
    for (const none of [null, 1, { type: 'ready', request: 1 }, { type: 'request' }, { type: 'request', request: -1 }]) expect(refusedRequest(none)).toBeNull();
  });

  it('answer questions that are named by long texts', () => {
    const body = { ask: 'answer', requestId: 'r', decision: { outcome: 'answer', answers: { ['Which? '.repeat(600)]: ['this'] } } };
    expect(readPageMessage(request(body))).toEqual(request(body));
  });

  it('never throw, whatever comes (10,000 malformed messages)', () => {
    const asks = ['rows', 'send', 'outbox', 'answer', 'set', 'run', 'open-diff', 'open-file', 'open-link', 'copy'];
    const near = fc.record({
      type: fc.constantFrom('ready', 'resync', 'draft', 'request'), session: fc.anything(), request: fc.anything(), generation: fc.anything(), text: fc.anything(),
      body: fc.oneof(fc.anything(), fc.record({ ask: fc.constantFrom(...asks), start: fc.anything(), end: fc.anything(), text: fc.anything(), decision: fc.anything(), path: fc.anything() }, { requiredKeys: ['ask'] })),
    }, { requiredKeys: ['type'] });
    fc.assert(fc.property(fc.oneof(fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true, withMap: true }), near), (value) => {
      const read = readPageMessage(value);
      return read === null || ['ready', 'resync', 'draft', 'request'].includes(read.type);
    }), { numRuns: 10_000 });
  });
});

describe('command lines of agents', () => {
  it('are split without a shell', () => {
    expect(splitArguments(String.raw`gemini --acp "a b" 'c "d"' e\ f ""`)).toEqual(['gemini', '--acp', 'a b', 'c "d"', 'e f', '']);
    expect(splitArguments('  ')).toEqual([]);
    expect(splitArguments('$HOME `id` ; rm')).toEqual(['$HOME', '`id`', ';', 'rm']);
  });

  it('are read back as they were joined', () => {
    fc.assert(fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), (args) => {
      expect(splitArguments(joinArguments(args))).toEqual(args);
    }), { numRuns: 2_000 });
  });
});

describe('the sides of a diff', () => {
  const base = { path: 'a.ts', change: 'modify' as const, oldPath: null, added: 1, removed: 1 };
  const patch = '@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n';
  it('come from the whole texts, from one text and the patch, or from the hunks alone', () => {
    const before = 'one\ntwo\nthree\n';
    const after = 'one\nTWO\nthree\n';
    expect(diffSides({ ...base, patch, before, after })).toEqual({ before, after });
    expect(diffSides({ ...base, patch, before, after: null })).toEqual({ before, after });
    expect(diffSides({ ...base, patch, before: null, after })).toEqual({ before, after });
    expect(diffSides({ ...base, patch, before: null, after: null })).toMatchObject({ before: expect.stringContaining('two') as string, after: expect.stringContaining('TWO') as string });
    expect(diffSides({ ...base, change: 'create', patch: '', before: null, after })).toEqual({ before: '', after });
  });

  it('are given for a patch that cannot be applied', () => {
    expect(diffSides({ ...base, patch: '@@ garbage\n-x\n+y\n', before: 'nothing of it', after: null })).toMatchObject({ before: expect.stringContaining('x') as string, after: expect.stringContaining('y') as string });
  });
});

describe('file completion', () => {
  it('ranks names over paths over scattered letters', () => {
    expect(['src/tree.ts', 'src/a-tree.ts', 'tree/a.ts', 't/r/e/e.x', 'zzz'].map((path) => score(path, 'tree'))).toEqual([5, 4, 3, 2, 0]);
    expect(score('talk/r/e/ee', 'tree')).toBe(2);
  });
});
