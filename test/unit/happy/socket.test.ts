import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HappyAccount } from '../../../src/core/systems/happy/account.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import type { Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { AuthenticationError, ConnectionError, EncryptionError, HappyError, MachineOfflineError, TimeoutError } from '../../../src/core/systems/happy/errors.ts';
import { callRpc, RpcRefused, SessionUnreachable } from '../../../src/core/systems/happy/rpc.ts';
import { HappySocket, NotSentError } from '../../../src/core/systems/happy/socket.ts';
import type { SocketOptions, SocketState } from '../../../src/core/systems/happy/socket.ts';
import { startProxy } from '../../loopback/happy/proxy.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { FakeDaemon } from './fakeDaemon.ts';

let server: HappyTestServer;
let token: string;
const master = Uint8Array.from(randomBytes(32));
const closers: (() => unknown)[] = [];
beforeEach(async () => {
  server = await startHappyServer({ times: happyTimes(1, { rpcGrace: 300, rpcGracePoll: 20, rpcPresencePoll: 50, rpcAnswer: 800 }) });
  ({ token } = server.tokenFor(master));
  closers.push(() => server.close());
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const quick = { silence: 300, pong: 200, firstDelay: 40, lastDelay: 120, lastVisibleDelay: 80, beat: 50, jump: 60_000 };
function socketTo(url: string, more: Partial<SocketOptions> = {}): { readonly socket: HappySocket; readonly states: SocketState[] } {
  const socket = new HappySocket({ credentials: { serverUrl: url, token }, client: 'test/1', probe: () => Promise.resolve(), timing: quick, ...more });
  const states: SocketState[] = [];
  socket.onState.on((state) => states.push(state));
  closers.push(() => socket.stop());
  return { socket, states };
}
const until = async (look: () => boolean, what: string, ms = 4_000): Promise<void> => {
  const end = performance.now() + ms;
  while (!look()) {
    if (performance.now() > end) throw new Error(`${what} did not come`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
};
async function failure(work: Promise<unknown>): Promise<HappyError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HappyError)) throw new Error(`no HappyError but ${String(error)}`, { cause: error });
  return error;
}

describe('the socket', () => {
  it('says what the person looks at, at every connection and in between', async () => {
    const { socket } = socketTo(server.url);
    await socket.online({ timeoutMs: 3_000 });
    const state = (): unknown => server.sockets()[0]?.appState;
    await until(() => state() === 'background', 'background');
    socket.setAttention({ active: true, visible: true });
    await until(() => state() === 'active', 'active');
    await server.restart();
    await until(() => server.sockets().length === 1, 'the way back');
    expect(state(), 'said in the handshake').toBe('active');
    socket.setAttention({ active: false, visible: true });
    await until(() => state() === 'background', 'background again');
    expect(server.sockets()[0]).toMatchObject({ clientType: 'user-scoped', happyClient: 'test/1' });
  });

  it('says what changed while it connected', async () => {
    const proxy = await startProxy(server.url);
    closers.push(() => proxy.close());
    proxy.add({ kind: 'latency', ms: 300 }, { direction: 'down' });
    const { socket } = socketTo(proxy.url, { timing: { ...quick, connect: 5_000 } });
    socket.start();
    await until(() => server.sockets().length === 1, 'the handshake');
    expect(socket.state.status).toBe('reconnecting');
    socket.setAttention({ active: true, visible: true });
    await until(() => server.sockets()[0]?.appState === 'active', 'active');
  });

  it('comes back after a restart, and says so', async () => {
    const { socket, states } = socketTo(server.url);
    await socket.online({ timeoutMs: 3_000 });
    await server.restart(200);
    await until(() => states.length >= 4, 'the way back');
    expect(states.map((one) => one.status)).toEqual(['reconnecting', 'online', 'reconnecting', 'online']);
    socket.stop();
    expect(socket.state).toEqual({ status: 'offline', refusal: null });
  });

  it('never comes again after a refusal', async () => {
    const { socket, states } = socketTo(server.url, { credentials: { serverUrl: server.url, token: 'nonsense' } });
    expect(await failure(socket.online({ timeoutMs: 3_000 }))).toBeInstanceOf(AuthenticationError);
    await new Promise((resolve) => {
      setTimeout(resolve, 400);
    });
    expect(server.refusals).toHaveLength(1);
    expect(states.at(-1)).toMatchObject({ status: 'offline', refusal: { code: 'authentication_failed' } });
  });

  it('is refused when its token is revoked in mid-connection', async () => {
    const { socket } = socketTo(server.url);
    await socket.online({ timeoutMs: 3_000 });
    server.revoke(token);
    await until(() => socket.state.refusal !== null, 'the refusal');
    expect(socket.state.status).toBe('offline');
  });

  it.each([true, false])('notices a half-open connection while something is visible (%s), long before the protocol does', async (visible) => {
    const proxy = await startProxy(server.url);
    closers.push(() => proxy.close());
    const { socket, states } = socketTo(proxy.url);
    await socket.online({ timeoutMs: 3_000 });
    socket.setAttention({ active: visible, visible });
    const heal = proxy.add({ kind: 'blackhole' });
    await new Promise((resolve) => {
      setTimeout(resolve, 1_200);
    });
    expect(states.at(-1)?.status).toBe(visible ? 'reconnecting' : 'online');
    if (!visible) return;
    heal();
    proxy.resetAll();
    await until(() => socket.state.status === 'online', 'the way back', 5_000);
  });

  it('asks a quiet connection that lives, and keeps it', async () => {
    const { socket, states } = socketTo(server.url);
    await socket.online({ timeoutMs: 3_000 });
    socket.setAttention({ active: true, visible: true });
    await until(() => server.events.filter((one) => one.event === 'ping').length >= 2, 'two pings');
    expect(states.map((one) => one.status)).toEqual(['reconnecting', 'online']);
    const [first, second] = server.events.filter((one) => one.event === 'ping');
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(250);
  });

  it.each([120_000, -120_000])('begins anew when the clock has jumped: the computer slept, or it was set back (%d)', async (by) => {
    let offset = 0;
    const breaks: number[] = [];
    const clock = { now: () => Date.now() + offset, monotonic: () => performance.now(), setTimeout: (call: () => void, ms: number) => {
      const timer = setTimeout(call, ms);
      return { cancel: () => clearTimeout(timer) };
    } };
    const { socket, states } = socketTo(server.url, { clock, onBreak: () => breaks.push(1) });
    await socket.online({ timeoutMs: 3_000 });
    offset = by;
    await until(() => states.length >= 4, 'the new connection');
    expect(states.map((one) => one.status)).toEqual(['reconnecting', 'online', 'reconnecting', 'online']);
    expect(breaks).toHaveLength(1);
    expect(server.sockets()).toHaveLength(1);
  });

  it('keeps nothing to be sent later, and rejects what waits when the connection goes', async () => {
    const { socket } = socketTo(server.url);
    expect(await failure(socket.ask('ping', {}, { timeoutMs: 500 }))).toBeInstanceOf(NotSentError);
    await socket.online({ timeoutMs: 3_000 });
    const waiting = failure(socket.ask('no-such-event', {}, { timeoutMs: 5_000 }));
    server.dropSockets();
    expect(await waiting).toBeInstanceOf(ConnectionError);
    await socket.online({ timeoutMs: 3_000 });
    expect(await failure(socket.ask('no-such-event', {}, { timeoutMs: 50 }))).toBeInstanceOf(TimeoutError);
    expect(await failure(socket.ask('message', { message: 'x'.repeat(995_000) }, { timeoutMs: 50 }))).toMatchObject({ code: 'too_large' });
    const reason = new Error('enough');
    await expect(socket.ask('ping', {}, { timeoutMs: 50, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(server.events.filter((one) => one.event === 'message')).toHaveLength(0);
    expect(socket.state.status).toBe('online');
  });

  it('gives up waiting for a server that is not there, and goes on trying', async () => {
    await server.down();
    const { socket } = socketTo(server.url);
    expect(await failure(socket.online({ timeoutMs: 300 }))).toBeInstanceOf(ConnectionError);
    expect(socket.state.status).toBe('reconnecting');
    await server.up();
    await socket.online({ timeoutMs: 3_000 });
  });
});

describe('calls', () => {
  let daemon: FakeDaemon;
  let socket: HappySocket;
  let cipher: Cipher;
  beforeEach(async () => {
    daemon = new FakeDaemon(server, master, token);
    closers.push(() => daemon.close());
    await daemon.online();
    ({ socket } = socketTo(server.url));
    cipher = dataKeyCipher(daemon.machineKey);
  });
  const scope = (): { readonly kind: 'machine'; readonly id: string; readonly cipher: Cipher } => ({ kind: 'machine', id: daemon.machineId, cipher });

  it('gives the answer, and null for an empty one', async () => {
    daemon.machine.on('echo', (params) => ({ said: params['text'] ?? null }));
    daemon.machine.on('void', () => undefined);
    expect(await callRpc(socket, scope(), 'echo', { text: 'ä' })).toEqual({ said: 'ä' });
    expect(await callRpc(socket, scope(), 'void', {})).toBeNull();
  });

  it('takes ok: true with an error for the failure that it is', async () => {
    daemon.machine.on('fails', () => ({ error: 'Directory is required' }));
    const error = await failure(callRpc(socket, scope(), 'fails', {}));
    expect(error).toBeInstanceOf(RpcRefused);
    expect(error).toMatchObject({ code: 'rpc_failed', method: 'fails', message: 'fails: Directory is required' });
    daemon.machine.on('half', () => ({ success: false, error: 'ENOENT' }));
    expect(await callRpc(socket, scope(), 'half', {})).toEqual({ success: false, error: 'ENOENT' });
  });

  it('tells who is missing, who is slow, who went away, and what cannot be read', async () => {
    expect(await failure(callRpc(socket, scope(), 'none', {}))).toBeInstanceOf(MachineOfflineError);
    expect(await failure(callRpc(socket, { ...scope(), kind: 'session' }, 'none', {}))).toBeInstanceOf(SessionUnreachable);
    daemon.machine.on('hangs', () => new Promise(() => undefined));
    expect(await failure(callRpc(socket, scope(), 'hangs', {}))).toBeInstanceOf(TimeoutError);
    const going = failure(callRpc(socket, scope(), 'hangs', {}));
    setTimeout(() => daemon.machine.socket.disconnect(), 100);
    expect(await going).toBeInstanceOf(ConnectionError);
    daemon.machine.socket.connect();
    await daemon.machine.online();
    const other = dataKeyCipher(Uint8Array.from(randomBytes(32)));
    daemon.machine.on('echo', () => 1);
    expect(await failure(callRpc(socket, { ...scope(), cipher: other }, 'echo', {}))).toBeInstanceOf(EncryptionError);
    expect(await failure(callRpc(socket, scope(), 'echo', { text: 'x'.repeat(800_000) }))).toMatchObject({ code: 'too_large' });
  });

  it('repeats a call whose connection was lost where that does no second thing, and never else', async () => {
    for (const idempotent of [true, false]) {
      daemon.machine.calls.length = 0;
      let first = true;
      daemon.machine.on('read', async () => {
        if (!first) return 'read';
        first = false;
        server.dropSockets((one) => one.clientType === 'user-scoped');
        await new Promise((resolve) => {
          setTimeout(resolve, 50);
        });
        return 'lost';
      });
      const calling = callRpc(socket, scope(), 'read', {}, { idempotent });
      if (idempotent) expect(await calling).toBe('read');
      else expect(await failure(calling)).toBeInstanceOf(ConnectionError);
      expect(daemon.machine.calls).toHaveLength(idempotent ? 2 : 1);
    }
  });
});

describe('an account after a break', () => {
  it('has read again what was pushed to nobody: lists, deletions and messages', async () => {
    const daemon = new FakeDaemon(server, master, token);
    closers.push(() => daemon.close());
    await daemon.online();
    const [one, two] = [await daemon.start('/work'), await daemon.start('/work')];
    const account = new HappyAccount({ credentials: explicitCredentials({ token, secret: toBase64(master) }, { serverUrl: server.url, env: {} }), timing: quick });
    closers.push(() => account[Symbol.asyncDispose]());
    const changes: string[] = [];
    account.watch((change) => changes.push(change.type));
    await until(() => changes.includes('loaded'), 'the lists');
    const using = account.sync(one.id, one.cipher);
    await using.sync.open();
    const told: number[] = [];
    using.sync.onMessages.on((messages) => told.push(...messages.map((message) => message.seq)));

    const lost = server.faults.pushes('drop');
    await one.say({ id: 'a', role: 'agent', ev: { t: 'text', text: 'unheard' } });
    two.crash();
    await fetch(`${server.url}/v1/sessions/${two.id}`, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
    const three = await daemon.start('/work');
    lost.remove();
    expect(account.mirror.session(two.id)).not.toBeNull();
    const loads = (): number => changes.filter((type) => type === 'loaded').length;
    const before = loads();
    server.dropSockets((socket) => socket.clientType === 'user-scoped');
    await until(() => !account.mirror.online, 'the break');
    expect(account.mirror.session(one.id)).toMatchObject({ active: null, thinking: null });
    await until(() => loads() > before, 'the lists again');
    expect(account.mirror.session(two.id)).toBeNull();
    expect(account.mirror.session(three.id)).toMatchObject({ metadata: { path: '/work' }, active: true });
    await until(() => told.length === 1, 'the message');
    using.dispose();
  });
});
