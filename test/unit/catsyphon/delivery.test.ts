import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CatsyphonAPIError, CatsyphonAuthError, CatsyphonError, CatsyphonNotFoundError, CatsyphonTransportError, CatsyphonValidationError } from '../../../src/core/systems/catsyphon/errors.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import type { TestCollector } from '../../loopback/catsyphon/kernel.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { clientOf, contents, EVENTS, failure, fast, message } from './rig.ts';

let server: CatsyphonTestServer;
let collector: TestCollector;
beforeEach(async () => {
  server = await startCatsyphonServer();
  collector = server.newCollector();
});
afterEach(() => server.close());
const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `m${index}`);
const at = /collectors\/events$/;
const pieces = (): readonly number[] => server.requests.filter((one) => one.path.endsWith('/events')).map((one) => (one.body as { events: unknown[] }).events.length);

describe('events that are sent', () => {
  it('go with the headers and the envelope of the contract, and are reported', async () => {
    await using client = clientOf(server, collector);
    const report = await client.sendEvents('s', [message('hi', { emittedAt: '2026-02-24T10:00:00+01:00', observedAt: new Date('2026-02-24T10:00:00Z'), eventHash: 'abc' })]);
    expect(report).toEqual({ accepted: 1, lastSequence: 1, conversationId: server.kernel.sessions.get('s')?.id, warnings: [], parked: [] });
    expect(server.requests[0]).toMatchObject({
      method: 'POST', path: '/collectors/events', headers: { authorization: `Bearer ${collector.key}`, 'x-collector-id': collector.id, 'content-type': 'application/json' },
      body: { session_id: 's', events: [{ type: 'message', emitted_at: '2026-02-24T09:00:00.000Z', observed_at: '2026-02-24T10:00:00.000Z', event_hash: 'abc', data: { author_role: 'human', message_type: 'prompt', content: 'hi' } }] },
    });
  });

  it('go 50 at a time, in their order, at times that never fall on one another', async () => {
    await using client = clientOf(server, collector);
    const report = await client.sendEvents('s', numbered(120).map((word) => message(word, { emittedAt: 1_000 })));
    expect(pieces()).toEqual([50, 50, 20]);
    expect(report.accepted).toBe(120);
    expect(contents(server, 's')).toEqual(numbered(120));
    expect(new Set(server.kernel.rows('s').map((row) => row.emittedAt)).size).toBe(120);
  });

  it('go in batches of 256 KiB, one that is larger alone', async () => {
    await using client = clientOf(server, collector);
    await client.sendEvents('s', [100, 100, 100, 300, 1].map((size) => message('x'.repeat(size * 1_024))));
    expect(pieces()).toEqual([2, 1, 1, 1]);
  });

  it('are stored once: twins within a list, the same list again, two lists of one session at once', async () => {
    await using client = clientOf(server, collector);
    const twins = [message('a', { emittedAt: 1 }), message('a', { emittedAt: 1 }), message('b', { emittedAt: 2 })];
    await client.sendEvents('s', twins);
    await client.sendEvents('s', twins);
    expect(contents(server, 's')).toEqual(['a', 'b']);
    server.kernel.ingestMs = 10;
    await Promise.all(Array.from({ length: 4 }, () => client.sendEvents('s', [message('c', { emittedAt: 3 })])));
    expect(contents(server, 's')).toEqual(['a', 'b', 'c']);
    expect(server.kernel.mostAtOnce).toBe(1);
  });

  it('go on, after a while, in a session that another collector began, of which nothing is told', async () => {
    await using first = clientOf(server, server.newCollector());
    await first.sendEvents('s', [message('a')]);
    const waits: number[] = [];
    const clock = { ...systemClock, setTimeout: (callback: () => void, ms: number) => {
      if (ms === 30_000) waits.push(ms);
      return systemClock.setTimeout(callback, ms === 30_000 ? 1 : ms);
    } };
    await using client = clientOf(server, collector, { clock, deadlineMs: 20_000 });
    await client.sendEvents('s', [message('b')], { unsettled: true });
    expect([contents(server, 's'), waits]).toEqual([['a', 'b'], [30_000]]);
    collector.disabled = true;
    expect(await failure(client.sendEvents('s', [message('c')], { unsettled: true }))).toBeInstanceOf(CatsyphonAuthError);
  });

  it('of several sessions do not wait for one another', async () => {
    await using client = clientOf(server, collector);
    server.faults.add(at, { kind: 'silence', when: 'before' });
    const stop = new AbortController();
    const stuck = client.sendEvents('a', [message('a')], { signal: stop.signal });
    await expect.poll(() => server.requests.length).toBe(1);
    const behind = client.sendEvents('a', [message('b')], { signal: stop.signal });
    await client.sendEvents('b', [message('b')]);
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(stuck).rejects.toBe(reason);
    await expect(behind).rejects.toBe(reason);
    expect(contents(server, 'b')).toEqual(['b']);
  });
});

describe('trouble on the way', () => {
  it.each([[408], [429], [500], [502], [503], [504]])('%i is tried again as the RetryConfig says', async (status) => {
    await using client = clientOf(server, collector);
    server.faults.add(at, { kind: 'status', status }, 3);
    await client.sendEvents('s', [message('a')]);
    expect(server.count(EVENTS)).toBe(4);
    server.faults.add(at, { kind: 'status', status }, 2);
    await using once = clientOf(server, collector, { retry: { ...fast, maxRetries: 1 } });
    expect(await failure(once.sendEvents('t', [message('a')]))).toMatchObject({ status });
    expect(server.count(EVENTS)).toBe(6);
  });

  it('waits longer and longer, with chance, and as long as the server asks', async () => {
    const waits: number[] = [];
    let now = 0;
    const clock = { now: () => 1e12 + now, monotonic: () => now, setTimeout: (callback: () => void, ms: number) => {
      // A request's own deadline is not waited for.
      if (ms >= 30_000) return { cancel: () => undefined };
      waits.push(ms);
      now += ms;
      const timer = setImmediate(callback);
      return { cancel: () => clearImmediate(timer) };
    } };
    await using client = clientOf(server, collector, { retry: { maxRetries: 4, initialDelay: 0.5, maxDelay: 3, exponentialBase: 3 }, clock, random: () => 0.5, deadlineMs: 60_000 });
    server.faults.add(at, { kind: 'status', status: 503 }, 4);
    await client.sendEvents('s', [message('a')]);
    expect(waits).toEqual([562.5, 1_687.5, 3_375, 3_375]);
    server.faults.add(at, { kind: 'status', status: 429, headers: { 'retry-after': '7' } });
    await client.sendEvents('s', [message('b')]);
    expect(waits.at(-1)).toBe(7_000);
  });

  it.each([['drop', 'before'], ['drop', 'after'], ['silence', 'before'], ['silence', 'after']] as const)('%s %s: looks at what the server has, and sends again', async (kind, when) => {
    await using client = clientOf(server, collector, { deadlineMs: 500 });
    server.faults.add(at, { kind, when });
    await client.sendEvents('s', [message('a'), message('b')]);
    expect(contents(server, 's')).toEqual(['a', 'b']);
    expect(server.requests.map((one) => one.method)).toEqual(['POST', 'GET', 'GET', 'GET', 'POST']);
  });

  it('waits for a request that timed out and is at work still: nothing is stored twice', async () => {
    await using client = clientOf(server, collector, { deadlineMs: 300, retry: { initialDelay: 0.3, maxDelay: 0.3 } });
    server.faults.add(at, { kind: 'slow', ms: 800 });
    await client.sendEvents('s', [message('a')]);
    expect(contents(server, 's')).toEqual(['a']);
  });

  it('of an earlier call is remembered: the next one looks first', async () => {
    await using client = clientOf(server, collector, { retry: { ...fast, maxRetries: 0 } });
    server.faults.add(at, { kind: 'drop', when: 'after' });
    const error = await failure(client.sendEvents('s', [message('a', { emittedAt: 1 })]));
    expect(error).toBeInstanceOf(CatsyphonTransportError);
    expect(error).toMatchObject({ code: 'connection_failed' });
    await client.sendEvents('s', [message('a', { emittedAt: 1 }), message('b', { emittedAt: 2 })]);
    expect(server.requests.map((one) => one.method)).toEqual(['POST', 'GET', 'GET', 'GET', 'POST']);
    expect(contents(server, 's')).toEqual(['a', 'b']);
    await client.sendEvents('s', [message('c')], { unsettled: true });
    expect(server.requests.slice(5).map((one) => one.method)).toEqual(['GET', 'GET', 'GET', 'POST']);
  });

  it('that lasts rejects, and tells what was done before', async () => {
    await using client = clientOf(server, collector, { deadlineMs: 400, retry: { ...fast, maxRetries: 0 } });
    const done: number[] = [];
    server.faults.add(at, { kind: 'status', status: 202, applied: true, body: { accepted: 50, last_sequence: 50, conversation_id: 'c', warnings: [] } });
    server.faults.add(at, { kind: 'silence', when: 'before' });
    const error = await failure(client.sendEvents('s', numbered(60).map((word) => message(word)), { onDone: (indices) => done.push(...indices) }));
    expect(error).toMatchObject({ code: 'timeout', personMustAct: false });
    expect(done).toEqual(Array.from({ length: 50 }, (_, index) => index));
    server.down = true;
    expect(await failure(client.getSessionStatus('s'))).toMatchObject({ code: 'connection_failed' });
  });

  it.each([[401, 'unauthorized'], [403, 'forbidden']])('%i stops at once and asks the person', async (status, code) => {
    await using client = clientOf(server, collector);
    if (status === 403) collector.disabled = true;
    else server.faults.add(at, { kind: 'status', status, body: { detail: `Invalid API key ${collector.key}` } });
    const error = await failure(client.sendEvents('s', numbered(120).map((word) => message(word))));
    expect(error).toBeInstanceOf(CatsyphonAuthError);
    expect(error).toMatchObject({ status, code, personMustAct: true });
    expect(inspect(error, { depth: 9 })).not.toContain(collector.key);
    expect(server.count(EVENTS)).toBe(1);
  });

  it('of an answer that no CatSyphon gives is bad_answer', async () => {
    await using client = clientOf(server, collector);
    server.faults.add(at, { kind: 'status', status: 200, body: ['portal'] });
    expect(await failure(client.sendEvents('s', [message('a')]))).toMatchObject({ code: 'bad_answer' });
    server.faults.add(at, { kind: 'status', status: 302, headers: { location: 'http://127.0.0.1:9/' } });
    expect(await failure(client.sendEvents('s', [message('a')]))).toMatchObject({ code: 'redirected', status: 302 });
  });
});

describe('what the server will never take', () => {
  it('is found by halves where the server fails on it, parked when it takes others, and the rest is stored', async () => {
    await using client = clientOf(server, collector, { retry: { ...fast, maxRetries: 1 } });
    server.kernel.poison = (data) => JSON.stringify(data['content']).startsWith('"poison');
    const words = numbered(50).map((word, index) => (index === 7 || index === 40 ? `poison ${index}` : word));
    const report = await client.sendEvents('s', words.map((word) => message(word)));
    expect(report.parked.map((one) => [one.event.data['content'], one.status, one.detail])).toEqual([['poison 7', 500, ''], ['poison 40', 500, '']]);
    expect(contents(server, 's')).toEqual(words.filter((word) => !word.startsWith('poison')));
    expect(server.count(EVENTS)).toBeLessThan(35);
  });

  it('is told from an outage: with nothing taken, nothing is parked and everything waits', async () => {
    await using client = clientOf(server, collector, { retry: { ...fast, maxRetries: 1 } });
    server.kernel.poison = () => true;
    const done: number[] = [];
    const error = await failure(client.sendEvents('s', numbered(50).map((word) => message(word)), { onDone: (indices) => done.push(...indices) }));
    expect(error).toMatchObject({ status: 500, code: 'server_error', detail: '' });
    expect(error.message).not.toContain('m0');
    expect(done).toEqual([]);
    expect(server.count(EVENTS)).toBeLessThan(25);
    server.kernel.poison = () => false;
    await client.sendEvents('s', [message('good')]);
    server.kernel.poison = () => true;
    const before = server.count(EVENTS);
    await failure(client.sendEvents('s', numbered(50).map((word) => message(word))));
    // The batch twice, and an event that it has twice.
    expect(server.count(EVENTS) - before).toBe(4);
  });

  it('alone in its list is parked by sending again what the server has', async () => {
    await using client = clientOf(server, collector, { retry: { ...fast, maxRetries: 0 } });
    server.kernel.poison = (data) => data['content'] === 'poison';
    await client.sendEvents('s', [message('good')]);
    expect((await client.sendEvents('s', [message('poison')])).parked).toHaveLength(1);
    expect(contents(server, 's')).toEqual(['good']);
  });

  it('and is named by a 422 is parked at once', async () => {
    await using client = clientOf(server, collector);
    const detail = [{ type: 'string_type', loc: ['body', 'events', 1, 'data', 'content'], msg: 'Input should be a valid string', input: 'the secret words' }];
    server.faults.add(at, { kind: 'status', status: 422, body: { detail } });
    const report = await client.sendEvents('s', ['a', 'b', 'c'].map((word) => message(word)));
    expect(report.parked).toMatchObject([{ status: 422, detail: 'body.events.1.data.content: Input should be a valid string', event: { data: { content: 'b' } } }]);
    expect(contents(server, 's')).toEqual(['a', 'c']);
    expect(server.count(EVENTS)).toBe(2);
  });

  it('and is refused without a name is found by halves; a missing header is nobody\'s fault', async () => {
    await using client = clientOf(server, collector);
    const unnamed = { kind: 'status', status: 422, body: { detail: 'no' } } as const;
    server.faults.add(at, unnamed, 2);
    await client.sendEvents('s', ['a', 'b', 'c', 'd'].map((word) => message(word)));
    expect(contents(server, 's')).toEqual(['a', 'b', 'c', 'd']);
    server.faults.add(at, { kind: 'status', status: 422, body: { detail: [{ type: 'missing', loc: ['header', 'x-collector-id'], msg: 'Field required', input: null }] } });
    const error = await failure(client.sendEvents('s', [message('e'), message('f')]));
    expect(error).toBeInstanceOf(CatsyphonValidationError);
    expect(error).toMatchObject({ detail: 'header.x-collector-id: Field required' });
  });

  it('is too large for the proxy: halved, and alone parked', async () => {
    await using client = clientOf(server, collector);
    server.mostBytes = 100_000;
    const report = await client.sendEvents('s', ['a', 'b', 'x'.repeat(120_000), 'c'].map((word) => message(word)));
    expect(report.parked).toMatchObject([{ status: 413 }]);
    expect(contents(server, 's')).toEqual(['a', 'b', 'c']);
  });

  it.each([[400], [404], [405], [409], [307]])('%i is no event\'s fault', async (status) => {
    await using client = clientOf(server, collector);
    server.faults.add(at, { kind: 'status', status });
    const error = await failure(client.sendEvents('s', [message('a'), message('b')]));
    expect(error).toBeInstanceOf(status === 404 ? CatsyphonNotFoundError : CatsyphonAPIError);
    expect(server.count(EVENTS)).toBe(1);
  });
});

describe('what is refused here', () => {
  it.each([
    [[], 'no events'], ['x', 'no events'], [[{ type: 'frob', data: {} }], 'events[0].type'], [[{ type: 'message', data: [] }], 'events[0].data'],
    [[message('a'), { type: 'message', data: { author_role: 'user', message_type: 'prompt' } }], 'events[1].data.author_role'], [[{ type: 'tool_call', data: { tool_name: 'x' } }], 'events[0].data.tool_use_id'],
    [[{ type: 'message', data: { author_role: 'human', message_type: 'prompt', token_usage: { input_tokens: 1.5 } } }], 'token_usage.input_tokens'], [[{ type: 'tool_result', data: { tool_use_id: 'a', result: {} } }], 'data.result'],
    [[message('a', { eventHash: 'x'.repeat(33) })], 'eventHash'], [[message('a', { emittedAt: 'yesterday' })], 'emittedAt'], [[{ type: 'session_start', data: { agent_type: 'x', context_semantics: 'text' } }], 'context_semantics'],
  ])('%j names its place, and nothing is sent', async (events, words) => {
    await using client = clientOf(server, collector);
    const error = await failure(client.sendEvents('s', events as never));
    expect(error).toBeInstanceOf(CatsyphonError);
    expect(error.code).toBe('invalid_argument');
    expect(error.message).toContain(words);
    expect(server.requests).toEqual([]);
  });

  it.each([[''], ['a/b'], ['a b'], ['..'], ['x'.repeat(256)]])('a session id such as %j', async (id) => {
    await using client = clientOf(server, collector);
    for (const work of [() => client.sendEvents(id, [message('a')]), () => client.getSessionStatus(id), () => client.completeSession(id, { outcome: 'success' })]) expect(await failure(work())).toMatchObject({ code: 'invalid_argument' });
    expect(server.requests).toEqual([]);
  });
});
