import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { fromBase64Url, toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { sealLinkAnswer } from '../../../src/core/systems/happy/crypto/keys.ts';
import { AuthenticationError, HappyError } from '../../../src/core/systems/happy/errors.ts';
import type { LinkCode } from '../../../src/core/systems/happy/login.ts';
import { tokenFor } from '../../../src/core/systems/happy/login.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';

const master = Uint8Array.from(randomBytes(32));
const PATH = '/v1/auth/account/request';
let server: HappyTestServer;
beforeEach(async () => {
  server = await startHappyServer();
});
afterEach(() => server.close());

/** What the phone does when it has scanned the code. */
async function approve(code: LinkCode, answer: Uint8Array = master): Promise<void> {
  const publicKey = fromBase64Url(code.link.replace('happy:///account?', ''));
  if (publicKey === null) throw new Error('no key in the link');
  const response = toBase64(answer.length === 32 ? sealLinkAnswer({ kind: 'master', master: answer }, publicKey) : answer);
  const sent = await fetch(`${server.url}/v1/auth/account/response`, {
    method: 'POST', headers: { authorization: `Bearer ${server.tokenFor(master).token}`, 'content-type': 'application/json' }, body: JSON.stringify({ publicKey: toBase64(publicKey), response }),
  });
  if (!sent.ok) throw new Error(`the link was not taken: ${sent.status}`);
}
async function failure(work: Promise<unknown>): Promise<HappyError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HappyError)) throw new Error(`no HappyError but ${String(error)}`, { cause: error });
  return error;
}

describe('sign-in by link', () => {
  it('shows a link and a QR code, and has the account\'s secret when the phone approved', async () => {
    const codes: LinkCode[] = [];
    const credentials = await HappyClient.login({ serverUrl: server.url, onCode: (code) => {
      codes.push(code);
      void approve(code);
    } });
    expect(codes).toHaveLength(1);
    expect(codes[0]?.link).toMatch(/^happy:\/\/\/account\?[A-Za-z0-9_-]{43}$/);
    expect(codes[0]?.qr.length).toBeGreaterThan(20);
    expect(codes[0]?.qr.every((row) => row.length === codes[0]?.qr.length)).toBe(true);
    expect((codes[0]?.expiresAt ?? 0) - Date.now()).toBeGreaterThan(100_000);
    expect(credentials).toMatchObject({ serverUrl: server.url, master, source: { kind: 'link', files: [] } });
    await using client = new HappyClient({ credentials });
    expect(await client.listMachines()).toEqual([]);
  });

  it('waits out lost connections, 429 and 5xx, and asks no faster than the server wants', async () => {
    let approved: Promise<void> | undefined;
    const running = HappyClient.login({ serverUrl: server.url, onCode: (code) => {
      server.faults.http({ path: PATH }, { kind: 'drop', when: 'before' });
      server.faults.http({ path: PATH }, { kind: 'status', status: 503 });
      approved = approve(code);
    } });
    const credentials = await running;
    await approved;
    expect(credentials.master).toEqual(master);
    expect(server.count({ path: PATH })).toBeGreaterThanOrEqual(4);
    const at = server.requests.filter((call) => call.path === PATH).map((call) => call.at);
    at.slice(1).forEach((time, index) => expect(time - (at[index] ?? 0)).toBeGreaterThanOrEqual(900));
  }, 15_000);

  it('gives the link up in time, and with the signal', async () => {
    const late = await failure(HappyClient.login({ serverUrl: server.url, timeoutSeconds: 1.2, onCode: () => undefined }));
    expect(late).toBeInstanceOf(AuthenticationError);
    expect(late).toMatchObject({ code: 'link_expired' });
    const stop = new AbortController();
    const reason = new Error('enough');
    await expect(HappyClient.login({ serverUrl: server.url, signal: stop.signal, onCode: () => stop.abort(reason) })).rejects.toBe(reason);
    expect(await failure(HappyClient.login({ serverUrl: server.url, timeoutSeconds: 0, onCode: () => undefined }))).toMatchObject({ code: 'invalid_argument' });
  });

  it.each([400, 401, 403, 404])('does not ask again after %i', async (status) => {
    server.faults.http({ path: PATH }, { kind: 'status', status }, 9);
    await failure(HappyClient.login({ serverUrl: server.url, onCode: () => undefined }));
    expect(server.count({ path: PATH })).toBe(1);
  });

  it('says at once that a server is not there, is none of Happy\'s, or must not be spoken to in clear', async () => {
    server.faults.http({ path: PATH }, { kind: 'garbage' });
    expect(await failure(HappyClient.login({ serverUrl: server.url, onCode: () => undefined }))).toMatchObject({ code: 'bad_answer' });
    await server.down();
    expect(await failure(HappyClient.login({ serverUrl: server.url, onCode: () => undefined }))).toMatchObject({ code: 'connection_failed' });
    expect(await failure(HappyClient.login({ serverUrl: 'http://happy.example.org', onCode: () => undefined }))).toMatchObject({ code: 'plain_http_refused' });
  });

  it('refuses an answer that it cannot open', async () => {
    expect(await failure(HappyClient.login({ serverUrl: server.url, onCode: (code) => void approve(code, Uint8Array.from(randomBytes(104))) }))).toMatchObject({ code: 'encryption_failed' });
  });
});

describe('a token by challenge', () => {
  it('is what the server gives to who has the secret', async () => {
    const token = await tokenFor(master, { serverUrl: server.url });
    await using client = new HappyClient({ serverUrl: server.url, token, secret: toBase64(master), env: {} });
    expect(await client.listSessions()).toEqual([]);
    server.faults.http({ path: '/v1/auth' }, { kind: 'status', status: 500 });
    expect(await failure(tokenFor(master, { serverUrl: server.url }))).toMatchObject({ code: 'server_error' });
  });
});
