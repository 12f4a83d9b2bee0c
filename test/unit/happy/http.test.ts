import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HappyAccount } from '../../../src/core/systems/happy/account.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { legacyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { HappyError, SessionNotFound } from '../../../src/core/systems/happy/errors.ts';
import { HappyHttp, NEWEST } from '../../../src/core/systems/happy/http.ts';
import { HttpClient } from '../../../src/core/transport/http.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';

const master = Uint8Array.from(randomBytes(32));
const cipher = legacyCipher(master);
const closers: (() => unknown)[] = [];
let server: HappyTestServer;
let token: string;
let api: HappyHttp;
let sessionId: string;

beforeEach(async () => {
  server = await startHappyServer();
  closers.push(() => server.close());
  ({ token } = server.tokenFor(master));
  const http = new HttpClient();
  closers.push(() => http[Symbol.asyncDispose]());
  api = new HappyHttp(http, { serverUrl: server.url, token }, 'test/1', { baseMs: 1, capMs: 5 });
  sessionId = await create();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
async function create(): Promise<string> {
  const answer = await fetch(`${server.url}/v1/sessions`, {
    method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: JSON.stringify({ tag: randomUUID(), metadata: cipher.seal({ a: 1 }), agentState: null, dataEncryptionKey: null }),
  });
  return ((await answer.json()) as { session: { id: string } }).session.id;
}
async function failure(work: Promise<unknown>): Promise<HappyError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HappyError)) throw new Error(`no HappyError but ${String(error)}`, { cause: error });
  return error;
}

/** Every endpoint with what it asks for. */
const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  sessions: () => api.sessions(), activeSessions: () => api.activeSessions(), session: () => api.session(sessionId), machines: () => api.machines(), machine: () => api.machine('none'),
  messages: () => api.messages(sessionId, { before: NEWEST }), send: () => api.send(sessionId, [{ localId: 'a', content: cipher.seal(1) }]), archive: () => api.archiveSession(sessionId),
  delete: () => api.deleteSession(sessionId), deleteMachine: () => api.deleteMachine('none'), profile: () => api.profile(), settings: () => api.settings(), usage: () => api.usage({ groupBy: 'day' }), artifacts: () => api.artifacts(),
};

describe('every endpoint', () => {
  it.each(Object.keys(calls))('%s is answered by the server', async (name) => {
    await calls[name]?.();
    expect(server.unknown).toEqual([]);
  });

  it.each(Object.keys(calls))('%s is asked again after 503, and asked once after 400, 401, 403', async (name) => {
    for (const [status, tries] of [[503, 4], [400, 1], [401, 1], [403, 1]] as const) {
      const before = server.requests.length;
      const fault = server.faults.http({}, { kind: 'status', status }, 9);
      const error = await failure(calls[name]?.() ?? Promise.resolve());
      fault.remove();
      expect(error.code).toBe(status === 503 ? 'server_error' : status === 400 ? 'request_refused' : 'authentication_failed');
      expect(server.requests.length - before, `${name} ${status}`).toBe(tries);
      expect(`${error.message}${JSON.stringify(error)}`).not.toContain(token);
    }
  });

  it('probe asks once, whatever happens', async () => {
    await api.probe();
    server.faults.http({}, { kind: 'status', status: 503 }, 9);
    const before = server.requests.length;
    await failure(api.probe());
    expect(server.requests.length - before).toBe(1);
  });

  it('takes 404 for an answer where it is one', async () => {
    const gone = 'cmaaaaaaaaaaaaaaaaaaaaaaa';
    expect(await api.session(gone)).toBeNull();
    expect(await api.machine(gone)).toBeNull();
    expect(await api.deleteSession(gone)).toBe(false);
    expect(await api.archiveSession(gone)).toBe(false);
    expect(await failure(api.messages(gone, { after: 0 }))).toBeInstanceOf(SessionNotFound);
    expect(await failure(api.send(gone, [{ localId: 'a', content: 'b' }]))).toBeInstanceOf(SessionNotFound);
    for (const bad of ['', '.', '..']) await expect(api.machine(bad)).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(await failure(api.send(sessionId, []))).toMatchObject({ code: 'invalid_argument' });
  });

  it('finds one session in a request, and reads through the list where the server orders ids in another way', async () => {
    for (let count = 0; count < 5; count += 1) await create();
    let before = server.requests.length;
    expect((await api.session(sessionId))?.id).toBe(sessionId);
    expect(server.requests.length - before).toBe(1);
    server.faults.http({ path: '/v2/sessions' }, { kind: 'status', status: 200, body: { sessions: [], nextCursor: null, hasNext: false } });
    before = server.requests.length;
    expect((await api.session(sessionId))?.id).toBe(sessionId);
    expect(server.requests.length - before).toBe(3);
  });

  it('is stopped by an answer that is none of Happy\'s', async () => {
    server.faults.http({ path: '/v2/sessions' }, { kind: 'garbage' });
    expect(await failure(api.sessions())).toMatchObject({ code: 'bad_answer' });
    server.faults.http({ path: '/v2/sessions' }, { kind: 'status', status: 200, body: { other: true } });
    expect(await failure(api.sessions())).toMatchObject({ code: 'bad_answer' });
    server.faults.http({ path: '/v2/sessions' }, { kind: 'status', status: 200, body: { sessions: [{ id: 1 }, { id: 'x', metadata: 'm', metadataVersion: 1, extra: { kept: true } }], hasNext: false } });
    expect(await api.sessions()).toMatchObject({ bad: 1, rows: [{ id: 'x', agentState: null, extra: { kept: true } }], next: null });
  });
});

describe('files', () => {
  it('go up and come down as they were', async () => {
    const file = await cipher.sealBlob(Uint8Array.from(randomBytes(1_000)));
    const ref = await api.upload(sessionId, 'a.png', file);
    expect(ref).toMatch(new RegExp(`^sessions/${sessionId}/attachments/`));
    expect(Buffer.from(await api.download(sessionId, ref)).equals(file)).toBe(true);
    expect(await failure(api.upload(sessionId, 'a', new Uint8Array(10 * 1024 * 1024 + 1)))).toMatchObject({ code: 'too_large' });
  });

  it.each(['PUT', 'POST'] as const)('are given to another host without our token (%s)', async (method) => {
    const seen: { readonly method: string | undefined; readonly token: string | undefined; readonly body: string }[] = [];
    const store = createServer((request, response) => {
      void (async () => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        seen.push({ method: request.method, token: request.headers.authorization, body: Buffer.concat(chunks).toString('latin1') });
        response.end('stored');
      })();
    });
    await new Promise<void>((resolve) => {
      store.listen(0, '127.0.0.1', resolve);
    });
    closers.push(() => new Promise((resolve) => {
      store.close(resolve);
      store.closeAllConnections();
    }));
    const uploadUrl = `http://127.0.0.1:${(store.address() as AddressInfo).port}/bucket`;
    server.faults.http({ path: /request-upload$/ }, { kind: 'status', status: 200, body: { ref: 'sessions/x', uploadUrl, method, ...(method === 'POST' ? { formFields: { key: 'sessions/x', policy: 'p' } } : {}) } });
    expect(await api.upload(sessionId, 'a.txt', Buffer.from('sealed bytes'))).toBe('sessions/x');
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method, token: undefined });
    expect(seen[0]?.body).toContain('sealed bytes');
    if (method === 'POST') expect(seen[0]?.body).toMatch(/name="policy"\r\n\r\np\r\n[^]*name="file"/);
    server.faults.http({ path: /request-download$/ }, { kind: 'status', status: 200, body: { downloadUrl: uploadUrl } });
    expect(Buffer.from(await api.download(sessionId, 'sessions/x')).toString()).toBe('stored');
    expect(seen[1]?.token).toBeUndefined();
  });
});

/** P3 on the wire: pushes lost, doubled and held back, sockets dropped, requests failing, others and ourselves writing. */
describe('P3 against the loopback server', () => {
  const runs = process.env['PILOTHOUSE_LONG'] === '1' ? 60 : 4;
  const step = fc.oneof(
    fc.constantFrom('append', 'append', 'append', 'burn', 'send', 'drop socket', 'fail', 'cut'),
    fc.constantFrom('lose pushes', 'double pushes', 'hold pushes', 'heal'),
  );
  it(`holds for ${runs} lives`, { timeout: 20_000 + runs * 5_000 }, async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const id = await create();
      const account = new HappyAccount({ credentials: explicitCredentials({ token, secret: toBase64(master) }, { serverUrl: server.url, env: {} }), timing: { firstDelay: 10, lastDelay: 40 } });
      try {
        const using = account.sync(id, cipher);
        const { sync } = using;
        const told: number[] = [];
        sync.onMessages.on((messages) => told.push(...messages.map((message) => message.seq)));
        await account.socket.online({ timeoutMs: 5_000 });
        const paged = (await sync.open()).map((message) => message.seq);
        const path = new RegExp(`^/v3/sessions/${id}/messages$`);
        for (const one of steps) {
          if (one === 'append') server.append(id, cipher.seal({ role: 'agent', content: randomUUID() }));
          else if (one === 'burn') server.burnSeq(id);
          else if (one === 'send') {
            const mark = sync.watermark;
            const [sent] = await account.api.send(id, [{ localId: randomUUID(), content: cipher.seal('mine') }]);
            sync.sent(sent?.seq ?? 0);
            if (mark === null) throw new Error('not open');
          } else if (one === 'drop socket') server.dropSockets();
          else if (one === 'fail') server.faults.http({ method: 'GET', path }, { kind: 'status', status: 502 });
          else if (one === 'cut') server.faults.http({ method: 'GET', path }, { kind: 'cut' });
          else if (one === 'lose pushes') server.faults.pushes('drop', undefined, 2);
          else if (one === 'double pushes') server.faults.pushes('twice', undefined, 2);
          else if (one === 'hold pushes') {
            const held = server.faults.pushes('hold', undefined, 3);
            setTimeout(() => held.release('reversed'), 15);
          } else await new Promise((resolve) => {
            setTimeout(resolve, 5);
          });
        }
        await new Promise((resolve) => {
          setTimeout(resolve, 20);
        });
        server.faults.clear();
        server.dropSockets();
        const stored = server.messages(id).map((message) => message.seq);
        const top = Math.max(0, ...stored);
        await account.socket.online({ timeoutMs: 5_000 });
        await sync.catchUp();
        expect(sync.watermark).toBe(top);
        expect(Array.from(new Set([...paged, ...told])).sort((a, b) => a - b)).toEqual(stored);
        expect(new Set(told).size).toBe(told.length);
        using.dispose();
      } finally {
        await account[Symbol.asyncDispose]();
      }
    }), { numRuns: runs });
  });
});
