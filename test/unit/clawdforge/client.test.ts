import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { ForgeAPIError, ForgeError } from '../../../src/core/systems/clawdforge/errors.ts';
import { timeOf } from '../../../src/core/systems/clawdforge/wire.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { rejection } from '../../contract/helpers.ts';

let server: ForgeTestServer;
let forge: Forge;
beforeEach(async () => {
  server = await new ForgeTestServer().start();
  forge = new Forge({ baseUrl: `${server.url}/`, token: server.token('mine'), retryBaseMs: 1 });
});
afterEach(async () => {
  await forge.close();
  await server.close();
});

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await rejection(work);
  expect(error).toBeInstanceOf(ForgeError);
  return (error as ForgeError).code;
};

describe('a server', () => {
  it('tells its health, and every request carries the token', async () => {
    expect(await forge.healthz()).toEqual({ ok: true, claudePresent: true, claudeVersion: '2.1.3' });
    server.claudeVersion = null;
    expect(await forge.healthz()).toEqual({ ok: true, claudePresent: false, claudeVersion: null });
    expect(server.requests.every(({ authorization, path }) => /^Bearer cf_mine_\d+$/.test(authorization) && path === '/healthz')).toBe(true);
  });

  it('runs a prompt: what is JSON comes parsed, all else as text, and defaults are sent', async () => {
    server.script = ({ prompt }) => ({ events: [{ content: prompt }] });
    expect(await forge.run({ prompt: '{"hello": ["world"]}' })).toEqual({ ok: true, result: { hello: ['world'] }, durationMs: 12, stopReason: 'end_turn' });
    expect((await forge.run({ prompt: 'plain', model: 'opus', system: 'Be brief.', timeoutSecs: 60 })).result).toBe('plain');
    expect(server.requests.map(({ body }) => body)).toEqual([
      { prompt: '{"hello": ["world"]}', model: 'sonnet', timeout_secs: 120 }, { prompt: 'plain', model: 'opus', system: 'Be brief.', timeout_secs: 60 },
    ]);
  });

  it('takes the names of uploaded files, and says so where it does not know one', async () => {
    const { fileToken } = await forge.uploadFile(new Uint8Array([1, 2, 3]));
    expect((await forge.run({ prompt: 'Read it.', files: [fileToken] })).ok).toBe(true);
    const error = await rejection(forge.run({ prompt: 'Read it.', files: ['ff_gone'] }));
    expect(error).toMatchObject({ status: 400, code: 'request_refused', message: expect.stringContaining('unknown file token') as string });
  });
});

describe('sessions', () => {
  it('keep their context from turn to turn, and close themselves at the end of a block', async () => {
    const ids: string[] = [];
    {
      await using session = await forge.session();
      ids.push(session.sessionId);
      expect(session).toMatchObject({ agent: 'claude', closed: false });
      const first = await session.turn('The password is lighthouse.');
      expect(first).toMatchObject({ ok: true, sessionId: session.sessionId, turnIndex: 1, stopReason: 'end_turn', durationMs: 34 });
      expect(first.text()).toBe('You said so: The password is lighthouse.');
      const second = await session.turn('What is it?', { timeoutSecs: 7 });
      expect(second.turnIndex).toBe(2);
      expect(second.text()).toContain('lighthouse');
      expect((await session.state()).turnCount).toBe(2);
    }
    expect((await forge.getSession(ids[0] ?? '')).closedAt).not.toBeNull();
    expect(server.requests.filter(({ path }) => path.endsWith('/turn')).map(({ body }) => (body as { timeout_secs: number }).timeout_secs)).toEqual([120, 7]);
  });

  it('close themselves when the block throws, and what it threw is what comes out, also where closing fails', async () => {
    const failed = async (): Promise<void> => {
      await using session = await forge.session();
      server.faults.push({ method: 'DELETE', path: /sessions/, status: 500, times: 3 });
      throw new RangeError(session.sessionId);
    };
    expect(await rejection(failed())).toBeInstanceOf(RangeError);
    expect(server.count('DELETE', /sessions/)).toBe(3);
  });

  it('close once, however often it is asked; again where it failed; and what the server has closed is closed', async () => {
    const session = await forge.createSession({ agent: 'codex', meta: { caller: 'petalparse' } });
    expect(session).toMatchObject({ agent: 'codex', meta: { caller: 'petalparse' } });
    server.faults.push({ method: 'DELETE', path: /sessions/, status: 403 });
    expect(await codeOf(session.close())).toBe('authentication_failed');
    await Promise.all([session.close(), session.close()]);
    await session.close();
    expect(server.count('DELETE', /sessions/)).toBe(2);
    const other = await forge.createSession();
    server.expire(other.sessionId);
    await other.close();
    expect(other.closed).toBe(true);
    const gone = await forge.createSession();
    server.faults.push({ method: 'DELETE', path: /sessions/, status: 410 });
    await gone.close();
    expect(gone.closed).toBe(true);
  });

  it('are listed newest first, closed ones too unless they are not wanted; fields that nobody knows come along, and what lies within stays as it is', async () => {
    const first = await forge.createSession({ meta: { snake_case: { kept_so: 1 } } });
    const second = await forge.createSession();
    await first.close();
    const rows = await forge.listSessions();
    expect(rows.map((row) => row.sessionId)).toEqual([second.sessionId, first.sessionId]);
    expect(rows[1]).toMatchObject({ agent: 'claude', cwd: server.cwd, turnCount: 0, lastTurnAt: null, live: false, region: 'kept', meta: { snake_case: { kept_so: 1 } } });
    expect((await forge.listSessions({ includeClosed: false })).map((row) => row.sessionId)).toEqual([second.sessionId]);
    expect(server.requests.at(-1)?.query).toBe('include_closed=false');
  });

  it('of another token are not there (404); a closed one says so (410); one turn runs at a time', async () => {
    const other = new Forge({ baseUrl: server.url, token: server.token('other') });
    const theirs = await other.createSession();
    for (const work of [forge.getSession(theirs.sessionId), forge.attach(theirs.sessionId).turn('hello')]) expect(await rejection(work)).toMatchObject({ status: 404, code: 'session_not_found', personMustAct: true });
    await theirs.close();
    expect(await rejection(theirs.turn('hello'))).toMatchObject({ status: 410, code: 'session_closed', body: { error: 'session closed' } });
    const mine = await forge.createSession();
    const [, second] = await Promise.allSettled([mine.turn('one'), mine.turn('two')]);
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'turn_running' } });
    expect(server.prompts()).not.toContain('two');
    await other.close();
  });

  it('are taken from a bare array as well, without the rows that cannot be read', async () => {
    server.faults.push({ method: 'GET', path: /^\/sessions$/, status: 200, body: [{ session_id: 'a/b', turn_count: 2 }, { agent: 'claude' }, 7] });
    expect(await forge.listSessions()).toEqual([{ sessionId: 'a/b', agent: 'claude', cwd: null, createdAt: null, lastTurnAt: null, turnCount: 2, closedAt: null, live: null, meta: null }]);
    await rejection(forge.getSession('a/b'));
    expect(server.requests.at(-1)?.path).toBe('/sessions/a%2Fb');
  });
});

describe('tokens', () => {
  it('are made, listed and revoked with the admin token; address ranges are a list both times', async () => {
    const admin = new Forge({ baseUrl: server.url, token: server.admin });
    const made = await admin.createToken('cauldron', { ipCidrs: ['172.24.0.0/16', '127.0.0.1/32'] });
    expect(made).toMatchObject({ name: 'cauldron', ipCidrs: ['172.24.0.0/16', '127.0.0.1/32'], enabled: true, token: expect.stringMatching(/^cf_/) as string });
    const listed = await admin.listTokens();
    expect(listed.find((one) => one.name === 'cauldron')).toMatchObject({ ipCidrs: ['172.24.0.0/16', '127.0.0.1/32'], lastUsed: null, note: 'kept' });
    expect(listed.find((one) => one.name === 'mine')?.ipCidrs).toEqual([]);
    expect(listed.some((one) => one.token !== undefined)).toBe(false);
    expect(await admin.revokeToken('cauldron')).toBe(true);
    expect(await rejection(admin.revokeToken('cauldron'))).toMatchObject({ status: 404, code: 'token_not_found' });
    await admin.close();
  });
});

describe('what is refused here', () => {
  it('sends nothing', async () => {
    const session = forge.attach('sess_1');
    const bad: (() => Promise<unknown>)[] = [
      () => forge.run({ prompt: ' \n' }), () => forge.run({ prompt: 'x', timeoutSecs: Number.NaN }), () => forge.run({ prompt: 'x', timeoutSecs: 0.5 }), () => forge.run({ prompt: 'x', files: [''] }), () => forge.run({ prompt: 'x', model: '' }),
      () => session.turn(''), () => session.turn('x', { timeoutSecs: -1 }), () => forge.getSession(''), () => forge.getSession('  '), () => forge.createSession({ agent: '' }), () => forge.createToken(' '), () => forge.revokeToken(''),
      () => forge.uploadFile(''), () => forge.uploadFile(new Uint8Array(1), { ttlSecs: 1.5 }), () => forge.uploadFile(new Uint8Array(1), { contentType: 'text/plain\r\nX: y' }),
    ];
    for (const work of bad) expect(await codeOf(Promise.resolve().then(work)), work.toString()).toBe('invalid_argument');
    expect(() => forge.attach('')).toThrow(ForgeError);
    expect(server.requests).toEqual([]);
  });

  it.each(['nowhere', 'ftp://x', 'http://user:pass@x', ''])('an address like %j', (baseUrl) => {
    expect(() => new Forge({ baseUrl, token: 'cf_x' })).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });

  it('tokens and numbers that are none', () => {
    const baseUrl = server.url;
    for (const bad of [{ token: '' }, { token: 'cf_x\r\ny' }, { token: 'cf_x', defaultTimeoutSecs: 0 }, { token: 'cf_x', httpTimeoutMargin: -1 }, { token: 'cf_x', defaultModel: '' }]) {
      expect(() => new Forge({ baseUrl, ...bad }), JSON.stringify(bad)).toThrow(ForgeError);
    }
  });

  it('ranges are the server’s to say', async () => {
    for (const work of [forge.run({ prompt: 'x', timeoutSecs: 4 }), forge.run({ prompt: 'x', timeoutSecs: 601 }), forge.uploadFile(new Uint8Array(1), { ttlSecs: 59 }), forge.uploadFile(new Uint8Array(1), { ttlSecs: 86_401 })]) {
      const error = await rejection(work);
      expect(error).toBeInstanceOf(ForgeAPIError);
      expect(error).toMatchObject({ status: 400 });
    }
  });
});

it('reads times however the server writes them; without a zone they are UTC', () => {
  const at = Date.UTC(2026, 3, 29, 13, 35, 27);
  for (const text of ['2026-04-29T13:35:27', '2026-04-29 13:35:27', '2026-04-29T13:35:27Z', '2026-04-29T06:35:27-07:00', at / 1_000, at, String(at / 1_000)]) expect(timeOf(text), String(text)).toBe(at);
  for (const none of [null, undefined, '', 'soon', 1e300, -1e300, '9'.repeat(30)]) expect(timeOf(none)).toBeNull();
});
