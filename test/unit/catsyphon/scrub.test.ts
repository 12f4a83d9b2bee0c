import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scrubbed } from '../../../src/core/systems/catsyphon/scrub.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';
import { clientOf, failure, fast, message } from './rig.ts';

let server: CatsyphonTestServer;
beforeAll(async () => {
  server = await startCatsyphonServer();
});
afterAll(() => server.close());

it.each([
  [{ content: 'use sk-ant-REDACTED1234567890 now' }, 'sk-ant-REDACTED1234567890'], [{ parameters: { api_key: 'plainwords' } }, 'plainwords'], [{ parameters: { env: { DB_PASSWORD: 'correct horse' } } }, 'correct horse'],
  [{ parameters: { args: ['--token', 'plainwords', '--verbose'] } }, 'plainwords'], [{ parameters: { env: [{ name: 'API_TOKEN', value: 'plainwords' }] } }, 'plainwords'], [{ parameters: { credentials: { user: 'anna', pass: ['p1', 'p2secret'] } } }, 'p2secret'],
  [{ parameters: { password: 12345678 } }, '12345678'], [{ result: 'Authorization: Bearer abcdefghijklmnop' }, 'abcdefghijklmnop'], [{ raw_data: { deep: [{ headers: { cookie: 'session=abcd' } }] } }, 'session=abcd'],
  [{ parameters: { url: 'https://anna:hunter22@example.org/x' } }, 'hunter22'],
])('%j is shipped without its secret', (data, secret) => {
  const clean = scrubbed(data);
  expect(JSON.stringify(clean)).not.toContain(secret);
  expect(scrubbed(clean)).toEqual(clean);
});

it('leaves alone what is no secret', () => {
  const data = { content: 'The token limit is 5 of 10.', token_usage: { input_tokens: 123_456, output_tokens: 7 }, tool_use_id: 'toolu_1', parameters: { file_path: '/a/b.ts', args: ['-v', 'word'], count: 3, flag: true, none: null, max_tokens: 4_096 }, stop_reason: 'end_turn' };
  expect(scrubbed(data)).toEqual(data);
});

it('takes out what a database fails on', () => {
  expect(scrubbed({ content: 'a\u0000b\uD800c\u{1F600}', parameters: { 'k\u0000': ['\uDC00'] } })).toEqual({ content: 'ab\uFFFDc\u{1F600}', parameters: { k: ['\uFFFD'] } });
});

/** P11, of what leaves for CatSyphon: whatever it stands in, and whatever the server says of it. */
it('lets no secret into what is sent, into errors or into what is parked', { timeout: 120_000 }, async () => {
  const canary = fc.tuple(fc.constantFrom('sk-live-', 'ghp_', 'glpat-', 'xoxb-', 'AKIA'), fc.stringMatching(/^[A-Z0-9]{20}$/)).map(([kind, rest]) => `${kind}${rest}`);
  const around = fc.tuple(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 })).map(([left, right]) => [`${left} `, ` ${right}`] as const);
  const place = fc.constantFrom('content', 'parameters', 'result', 'error', 'thinking', 'details', 'key');
  const collector = server.newCollector();
  await using client = clientOf(server, collector, { retry: { ...fast, maxRetries: 0 } });
  let run = 0;
  await fc.assert(fc.asyncProperty(canary, around, place, async (secret, [left, right], where) => {
    const words = `${left}${secret}${right}`;
    run += 1;
    const event = {
      content: message(words), parameters: { type: 'tool_call', data: { tool_name: 'Bash', tool_use_id: 'a', parameters: { deep: [{ command: words }] } } }, result: { type: 'tool_result', data: { tool_use_id: 'a', result: words } },
      error: { type: 'error', data: { message: words } }, thinking: { type: 'thinking', data: { content: words } }, details: { type: 'error', data: { message: 'x', details: { list: [words] } } },
      key: { type: 'tool_call', data: { tool_name: 'Bash', tool_use_id: 'a', parameters: { secret_key: words } } },
    }[where];
    const first = server.requests.length;
    const report = await client.sendEvents(`s${run}`, [event as never]);
    server.faults.add(/events$/, { kind: 'status', status: 422, body: { detail: [{ type: 'x', loc: ['body', 'events', 0], msg: `bad ${words}`, input: words }] } });
    const parked = await client.sendEvents(`s${run}`, [event as never]);
    server.faults.add(/events$/, { kind: 'status', status: 400, body: { detail: words } });
    const error = await failure(client.sendEvents(`s${run}`, [event as never]));
    const sent = server.requests.slice(first).map((one) => JSON.stringify(one.body)).join('');
    expect(parked.parked).toHaveLength(1);
    for (const text of [sent, JSON.stringify(report), JSON.stringify(parked), inspect(error, { depth: 9 })]) expect(text).not.toContain(secret);
  }), { numRuns: 1_000 });
});
