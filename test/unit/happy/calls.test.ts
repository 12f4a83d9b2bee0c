import { afterEach, describe, expect, it } from 'vitest';
import { HappyAccount } from '../../../src/core/systems/happy/account.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { callRpc, TargetDisconnected } from '../../../src/core/systems/happy/rpc.ts';
import { HappySocket } from '../../../src/core/systems/happy/socket.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';

const master = new Uint8Array(32).fill(5);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('calls', () => {
  it('are repeated a few times with a pause where the other side goes each time, not for as long as they may take', async () => {
    const socket = new HappySocket({ credentials: { serverUrl: 'http://127.0.0.1:9', token: 'x' }, client: 'test/1', probe: () => Promise.resolve() });
    let asked = 0;
    socket.online = () => Promise.resolve();
    socket.ask = () => {
      asked += 1;
      return Promise.resolve({ ok: false, error: 'RPC target disconnected' });
    };
    const before = performance.now();
    const scope = { kind: 'session', id: 's', cipher: dataKeyCipher(master) } as const;
    await expect(callRpc(socket, scope, 'abort', {}, { idempotent: true, timeoutMs: 8_000 })).rejects.toBeInstanceOf(TargetDisconnected);
    expect(asked).toBe(4);
    expect(performance.now() - before).toBeGreaterThan(100);
    asked = 0;
    await expect(callRpc(socket, scope, 'abort', {})).rejects.toBeInstanceOf(TargetDisconnected);
    expect(asked).toBe(1);
  });
});

describe('an account', () => {
  it('does not come into being where its token would travel in clear, by socket as by request', () => {
    const credentials = explicitCredentials({ token: 'x', secret: toBase64(master) }, { serverUrl: 'http://happy.example.org', allowPlainHttp: true, env: {} });
    expect(() => new HappyAccount({ credentials })).toThrowError(expect.objectContaining({ code: 'plain_http_refused' }) as Error);
    expect(new HappyAccount({ credentials, allowPlainHttp: true }).closed).toBe(false);
  });

  it('does not connect again when it was closed, whatever still waits for contact', async () => {
    const server = await startHappyServer();
    closers.push(() => server.close());
    const account = new HappyAccount({ credentials: explicitCredentials({ token: server.tokenFor(master).token, secret: toBase64(master) }, { serverUrl: server.url, env: {} }) });
    const machine = { id: 'm', cipher: dataKeyCipher(master), kind: 'machine' } as const;
    await account.socket.online({ timeoutMs: 3_000 });
    const call = callRpc(account.socket, machine, 'none', {}, { idempotent: true }).catch((error: unknown) => error);
    await account[Symbol.asyncDispose]();
    expect(await call).toMatchObject({ code: 'closed' });
    await expect(account.socket.online({ timeoutMs: 3_000 })).rejects.toMatchObject({ code: 'closed' });
    account.socket.start();
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    expect(server.sockets()).toEqual([]);
    expect(account.socket.state.status).toBe('offline');
  });
});
