import { MockAgent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HebingClient } from '../../../src/core/systems/hebing/client.ts';
import { HebingError } from '../../../src/core/systems/hebing/errors.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';
import type { Loopback } from '../../loopback/server.ts';
import { listen, sendJson } from '../../loopback/server.ts';

let server: HebingTestServer;
let elsewhere: Loopback;
let answers: (readonly [status: number, headers?: Record<string, string>])[];
let client: HebingClient;
let key: string;
beforeEach(async () => {
  server = await startHebingServer();
  answers = [];
  elsewhere = await listen(({ response }) => {
    const [status, headers] = answers.shift() ?? [200];
    sendJson(response, status, { from: 'elsewhere' }, headers);
    return Promise.resolve();
  });
  ({ key } = server.newAgent());
  client = new HebingClient({ apiKey: key, baseUrl: server.url, env: {}, retry: { baseMs: 1, capMs: 2 } });
});
afterEach(async () => {
  await client[Symbol.asyncDispose]();
  await server.close();
  await elsewhere.close();
});
async function failure(work: Promise<unknown>): Promise<HebingError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HebingError)) throw new Error(`no HebingError but ${String(error)}`, { cause: error });
  return error;
}

describe('an artifact', () => {
  it('is fetched with the key from hebing itself, by a whole address or a path', async () => {
    server.files.set('a b.png', { type: 'image/png', bytes: Uint8Array.of(1, 2, 255) });
    for (const url of [server.fileUrl('a b.png'), '/files/a%20b.png']) expect(await client.artifact(url)).toEqual({ bytes: Buffer.from([1, 2, 255]), contentType: 'image/png' });
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${key}`, `Bearer ${key}`]);
  });

  it('is fetched without the key from anywhere else, also when hebing sends there', async () => {
    expect(new TextDecoder().decode((await client.artifact(`${elsewhere.url}/x?sig=1`)).bytes)).toBe('{"from":"elsewhere"}');
    answers.push([302, { location: `${elsewhere.url}/next` }]);
    await client.artifact(`${elsewhere.url}/first`);
    expect(elsewhere.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([['/x', undefined], ['/first', undefined], ['/next', undefined]]);
    server.faults.add('GET', '/there', { kind: 'status', status: 307, headers: { location: `${elsewhere.url}/moved` } });
    await client.artifact(`${server.url}/there`);
    expect([server.requests.at(-1)?.headers.authorization, elsewhere.requests.at(-1)?.headers.authorization]).toEqual([`Bearer ${key}`, undefined]);
  });

  it('is asked for again after what may pass, and fails with a code', async () => {
    answers.push([503], [429, { 'retry-after': '0' }]);
    expect((await client.artifact(elsewhere.url)).contentType).toBe('application/json');
    expect(elsewhere.requests).toHaveLength(3);
    answers.push([404]);
    expect(await failure(client.artifact(elsewhere.url))).toMatchObject({ status: 404, code: 'not_found' });
    expect(await failure(client.artifact(elsewhere.url, { maxBytes: 5 }))).toMatchObject({ code: 'bad_answer' });
    answers.push(...Array.from({ length: 9 }, () => [302, { location: '/again' }] as const));
    expect(await failure(client.artifact(elsewhere.url))).toMatchObject({ code: 'bad_answer', message: expect.stringContaining('without end') as string });
    answers.length = 0;
    const stop = new AbortController();
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(client.artifact(elsewhere.url, { signal: stop.signal })).rejects.toBe(reason);
  });

  it.each(['file:///etc/passwd', 'data:text/plain,x', 'javascript:alert(1)', 'command:x', 'http://user:pw@127.0.0.1/x', 'http://'])('is refused at %s', async (url) => {
    expect(await failure(client.artifact(url))).toMatchObject({ code: 'invalid_argument' });
  });

  it('is not of this computer where hebing is elsewhere, also not behind a redirect', async () => {
    const mock = new MockAgent();
    mock.disableNetConnect();
    mock.get('https://hebing.example.org').intercept({ path: '/there' }).reply(302, '', { headers: { location: `${elsewhere.url}/admin` } });
    await using remote = new HebingClient({ apiKey: key, baseUrl: 'https://hebing.example.org/api/v1', env: {}, dispatcher: mock });
    for (const url of [`${elsewhere.url}/x`, 'http://localhost:80/x', 'http://[::1]/x', '/there']) expect(await failure(remote.artifact(url))).toMatchObject({ code: 'invalid_argument' });
    expect(elsewhere.requests).toEqual([]);
    await mock.close();
  });
});
