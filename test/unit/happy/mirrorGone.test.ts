import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Keyring } from '../../../src/core/systems/happy/crypto/keyring.ts';
import { legacyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { HappyError } from '../../../src/core/systems/happy/errors.ts';
import { HappyHttp } from '../../../src/core/systems/happy/http.ts';
import { Mirror } from '../../../src/core/systems/happy/mirror.ts';
import type { MirrorChange, MirrorSource } from '../../../src/core/systems/happy/mirrored.ts';
import type { SessionRow } from '../../../src/core/systems/happy/wire/bodies.ts';
import { readUpdate } from '../../../src/core/systems/happy/wire/pushes.ts';
import { HttpClient } from '../../../src/core/transport/http.ts';

const master = new Uint8Array(32).fill(3);
const metadata = legacyCipher(master).seal({ name: 'm' });
const rowOf = (id: string, seq = 0): SessionRow => ({ id, seq, createdAt: 1, updatedAt: 1, active: true, activeAt: 100, metadata, metadataVersion: 1, agentState: null, agentStateVersion: 0, dataEncryptionKey: null });

/** An account whose list may lack what single requests still find. */
class Account implements MirrorSource {
  listed: SessionRow[] = [];
  stored = new Map<string, SessionRow>();
  asked: string[] = [];
  atOnce = 0;
  most = 0;
  look: (id: string) => Promise<SessionRow | null> = (id) => Promise.resolve(this.stored.get(id) ?? null);
  put(...rows: readonly SessionRow[]): void {
    for (const row of rows) this.stored.set(row.id, row);
    this.listed = [...this.stored.values()];
  }
  sessions(): Promise<{ rows: SessionRow[]; bad: number; next: string | null }> {
    return Promise.resolve({ rows: this.listed, bad: 0, next: null });
  }
  async session(id: string): Promise<SessionRow | null> {
    this.asked.push(id);
    this.atOnce += 1;
    this.most = Math.max(this.most, this.atOnce);
    await Promise.resolve();
    return this.look(id).finally(() => {
      this.atOnce -= 1;
    });
  }
  machines(): Promise<{ rows: never[]; bad: number }> {
    return Promise.resolve({ rows: [], bad: 0 });
  }
  machine(): Promise<null> {
    return Promise.resolve(null);
  }
}
function made(): { readonly account: Account; readonly mirror: Mirror; readonly changes: MirrorChange[] } {
  const account = new Account();
  const mirror = new Mirror(account, new Keyring({ master }));
  const changes: MirrorChange[] = [];
  mirror.onChange.on((change) => changes.push(change));
  mirror.setOnline(true);
  return { account, mirror, changes };
}
const push = (mirror: Mirror, body: Record<string, unknown>): void => mirror.apply(readUpdate({ id: 'u', seq: 1, createdAt: 5, body }));
const ids = Array.from({ length: 40 }, (_, index) => `s${index}`);

describe('a list that lacks sessions', () => {
  it('removes only those that the server does not know when asked for each, a few at a time', async () => {
    const { account, mirror, changes } = made();
    account.put(...ids.map((id) => rowOf(id)));
    await mirror.load();
    account.listed = [];
    account.stored.delete('s3');
    account.stored.set('s4', rowOf('s4', 9));
    await mirror.load();
    expect(changes.filter((change) => change.type === 'session-removed')).toEqual([{ type: 'session-removed', sessionId: 's3' }]);
    expect(mirror.session('s4')?.seq).toBe(9);
    expect(account.asked.toSorted()).toEqual(ids.toSorted());
    expect(account.most).toBeGreaterThan(1);
    expect(account.most).toBeLessThanOrEqual(8);
  });

  it('removes nothing where the asking fails, or another read begins', async () => {
    const { account, mirror } = made();
    account.put(...ids.map((id) => rowOf(id)));
    await mirror.load();
    account.listed = [];
    account.stored.clear();
    account.look = (id) => (id === 's0' ? Promise.reject(new HappyError('server_error', 'down')) : Promise.resolve(null));
    await expect(mirror.load()).rejects.toMatchObject({ code: 'server_error' });
    expect(mirror.sessions()).toHaveLength(40);
    const gate = Promise.withResolvers<null>();
    account.look = () => gate.promise;
    const first = mirror.load();
    const outcome = expect(first).rejects.toMatchObject({ name: 'AbortError' });
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    account.put(...ids.map((id) => rowOf(id)));
    const second = mirror.load();
    gate.resolve(null);
    await outcome;
    await second;
    expect(mirror.sessions()).toHaveLength(40);
  });

  it('does not bring a session back that was deleted while a look at it was under way', async () => {
    const { account, mirror } = made();
    const gate = Promise.withResolvers<SessionRow | null>();
    account.look = () => gate.promise;
    push(mirror, { t: 'update-session', id: 'a' });
    push(mirror, { t: 'delete-session', sid: 'a' });
    await mirror.load();
    gate.resolve(rowOf('a'));
    for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
    expect(mirror.session('a')).toBeNull();
  });
});

describe('over HTTP', () => {
  async function answering(answer: (path: string) => { readonly status: number; readonly body: unknown }, work: (api: HappyHttp) => Promise<void>): Promise<void> {
    const server = createServer((request, response) => {
      const { status, body } = answer(request.url ?? '');
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    await using http = new HttpClient();
    try {
      await work(new HappyHttp(http, { serverUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'x' }, 'test/1', { baseMs: 1, capMs: 5 }));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  it.each([[{}], [{ nextCursor: null }], [{ nextCursor: '' }], [{ nextCursor: 'here' }]])('a page that says that there is more, and not where, is no answer: %j', async (more) => {
    await answering(() => ({ status: 200, body: { sessions: [], hasNext: true, ...more } }), async (api) => {
      await expect(api.sessions({ cursor: 'here' })).rejects.toMatchObject({ code: 'bad_answer' });
    });
  });

  it('a session whose messages are there is not gone because no list has it', async () => {
    await answering((path) => ({ status: 200, body: path.startsWith('/v3') ? { messages: [], hasMore: false } : { sessions: [{ id: 7 }], hasNext: false } }), async (api) => {
      await expect(api.session('abc')).rejects.toMatchObject({ code: 'bad_answer' });
    });
    await answering((path) => (path.startsWith('/v3') ? { status: 404, body: {} } : { status: 200, body: { sessions: [], hasNext: false } }), async (api) => {
      expect(await api.session('abc')).toBeNull();
    });
  });
});
