import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TestCollector } from '../../loopback/catsyphon/kernel.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';

let server: CatsyphonTestServer;
let collector: TestCollector;
beforeEach(async () => {
  server = await startCatsyphonServer();
  collector = server.newCollector();
});
afterEach(() => server.close());
interface Answer {
  readonly status: number;
  readonly body: { readonly detail?: unknown; readonly accepted?: number; readonly last_sequence?: number };
}
async function ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const authorized = { authorization: `Bearer ${collector.key}`, 'x-collector-id': collector.id, 'content-type': 'application/json', ...headers };
  const answer = await fetch(`${server.url}${path}`, { method, headers: Object.fromEntries(Object.entries(authorized).filter(([, value]) => value !== '')), ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}
const event = (content: string, more: object = {}): object => ({ type: 'message', emitted_at: '2026-02-24T10:00:00Z', observed_at: '2026-02-24T10:00:00Z', data: { author_role: 'human', message_type: 'prompt', content }, ...more });
const send = (events: readonly object[], session = 's'): Promise<Answer> => ask('POST', '/collectors/events', { session_id: session, events });

/** What was observed of the real one: the traps that a client has to live with. */
it('has the real one\'s traps: twins of a batch, batches at once, counts of what is not stored, one number for a batch', async () => {
  expect(await send([event('a'), event('a')])).toMatchObject({ status: 202, body: { accepted: 2, last_sequence: 2 } });
  expect(server.kernel.rows('s').map((row) => row.sequence)).toEqual([1, 1]);
  expect(await send([event('a', { emitted_at: '2026-02-24T10:00:00+00:00', observed_at: '2026-02-25T10:00:00Z' })])).toMatchObject({ body: { accepted: 0 } });
  server.kernel.ingestMs = 30;
  await Promise.all([send([event('b')], 't'), send([event('b')], 't'), send([event('b')], 't')]);
  expect(server.kernel.rows('t')).toHaveLength(3);
  server.kernel.ingestMs = 0;
  for (const last of [1, 2, 3]) expect((await send([event('', { type: 'session_start', data: { agent_type: 'x' } })], 'u')).body).toMatchObject({ accepted: 1, last_sequence: last });
  expect((await send([event('', { type: 'frob', data: {} })], 'u')).status).toBe(202);
  expect(server.kernel.rows('u')).toEqual([]);
  expect(await send([event('x', { data: { author_role: 'human', message_type: 'odd' } })], 'v')).toMatchObject({ status: 202 });
  expect(server.kernel.rows('v')[0]?.data['message_type']).toBe('response');
});

it('refuses a batch whole, with what was submitted; what only the database refuses is a 500', async () => {
  const bad: readonly (readonly [object, number])[] = [
    [event('x', { data: { author_role: 'user', message_type: 'prompt' } }), 500], [event('a\u0000b'), 500], [event('\uD800'), 500], [event('x', { emitted_at: '2026-02-24T10:00:00' }), 500], [event('', { type: 'session_start', data: { agent_type: 'x'.repeat(51) } }), 500],
    [event('x', { event_hash: 'x'.repeat(33) }), 422], [event('x', { data: { message_type: 'prompt' } }), 422], [event('', { type: 'tool_result', data: { tool_use_id: 'a', result: {} } }), 422], [event('', { type: 'session_start', data: { agent_type: 'x', context_semantics: 'text' } }), 422],
    [event('x', { data: { author_role: 'human', message_type: 'prompt', token_usage: { input_tokens: 1.5 } } }), 422],
  ];
  for (const [one, status] of bad) expect([one, (await send([event('good'), one])).status]).toEqual([one, status]);
  expect(server.kernel.sessions.size).toBe(0);
  expect((await send([event('x', { data: { message_type: 'prompt' } })])).body.detail).toMatchObject([{ type: 'missing', loc: ['body', 'events', 0, 'data', 'author_role'], input: { message_type: 'prompt' } }]);
  expect((await send([])).status).toBe(422);
  expect((await send(Array.from({ length: 51 }, (_, index) => event(`${index}`)))).status).toBe(422);
  expect((await send([event('a')], 'x'.repeat(256))).status).toBe(500);
});

it('looks at the shape before the credentials, and at whose a session is only where it is asked for', async () => {
  expect((await ask('POST', '/collectors/events', {}, { authorization: 'Bearer no' })).status).toBe(422);
  expect((await ask('GET', '/collectors/sessions/s', undefined, { authorization: '' })).body.detail).toMatchObject([{ loc: ['header', 'authorization'] }]);
  const cases: readonly (readonly [Record<string, string>, number])[] = [[{ authorization: `bearer ${collector.key}` }, 401], [{ authorization: 'Bearer no' }, 401], [{ 'x-collector-id': 'no' }, 400], [{ 'x-collector-id': '00000000-0000-4000-8000-000000000000' }, 401]];
  for (const [headers, status] of cases) expect((await ask('POST', '/collectors/events', { session_id: 's', events: [event('a')] }, headers)).status).toBe(status);
  await send([event('a')]);
  const other = server.newCollector();
  const asOther = { authorization: `Bearer ${other.key}`, 'x-collector-id': other.id };
  expect((await ask('POST', '/collectors/events', { session_id: 's', events: [event('b')] }, asOther)).status).toBe(202);
  expect((await ask('GET', '/collectors/sessions/s', undefined, asOther)).status).toBe(403);
  expect((await ask('POST', '/collectors/sessions/s/complete', { outcome: 'success' }, asOther)).status).toBe(403);
  expect((await ask('POST', '/collectors/sessions/s/complete', {})).status).toBe(422);
  expect((await ask('GET', '/collectors/sessions/none')).status).toBe(404);
  expect((await ask('GET', '/collectors/sessions/a%2Fb')).status).toBe(404);
  collector.disabled = true;
  expect((await send([event('c')])).status).toBe(403);
});

it('tells times without a zone, and takes events after the end', async () => {
  await send([event('a')]);
  expect((await ask('POST', '/collectors/sessions/s/complete', { outcome: 'failed' })).body).toMatchObject({ status: 'completed', total_events: 1 });
  expect((await send([event('b')])).status).toBe(202);
  expect((await ask('GET', '/collectors/sessions/s')).body).toMatchObject({ status: 'completed', event_count: 2, first_event_at: '2026-02-24T10:00:00' });
});
