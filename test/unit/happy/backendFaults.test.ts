import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { happyConnection } from '../../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { contentKeyPair, wrapKey } from '../../../src/core/systems/happy/crypto/keys.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { plainContext, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import type { Chance } from '../../loopback/happy/conversations.ts';
import { chanceOf, pick } from '../../loopback/happy/conversations.ts';
import type { HappyProxy } from '../../loopback/happy/proxy.ts';
import { startProxy } from '../../loopback/happy/proxy.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import { openAt, recordingLog, until } from '../store/support.ts';
import { times } from './backendWorld.ts';
import { FakeAgent, FakeDaemon } from './fakeDaemon.ts';

/** Sessions that go through one storm side by side; each counts as a run. */
const SESSIONS = 5;
const RUNS = process.env['PILOTHOUSE_LONG'] === undefined ? 50 : 2_000;
const PROMPTS = 5;
/** How soon an agent takes up what it was given. Milliseconds. */
const WORK_MS = 20;
/** A prompt that was delivered holds the next for a while, where no turn is seen to begin: here nobody answers. */
const HASTE = 20;
const clock: Clock = { now: () => systemClock.now(), monotonic: () => systemClock.monotonic() * HASTE, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / HASTE) };

const master = Uint8Array.from(randomBytes(32));
let server: HappyTestServer;
let proxy: HappyProxy;
let account: { readonly accountId: string; readonly token: string };
let daemon: FakeDaemon;
beforeAll(async () => {
  server = await startHappyServer({ times });
  proxy = await startProxy(server.url);
  account = server.tokenFor(master);
  daemon = new FakeDaemon(server, master, account.token);
});
afterAll(async () => {
  daemon.close();
  await proxy.close();
  await server.close();
});

interface Chat {
  readonly id: string;
  readonly cipher: Cipher;
  /** Lives, and says nothing of prompts that it hears: it works by the server's record, since a storm loses pushes. */
  readonly agent: FakeAgent;
  /** Begins and ends a turn for each prompt that it finds in the record. */
  work(): void;
  /** What the person was told to be accepted, and what others wrote. */
  readonly accepted: string[];
  readonly others: string[];
}

function makeChat(from: number): Chat {
  const key = Uint8Array.from(randomBytes(32));
  const cipher = dataKeyCipher(key);
  const id = `s${from}${randomUUID().replaceAll('-', '').slice(0, 18)}`;
  const now = Date.now();
  const metadata = { path: '/work', host: 'lab', machineId: 'm', flavor: 'claude', lifecycleState: 'running' };
  server.seed({ sessions: [{
    id, accountId: account.accountId, tag: randomUUID(), seq: 0, metadata: cipher.seal(metadata), metadataVersion: 1,
    agentState: cipher.seal({ controlledByUser: false, requests: {}, completedRequests: {} }), agentStateVersion: 1, dataEncryptionKey: toBase64(wrapKey(key, contentKeyPair(master).publicKey)),
    active: true, activeAt: now, createdAt: now, updatedAt: now,
  }] });
  const agent = new FakeAgent(daemon, id, cipher, metadata, 1);
  agent.turn = () => Promise.resolve();
  const taken = new Set<string>();
  const mark = (ev: { readonly t: 'turn-start' } | { readonly t: 'turn-end'; readonly status: 'completed' }, turn: string): void => {
    server.append(id, cipher.seal({ role: 'session', content: { id: randomUUID(), time: Date.now(), role: 'agent', turn, ev }, meta: { sentFrom: 'cli' } }), randomUUID());
  };
  const work = (): void => {
    for (const { id: message, content } of server.messages(id)) {
      if (taken.has(message)) continue;
      taken.add(message);
      const opened = cipher.open(content);
      if (!isJsonObject(opened) || opened['role'] !== 'user') continue;
      const turn = randomUUID();
      mark({ t: 'turn-start' }, turn);
      mark({ t: 'turn-end', status: 'completed' }, turn);
    }
  };
  return { id, cipher, agent, work, accepted: [], others: [] };
}

/** The window of a person: a store in a folder, a fleet on it, the chats open. */
class Window {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-storm-'));
  lines: readonly string[] = [];
  runtimes: readonly SessionRuntime[] = [];
  #store: OwnedStore | null = null;
  #fleet: Fleet | null = null;
  readonly #chats: readonly Chat[];

  constructor(chats: readonly Chat[]) {
    this.#chats = chats;
  }

  get store(): OwnedStore {
    if (this.#store === null) throw new Error('The window is closed.');
    return this.#store;
  }

  async open(): Promise<void> {
    const { log, lines } = recordingLog();
    this.lines = lines;
    this.#store = await openAt(path.join(this.folder, 'store'), { clock });
    this.#fleet = new Fleet({ store: this.#store, log, clock, stateDir: path.join(this.folder, 'state') });
    const credentials = explicitCredentials({ token: account.token, secret: toBase64(master) }, { serverUrl: proxy.url });
    const connection = happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl: proxy.url, credentials, allowPlainHttp: false, timing: { silence: 20_000, pong: 10_000, connect: 1_500 } });
    await this.#fleet.setConnections([{ ...connection, account: true }]);
    this.runtimes = await Promise.all(this.#chats.map(({ id }) => (this.#fleet as Fleet).open(sessionKey({ connectionId: 'happy', id }))));
    this.#fleet.backend('happy').attention?.({ focused: true, visible: true });
  }

  /** `dies`: the store is gone first, as with a process that is killed. */
  async close(dies: boolean): Promise<void> {
    const [fleet, store] = [this.#fleet, this.#store];
    this.runtimes = [];
    if (dies) await store?.[Symbol.asyncDispose]();
    await fleet?.[Symbol.asyncDispose]();
    if (!dies) await store?.[Symbol.asyncDispose]();
  }
}

const user = (text: string): { readonly role: 'user'; readonly content: { readonly type: 'text'; readonly text: string }; readonly meta: { readonly sentFrom: string } } => ({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'ios' } });

/** One thing that goes wrong, for a while. */
async function trouble(chance: Chance): Promise<void> {
  const { faults } = server;
  const posts = { method: 'POST', path: /^\/v3\/sessions\/[^/]+\/messages$/ };
  const gets = { method: 'GET', path: /^\/v[123]\// };
  const some = 1 + Math.floor(chance() * 4);
  switch (Math.floor(chance() * 12)) {
    case 0: return void faults.http(posts, { kind: 'drop', when: 'before' }, some);
    case 1: return void faults.http(posts, { kind: 'drop', when: 'after' }, some);
    case 2: return void faults.http(posts, { kind: 'status', status: 500, applied: chance() < 0.5 }, some);
    case 3: return void faults.http(posts, { kind: 'duplicate', what: 'request' }, some);
    case 4: return void faults.http(pick([posts, gets], chance), { kind: 'cut' }, some);
    case 5: return void faults.http(gets, pick([{ kind: 'drop', when: 'before' }, { kind: 'status', status: 500 }, { kind: 'status', status: 503 }], chance), some);
    case 6: return void faults.http(pick([posts, gets], chance), { kind: 'delay', ms: 40, when: 'after' }, some);
    case 7: {
      const held = faults.pushes(pick(['hold', 'drop', 'twice'], chance), ({ event }) => event === 'update');
      await sleep(30 + chance() * 80);
      held.release(pick(['kept', 'reversed'], chance));
      return undefined;
    }
    case 8: return server.restart(chance() * 80);
    case 9: return void server.dropSockets();
    case 10: return proxy.resetAll();
    default: {
      const light = proxy.add({ kind: 'blackhole' });
      await sleep(50 + chance() * 200);
      light();
      return undefined;
    }
  }
}

async function storm(seed: number): Promise<void> {
  const chance = chanceOf(seed);
  const chats = Array.from({ length: SESSIONS }, (_, index) => makeChat(seed * SESSIONS + index));
  const window = new Window(chats);
  const working = setInterval(() => chats.forEach((chat) => chat.work()), WORK_MS);
  const other = (chat: Chat): void => {
    const text = `other ${chat.others.length} of ${chat.id}`;
    chat.others.push(text);
    const said = { role: 'session', content: { id: randomUUID(), time: Date.now(), role: 'agent', ev: { t: 'text', text } }, meta: { sentFrom: 'cli' } } as const;
    server.append(chat.id, chat.cipher.seal(chance() < 0.5 ? user(text) : said), randomUUID());
    if (chance() < 0.2) server.burnSeq(chat.id);
  };
  try {
    for (const chat of chats) for (let count = Math.floor(chance() * 4); count > 0; count -= 1) other(chat);
    await window.open();
    const work = chats.flatMap((_, at) => Array.from({ length: PROMPTS }, () => async () => {
      const chat = chats[at];
      const runtime = window.runtimes[at];
      if (chat === undefined || runtime === undefined) return;
      const text = `prompt ${chat.accepted.length} of ${chat.id}`;
      await runtime.send({ text, attachments: [] }, 'send');
      chat.accepted.push(text);
    }));
    const acts: (() => Promise<void>)[] = [
      ...work, ...chats.flatMap((chat) => [1, 2, 3].map(() => async () => other(chat))), ...Array.from({ length: 12 }, () => () => trouble(chance)),
      async () => {
        await window.close(chance() < 0.5);
        await window.open();
      },
    ];
    const order = acts.map((act) => ({ act, at: chance() })).toSorted((one, two) => one.at - two.at);
    for (const { act } of order) {
      await act();
      if (chance() < 0.4) await sleep(chance() * 25);
    }
    server.faults.clear();
    await settled(window, chats, seed);
  } finally {
    server.faults.clear();
    await window.close(false);
    clearInterval(working);
    for (const { agent } of chats) agent.crash();
    rmSync(window.folder, { recursive: true, force: true });
  }
}

const shown = (rows: readonly Row[]): readonly unknown[] => rows.flatMap((row) => (row.kind === 'prompt' || row.kind === 'text' ? [[row.kind, row.key, row.text]] : []));

async function settled(window: Window, chats: readonly Chat[], seed: number): Promise<void> {
  for (const [at, chat] of chats.entries()) {
    const runtime = window.runtimes[at];
    if (runtime === undefined) throw new Error('The chat is not open.');
    await until(() => runtime.outboxItems().length === 0, 30_000).catch(() => {
      throw new Error(`seed ${seed}: ${JSON.stringify(runtime.outboxItems())} wait\n${window.lines.slice(-30).join('\n')}`);
    });
    const messages = server.messages(chat.id).map((row): MessageInput => ({ id: row.id, seq: row.seq, localId: row.localId, createdAt: row.createdAt, content: chat.cipher.open(row.content) }));
    const texts = messages.map(({ content }) => JSON.stringify(content));
    for (const text of chat.accepted) expect(texts.filter((one) => one.includes(`"${text}"`)), `seed ${seed}: ${text}`).toHaveLength(1);
    const kept = JSON.parse((await window.store.keep('backend:happy').get(`followed:${chat.id}`)) ?? '{}') as { readonly clockLagMs?: number | null };
    const expected = shown(viewOf(new SessionNormaliser({ ...plainContext, folder: '/work', agent: 'claude', clockLagMs: kept.clockLagMs ?? 0 }).messages(messages)));
    expect(expected.length, `seed ${seed}`).toBeGreaterThanOrEqual(chat.accepted.length + chat.others.length);
    const now = (): readonly unknown[] => shown(runtime.transcript.tail);
    await until(() => JSON.stringify(now()) === JSON.stringify(expected), 20_000).catch(() => expect(now(), `seed ${seed}: the transcript`).toEqual(expected));
    await runtime.transcript.flush();
    expect(shown(viewOf((await window.store.rows(runtime.key, 0, 10_000)).entries)), `seed ${seed}: the store`).toEqual(expected);
  }
}

describe('P3 and P4 over Happy’s wire, with the fleet and its store on top', () => {
  const first = Number(process.env['PILOTHOUSE_SEED'] ?? Math.floor(Math.random() * 1e6));

  it(`every accepted prompt exists once and the transcript is the view of the server's messages: ${RUNS} sessions through storms from seed ${first}`, async () => {
    for (let round = 0; round < RUNS / SESSIONS; round += 1) await storm(first + round);
  }, RUNS * 6_000);
});
