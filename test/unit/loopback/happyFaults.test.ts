import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHappyServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { request, soon, startLab, type Account, type Lab } from './happyClient.ts';

let lab: Lab;
let account: Account;
let sid: string;
beforeEach(async () => {
  lab = await startLab({ times: happyTimes(100) });
  account = lab.account();
  const { body } = await account.http('POST', '/v1/sessions', { tag: 't', metadata: 'bQ==' });
  sid = (body as { session: { id: string } }).session.id;
});
afterEach(() => lab.close());

const path = () => `/v3/sessions/${sid}/messages`;
const post = (localId: string) => account.http('POST', path(), { messages: [{ localId, content: 'Yw==' }] });
const stored = () => lab.server.messages(sid).map(({ localId }) => localId);

describe('requests that go wrong', () => {
  it('are dropped before or after they take effect, as often as was asked', async () => {
    const before = lab.server.faults.http({ method: 'POST', path: path() }, { kind: 'drop', when: 'before' }, 2);
    await expect(post('a')).rejects.toThrow();
    await expect(post('a')).rejects.toThrow();
    expect([stored(), before.hits]).toEqual([[], 2]);
    lab.server.faults.http({ path: /messages$/ }, { kind: 'drop', when: 'after' });
    await expect(post('b')).rejects.toThrow();
    expect(stored()).toEqual(['b']);
    expect((await post('b')).status).toBe(200);
    expect(stored()).toEqual(['b']);
    expect(lab.server.requests.filter((call) => call.path === path()).map(({ status, fault }) => [status, fault])).toEqual([[null, 'drop'], [null, 'drop'], [null, 'drop'], [200, null]]);
    expect(lab.server.count({ method: 'POST', path: path() })).toBe(4);
  });

  it('get another status, applied or not', async () => {
    lab.server.faults.http({ path: path() }, { kind: 'status', status: 429, headers: { 'retry-after': '3' } });
    lab.server.faults.http({ path: path() }, { kind: 'status', status: 500, applied: true });
    expect((await post('a')).status).toBe(429);
    expect(stored()).toEqual([]);
    expect((await post('a')).status).toBe(500);
    expect(stored()).toEqual(['a']);
  });

  it('are delayed, cut, stalled, replaced by a page', async () => {
    lab.server.faults.http({ path: '/v1/sessions' }, { kind: 'delay', ms: 60 });
    const start = performance.now();
    expect((await account.http('GET', '/v1/sessions')).status).toBe(200);
    expect(performance.now() - start).toBeGreaterThanOrEqual(55);
    lab.server.faults.http({ path: '/v1/sessions' }, { kind: 'cut' });
    await expect(account.http('GET', '/v1/sessions')).rejects.toThrow();
    lab.server.faults.http({ path: '/v1/sessions' }, { kind: 'garbage' });
    expect((await account.http('GET', '/v1/sessions')).body).toMatch(/^<!doctype html>/);
    lab.server.faults.http({ path: '/v1/sessions' }, { kind: 'stall' });
    const stalled = await fetch(`${lab.server.url}/v1/sessions`, { headers: { authorization: `Bearer ${account.token}` }, signal: AbortSignal.timeout(200) });
    expect(stalled.status).toBe(200);
    await expect(stalled.text()).rejects.toThrow(/abort|timeout/i);
  });

  it('take effect twice, or are answered twice', async () => {
    lab.server.faults.http({ method: 'POST', path: '/v1/kv' }, { kind: 'duplicate', what: 'request' });
    expect((await account.http('POST', '/v1/kv', { mutations: [{ key: 'k', value: 'dg==', version: -1 }] })).status).toBe(409);
    lab.server.faults.http({ path: path() }, { kind: 'duplicate', what: 'response' });
    expect((await post('a')).status).toBe(200);
    expect((await post('b')).status).toBe(200);
    expect(stored()).toEqual(['a', 'b']);
  });
});

describe('pushes that go wrong', () => {
  it('are lost, doubled, held and sent in another order', async () => {
    const user = await account.socket();
    const message = ({ payload }: { payload: unknown }) => (payload as { body?: { t?: string } }).body?.t === 'new-message';
    const seqs = () => user.updates.map(({ body }) => (body['message'] as { seq: number }).seq);
    const drop = lab.server.faults.pushes('drop', message, 1);
    await post('a');
    await post('b');
    await soon(() => seqs().length === 1);
    expect([seqs(), drop.hits]).toEqual([[2], 1]);
    const twice = lab.server.faults.pushes('twice', message);
    await post('c');
    await soon(() => seqs().length === 3);
    twice.remove();
    const hold = lab.server.faults.pushes('hold', message);
    for (const localId of ['d', 'e', 'f']) await post(localId);
    await user.ask('ping', undefined);
    expect(seqs()).toEqual([2, 3, 3]);
    expect(hold.held).toHaveLength(3);
    hold.release('reversed');
    await soon(() => seqs().length === 6);
    expect(seqs()).toEqual([2, 3, 3, 6, 5, 4]);
    await post('g');
    await soon(() => seqs().at(-1) === 7);
  });

  it('include acknowledgements, of events that took effect or did not', async () => {
    const user = await account.socket();
    const rename = (metadata: string, expectedVersion: number) => user.ask('update-metadata', { sid, metadata, expectedVersion }, 150);
    lab.server.faults.acks({ event: 'update-metadata' }, true);
    lab.server.faults.acks({ event: 'update-metadata', fits: (data) => (data as { sid: string }).sid === sid }, false);
    await expect(rename('one', 0)).rejects.toThrow(/timed out/);
    await expect(rename('two', 1)).rejects.toThrow(/timed out/);
    expect(lab.server.rows().sessions[0]).toMatchObject({ metadata: 'one', metadataVersion: 1 });
    expect(await rename('three', 1)).toMatchObject({ result: 'success', version: 2 });
    expect(lab.server.events.filter(({ event }) => event === 'update-metadata').map(({ fate }) => fate)).toEqual(['unanswered', 'unheard', 'whole']);
  });
});

describe('a server that goes away', () => {
  it('comes back on its port with its data, and its clients find it with their tokens', async () => {
    const user = await account.socket();
    const reasons: string[] = [];
    user.socket.on('disconnect', (reason: string) => reasons.push(reason));
    await post('a');
    const { url } = lab.server;
    await lab.server.down();
    await soon(() => reasons.length === 1);
    expect(reasons).toEqual(['transport close']);
    await expect(account.http('GET', '/v1/sessions')).rejects.toThrow();
    await lab.server.up();
    expect(lab.server.url).toBe(url);
    await soon(() => user.socket.connected);
    await post('b');
    await soon(() => user.updates.some(({ body }) => (body['message'] as { seq: number } | undefined)?.seq === 2));
    expect(stored()).toEqual(['a', 'b']);
  });

  it('has its data and tokens in another process too, when they are kept in a folder', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pilothouse-happy-server-'));
    const master = Buffer.alloc(32, 7);
    try {
      const first = await startHappyServer({ folder });
      const { token, accountId } = first.tokenFor(master);
      const revoked = first.tokenFor(master).token;
      await request(first.url, 'POST', '/v1/sessions', { tag: 't', metadata: 'bQ==', dataEncryptionKey: 'aw==' }, `Bearer ${token}`);
      const [{ id } = { id: '' }] = first.rows().sessions;
      await request(first.url, 'POST', `/v3/sessions/${id}/messages`, { messages: [{ localId: 'l', content: 'Yw==' }] }, `Bearer ${token}`);
      await request(first.url, 'POST', '/v1/auth/request', { publicKey: Buffer.alloc(32, 1).toString('base64'), supportsV2: true });
      first.revoke(revoked);
      const rows = first.rows();
      await first.close();
      const second = await startHappyServer({ folder });
      expect(second.rows()).toEqual(rows);
      expect(second.tokenFor(master).accountId).toBe(accountId);
      expect((await request(second.url, 'GET', `/v3/sessions/${id}/messages`, undefined, `Bearer ${token}`)).status).toBe(200);
      expect((await request(second.url, 'GET', '/v1/sessions', undefined, `Bearer ${revoked}`)).body).toEqual({ error: 'Invalid token' });
      const again = await request(second.url, 'POST', `/v3/sessions/${id}/messages`, { messages: [{ localId: 'l', content: 'eA==' }] }, `Bearer ${token}`);
      expect((again.body as { messages: { seq: number }[] }).messages[0]?.seq).toBe(1);
      await second.close();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('answers nothing while it is frozen and closes nothing, and goes on where it was when it thaws', async () => {
    const user = await account.socket();
    await post('a');
    await soon(() => user.updates.length === 1);
    let closed = false;
    user.socket.on('disconnect', () => { closed = true; });
    lab.server.freeze();
    lab.server.append(sid, 'Yw==', 'b');
    await expect(fetch(`${lab.server.url}/health`, { signal: AbortSignal.timeout(80) })).rejects.toThrow();
    await expect(user.ask('ping', undefined, 80)).rejects.toThrow(/timed out/);
    expect([closed, user.updates.length]).toEqual([false, 1]);
    lab.server.thaw();
    await soon(() => user.updates.length === 2);
    expect((await fetch(`${lab.server.url}/health`)).status).toBe(200);
  });

  it('revokes a token: 401 over HTTP, and its sockets are refused when they come again', async () => {
    const user = await account.socket();
    const errors: string[] = [];
    user.socket.on('connect_error', (error: Error) => errors.push(error.message));
    lab.server.revoke(account.token);
    await soon(() => errors.includes('Invalid authentication token'));
    expect(await account.http('GET', '/v1/sessions')).toEqual({ status: 401, body: { error: 'Invalid token' } });
    expect(lab.server.sockets()).toEqual([]);
  });
});
