import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { happyTimes } from '../../loopback/happy/times.ts';
import { connect, soon, startLab, type Account, type Lab } from './happyClient.ts';

const machineId = 'm-1';
let lab: Lab;
let account: Account;
let sid: string;
beforeEach(async () => {
  // A hundred times as fast: a grace of 150 ms for RPC, an answer within 300 ms, deaf for 600 ms, inactive after 6 s.
  lab = await startLab({ times: happyTimes(100) });
  account = lab.account();
  sid = await session('one');
});
afterEach(() => lab.close());

async function session(tag: string): Promise<string> {
  const { body } = await account.http('POST', '/v1/sessions', { tag, metadata: 'bQ==' });
  return (body as { session: { id: string } }).session.id;
}

const post = (localId: string, content = 'Yw==') => account.http('POST', `/v3/sessions/${sid}/messages`, { messages: [{ localId, content }] });
const row = () => lab.server.rows().sessions.find(({ id }) => id === sid);

describe('coming in', () => {
  it.each([
    [{}, 'Missing authentication token'],
    [{ token: 'nope' }, 'Invalid authentication token'],
    [{ token: 'x', clientType: 'session-scoped' }, 'Session ID required for session-scoped clients'],
    [{ token: 'x', clientType: 'machine-scoped' }, 'Machine ID required for machine-scoped clients'],
  ])('%j is refused with %j', async (auth, reason) => {
    const { socket } = connect(lab.server.url, auth);
    const error = await new Promise<Error>((resolve) => { socket.on('connect_error', resolve); });
    socket.disconnect();
    expect(error.message).toBe(reason);
    expect(lab.server.refusals.at(-1)?.reason).toBe(reason);
  });

  it('takes the token of another server for invalid', async () => {
    const other = await startLab();
    const { token } = other.account();
    const answer = await fetch(`${lab.server.url}/v1/sessions`, { headers: { authorization: `Bearer ${token}` } });
    await other.close();
    expect([answer.status, await answer.json()]).toEqual([401, { error: 'Invalid token' }]);
  });

  it('puts clients into the rooms of their kind, user-scoped when they do not say', async () => {
    await account.socket({ appState: 'active', happyClient: 'test/1' });
    await account.socket({ clientType: 'session-scoped', sessionId: sid });
    await account.socket({ clientType: 'machine-scoped', machineId });
    const kinds = lab.server.sockets().map((socket) => [socket.clientType, socket.appState, socket.happyClient, socket.rooms.filter((room) => room.startsWith('user:')).at(-1)?.replace(`user:${account.id}:`, '')]);
    expect(kinds).toEqual([
      ['user-scoped', 'active', 'test/1', 'user-scoped'], ['session-scoped', undefined, undefined, `session:${sid}`], ['machine-scoped', undefined, undefined, `machine:${machineId}`],
    ]);
  });

  it('tells user-scoped clients that a machine comes and goes', async () => {
    const user = await account.socket();
    const daemon = await account.socket({ clientType: 'machine-scoped', machineId });
    await soon(() => user.ephemerals.some((each) => each.type === 'machine-activity' && each['active'] === true && each['id'] === machineId));
    daemon.socket.disconnect();
    await soon(() => user.ephemerals.some((each) => each.type === 'machine-activity' && each['active'] === false));
    expect(daemon.ephemerals).toEqual([]);
  });
});

describe('messages', () => {
  it('over HTTP reach everyone who follows, the sender too, once for a localId', async () => {
    const user = await account.socket();
    const follower = await account.socket({ clientType: 'session-scoped', sessionId: sid });
    const elsewhere = await account.socket({ clientType: 'session-scoped', sessionId: await session('two') });
    const first = await post('l1');
    const again = await post('l1', 'b3RoZXI=');
    await post('l2');
    expect(again).toEqual(first);
    await soon(() => user.updates.filter(({ body }) => body.t === 'new-message').length === 2);
    await soon(() => follower.updates.length === 2);
    expect(elsewhere.updates).toEqual([]);
    expect(lab.server.messages(sid).map(({ seq, localId, content }) => [seq, localId, content])).toEqual([[1, 'l1', 'Yw=='], [2, 'l2', 'Yw==']]);
  });

  it('in one request collapse to the first of a localId and keep their order', async () => {
    const messages = ['a', 'b', 'a', 'c'].map((localId, index) => ({ localId, content: `Yw${index}=` }));
    const { body } = await account.http('POST', `/v3/sessions/${sid}/messages`, { messages });
    expect((body as { messages: { localId: string; seq: number }[] }).messages.map(({ localId, seq }) => [localId, seq])).toEqual([['a', 1], ['b', 2], ['c', 3]]);
    expect(lab.server.messages(sid)[0]?.content).toBe('Yw0=');
  });

  it('over the socket are not acknowledged nor echoed, and a duplicate burns its numbers', async () => {
    const sender = await account.socket();
    const other = await account.socket();
    for (const localId of ['l1', 'l1', 'l2']) sender.socket.emit('message', { sid, message: 'Yw==', localId });
    sender.socket.emit('message', { sid: 'no-such', message: 'Yw==' });
    await soon(() => other.updates.length === 2);
    const seqs = other.updates.map((update) => [update.seq, (update.body['message'] as { seq: number }).seq]);
    expect(seqs.map(([, seq]) => seq)).toEqual([1, 3]);
    expect((seqs[1]?.[0] ?? 0) - (seqs[0]?.[0] ?? 0)).toBe(2);
    expect(sender.updates).toEqual([]);
    expect(row()?.seq).toBe(3);
  });

  it('come in pages both ways, with holes', async () => {
    for (let index = 1; index <= 7; index += 1) {
      if (index === 4) lab.server.burnSeq(sid);
      await post(`l${index}`);
    }
    const page = async (query: string): Promise<unknown> => {
      const { messages, hasMore } = (await account.http('GET', `/v3/sessions/${sid}/messages?${query}`)).body as { messages: { seq: number }[]; hasMore: boolean };
      return [messages.map(({ seq }) => seq), hasMore];
    };
    expect(await page('after_seq=2&limit=3')).toEqual([[3, 5, 6], true]);
    expect(await page('after_seq=6&limit=3')).toEqual([[7, 8], false]);
    expect(await page('before_seq=2147483647&limit=4')).toEqual([[8, 7, 6, 5], true]);
    expect(await page('before_seq=5&limit=4')).toEqual([[3, 2, 1], false]);
  });
});

describe('versions', () => {
  it('let one of two writers win; the other hears what it had read itself', async () => {
    const [one, two] = [await account.socket(), await account.socket()];
    lab.server.faults.slowDatabase(30);
    const answers = await Promise.all([one, two].map((each, index) => each.ask('update-metadata', { sid, metadata: `v${index}`, expectedVersion: 0 })));
    const lost = answers.find(({ result }) => result === 'version-mismatch');
    expect(new Set(answers.map(({ result }) => result))).toEqual(new Set(['success', 'version-mismatch']));
    // The stale snapshot: the version that was expected, and the value before either write.
    expect(lost).toEqual({ result: 'version-mismatch', version: 0, metadata: 'bQ==' });
    lab.server.faults.slowDatabase(0);
    expect(await two.ask('update-metadata', { sid, metadata: 'v2', expectedVersion: 0 })).toMatchObject({ result: 'version-mismatch', version: 1 });
    await soon(() => one.updates.some(({ body }) => body.t === 'update-session'));
    expect(row()).toMatchObject({ metadataVersion: 1 });
  });

  it('are never spoken of to a stranger: no answer at all for an unknown session', async () => {
    const stranger = await lab.account().socket();
    await expect(stranger.ask('update-metadata', { sid, metadata: 'x', expectedVersion: 0 }, 150)).rejects.toThrow(/timed out/);
    expect(row()?.metadata).toBe('bQ==');
  });
});

describe('presence', () => {
  it('goes from a heartbeat to user-scoped clients at once and to the row at the next flush', async () => {
    const user = await account.socket();
    const agent = await account.socket({ clientType: 'session-scoped', sessionId: sid });
    await new Promise((resolve) => { setTimeout(resolve, 320); });
    const time = Date.now();
    agent.socket.emit('session-alive', { sid, time, thinking: true });
    await soon(() => user.ephemerals.some((each) => each.type === 'activity' && each['thinking'] === true && each['activeAt'] === time));
    expect(agent.ephemerals).toEqual([]);
    await soon(() => row()?.activeAt === time);
  });

  it('is deaf to a session that was archived, for a while, unless it comes back by its tag', async () => {
    const user = await account.socket();
    const alive = (): void => void user.socket.emit('session-alive', { sid, time: Date.now(), thinking: false });
    expect((await account.http('POST', `/v1/sessions/${sid}/archive`)).status).toBe(200);
    alive();
    await user.ask('ping', undefined);
    expect(user.ephemerals.map((each) => each['active'])).toEqual([false]);
    expect(row()?.active).toBe(false);
    await session('one');
    alive();
    await soon(() => user.ephemerals.at(-1)?.['active'] === true);
    user.socket.emit('session-end', { sid, time: Date.now() });
    await soon(() => user.ephemerals.at(-1)?.['active'] === false);
    alive();
    await user.ask('ping', undefined);
    expect(user.ephemerals.at(-1)?.['active']).toBe(false);
    await new Promise((resolve) => { setTimeout(resolve, 620); });
    alive();
    await soon(() => user.ephemerals.at(-1)?.['active'] === true);
  });

  it('ends by silence, and ignores what is too old or from the future', async () => {
    const quick = await startLab({ times: happyTimes(100, { inactiveAfter: 150, inactiveCheck: 30, tooOld: 1_000 }) });
    const mine = quick.account();
    const { body } = await mine.http('POST', '/v1/sessions', { tag: 't', metadata: 'bQ==' });
    const { id } = (body as { session: { id: string } }).session;
    const user = await mine.socket();
    user.socket.emit('session-alive', { sid: id, time: Date.now() - 2_000 });
    user.socket.emit('session-alive', { sid: id, time: Date.now() + 60_000 });
    await soon(() => user.ephemerals.length > 0);
    expect(user.ephemerals[0]?.['activeAt']).toBeLessThanOrEqual(Date.now());
    await soon(() => user.ephemerals.at(-1)?.['active'] === false);
    expect(quick.server.rows().sessions[0]?.active).toBe(false);
    await quick.close();
  });

  it('suppresses pushes to the phone only while a user-scoped client says that it is active', async () => {
    await account.http('POST', '/v1/push-tokens', { token: 'ExponentPushToken[x]' });
    const push = async () => ((await account.http('POST', `/v1/sessions/${sid}/push-event`, { kind: 'permission', title: 'Bash', body: 'p' })).body as { result: string }).result;
    const user = await account.socket({ appState: 'background' });
    await account.socket({ clientType: 'session-scoped', sessionId: sid, appState: 'active' });
    expect(await push()).toBe('sent');
    user.socket.emit('app-state', { state: 'active' });
    await user.ask('ping', undefined);
    expect(await push()).toBe('suppressed');
    await soon(() => user.ephemerals.filter((each) => each.type === 'session-event').length === 2);
    expect(lab.server.pushes.map(({ result }) => result)).toEqual(['sent', 'suppressed']);
  });
});

describe('calls', () => {
  it('wait for a method that comes within the grace, and are forwarded as they are', async () => {
    const caller = await account.socket();
    const owner = await account.socket();
    owner.socket.on('rpc-request', (request: unknown, answer: (result: unknown) => void) => answer({ echoed: request }));
    const call = caller.ask('rpc-call', { method: 'm:late', params: 'cA==' });
    await new Promise((resolve) => { setTimeout(resolve, 40); });
    owner.socket.emit('rpc-register', { method: 'm:late' });
    expect(await call).toEqual({ ok: true, result: { echoed: { method: 'm:late', params: 'cA==' } } });
    expect(await owner.ask('rpc-call', { method: 'm:late', params: '' })).toEqual({ ok: false, error: 'Cannot call RPC on the same socket' });
    owner.socket.emit('rpc-unregister', { method: 'm:late' });
    await owner.ask('ping', undefined);
    const start = performance.now();
    expect(await caller.ask('rpc-call', { method: 'm:late', params: '' })).toEqual({ ok: false, error: 'RPC method not available' });
    expect(performance.now() - start).toBeGreaterThanOrEqual(140);
  });

  it('do not cross accounts', async () => {
    const owner = await lab.account().socket();
    owner.socket.emit('rpc-register', { method: 'm:mine' });
    await owner.ask('ping', undefined);
    expect(await (await account.socket()).ask('rpc-call', { method: 'm:mine', params: '' })).toEqual({ ok: false, error: 'RPC method not available' });
  });

  it('go to the client that registered first', async () => {
    const caller = await account.socket();
    for (const name of ['first', 'second']) {
      const owner = await account.socket();
      owner.socket.on('rpc-request', (_: unknown, answer: (result: string) => void) => answer(name));
      owner.socket.emit('rpc-register', { method: 'm:x' });
      await owner.ask('ping', undefined);
    }
    expect(await caller.ask('rpc-call', { method: 'm:x', params: '' })).toEqual({ ok: true, result: 'first' });
  });
});

describe('limits', () => {
  it('end a socket whose frame has more than 1,000,000 bytes, and take one that has less', async () => {
    const sender = await account.socket();
    const reasons: string[] = [];
    sender.socket.on('disconnect', (reason: string) => reasons.push(reason));
    sender.socket.emit('message', { sid, message: 'x'.repeat(900_000) });
    await soon(() => lab.server.messages(sid).length === 1);
    expect(reasons).toEqual([]);
    sender.socket.emit('message', { sid, message: 'x'.repeat(1_100_000) });
    await soon(() => reasons.length === 1);
    expect(lab.server.messages(sid)).toHaveLength(1);
  });

  it('of lists are 150 sessions, with pages by cursor for the rest', async () => {
    for (let index = 0; index < 155; index += 1) await session(`s${index}`);
    // What happened within one millisecond has no order.
    await new Promise((resolve) => setTimeout(resolve, 5));
    await post('l1');
    const { sessions } = (await account.http('GET', '/v1/sessions')).body as { sessions: { id: string }[] };
    expect(sessions).toHaveLength(150);
    expect(sessions[0]?.id).toBe(sid);
    const ids: string[] = [];
    for (let cursor: string | null = '', count = 0; cursor !== null && count < 9; count += 1) {
      const page = (await account.http('GET', `/v2/sessions?limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`)).body as { sessions: { id: string }[]; nextCursor: string | null };
      ids.push(...page.sessions.map(({ id }) => id));
      cursor = page.nextCursor;
    }
    expect(ids).toHaveLength(156);
    expect(ids).toEqual([...new Set(ids)].sort().reverse());
    expect(ids.at(-1)).toBe(sid);
    const { updatedAt } = row() ?? { updatedAt: 0 };
    const changed = (await account.http('GET', `/v2/sessions?changedSince=${updatedAt - 1}`)).body as { sessions: { id: string }[] };
    expect(changed.sessions.map(({ id }) => id)).toContain(sid);
  });
});
