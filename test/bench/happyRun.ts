/** One measurement of Happy in a process of its own: `node --expose-gc happyRun.ts <what>`, the fleet as JSON in PILOTHOUSE_BENCH_FLEET; prints JSON. Times in milliseconds, memory above the empty process. */
import { createDecipheriv, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { io } from 'socket.io-client';
import nacl from 'tweetnacl';
import { Fleet } from '../../src/core/fleet/fleet.ts';
import type { SessionBackend } from '../../src/core/model/backend.ts';
import type { BackendContext } from '../../src/core/model/context.ts';
import type { Session } from '../../src/core/model/session.ts';
import { sessionKey } from '../../src/core/model/session.ts';
import type { JsonValue } from '../../src/core/model/json.ts';
import { openStore } from '../../src/core/session/store/open.ts';
import { viewOf } from '../../src/core/session/view.ts';
import { happyConnection } from '../../src/core/systems/happy/connection.ts';
import type { HappyConnection } from '../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../src/core/systems/happy/credentials.ts';
import { fromBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { Keyring } from '../../src/core/systems/happy/crypto/keyring.ts';
import { contentKeyPair } from '../../src/core/systems/happy/crypto/keys.ts';
import { plainContext, SessionNormaliser } from '../../src/core/systems/happy/normalise/index.ts';
import type { MessageInput } from '../../src/core/systems/happy/normalise/index.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import { silentLogger } from '../../src/core/transport/logger.ts';
import type { Hold } from './measure.ts';
import { HoldWatch, summarise } from './measure.ts';

export interface BenchFleet {
  readonly url: string;
  readonly token: string;
  readonly secret: string;
  readonly longId: string;
  readonly longMessages: number;
}
interface Row {
  readonly id: string;
  readonly metadata: string;
  readonly agentState: string | null;
  readonly dataEncryptionKey: string | null;
}
interface Message {
  readonly id: string;
  readonly seq: number;
  readonly localId: string | null;
  readonly createdAt: number;
  readonly content: { readonly c: string };
}

const [what = ''] = process.argv.slice(2);
const fleet = JSON.parse(process.env['PILOTHOUSE_BENCH_FLEET'] ?? '{}') as BenchFleet;
const master = fromBase64(fleet.secret) ?? new Uint8Array(32);
const folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-bench-'));

async function get<T>(where: string): Promise<T> {
  const answer = await fetch(fleet.url + where, { headers: { authorization: `Bearer ${fleet.token}` }, signal: AbortSignal.timeout(60_000) });
  if (!answer.ok) throw new Error(`${where} was answered with ${answer.status}`);
  return (await answer.json()) as T;
}

const connection = (): HappyConnection => happyConnection({
  connectionId: 'happy', name: 'Happy', serverUrl: fleet.url, allowPlainHttp: false, credentials: explicitCredentials({ token: fleet.token, secret: fleet.secret }, { serverUrl: fleet.url }),
});

async function settle(): Promise<NodeJS.MemoryUsage> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  globalThis.gc?.();
  return process.memoryUsage();
}

async function listOurs(): Promise<Record<string, unknown>> {
  const keep = new Map<string, string>();
  const context: BackendContext = {
    connectionId: 'happy', log: silentLogger, clock: systemClock, stateDir: folder,
    keep: { get: (key) => Promise.resolve(keep.get(key) ?? null), set: (key, value) => Promise.resolve(void keep.set(key, value ?? '')), list: () => Promise.resolve(new Map()) },
    leases: { acquire: () => Promise.resolve(true), release: () => Promise.resolve(), holder: () => Promise.resolve('nobody') },
  };
  const backend: SessionBackend = connection().create(context);
  const found: Session[] = [];
  const memory = await measured(async () => {
    await backend.connect();
    for (let cursor: string | undefined; ;) {
      const page = await backend.sessions({ limit: 200, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
  });
  await backend[Symbol.asyncDispose]();
  return { sessions: found.length, ...memory };
}

/** The same list in a fleet with a store, as the sidebar has it. */
async function listFleet(): Promise<Record<string, unknown>> {
  const store = await openStore({ directory: path.join(folder, 'store'), key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock });
  const made = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: path.join(folder, 'state') });
  const memory = await measured(async () => {
    await made.setConnections([connection()]);
    await made.settled();
  });
  const sessions = made.sessions().length;
  await made[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  return { sessions, ...memory };
}

async function listObvious(): Promise<Record<string, unknown>> {
  const { secretKey } = contentKeyPair(master);
  const found: unknown[] = [];
  const memory = await measured(async () => {
    for (let cursor = ''; ;) {
      const page = await get<{ readonly sessions: readonly Row[]; readonly nextCursor: string | null }>(`/v2/sessions?limit=200${cursor}`);
      for (const row of page.sessions) found.push(openRow(row, secretKey));
      if (page.nextCursor === null) break;
      cursor = `&cursor=${page.nextCursor}`;
    }
  });
  return { sessions: found.length, ...memory };
}

function openRow(row: Row, secretKey: Uint8Array): unknown {
  if (row.dataEncryptionKey === null) return [naclOpen(row.metadata, master), row.agentState === null ? null : naclOpen(row.agentState, master)];
  const wrapped = new Uint8Array(Buffer.from(row.dataEncryptionKey, 'base64'));
  const key = nacl.box.open(wrapped.slice(57), wrapped.slice(33, 57), wrapped.slice(1, 33), secretKey);
  return key === null ? null : [gcmOpen(row.metadata, key), row.agentState === null ? null : gcmOpen(row.agentState, key)];
}

function gcmOpen(text: string, key: Uint8Array): JsonValue {
  const bundle = new Uint8Array(Buffer.from(text, 'base64'));
  const decipher = createDecipheriv('aes-256-gcm', key, bundle.slice(1, 13)).setAuthTag(bundle.slice(-16));
  return JSON.parse(new TextDecoder().decode(Buffer.concat([decipher.update(bundle.slice(13, -16)), decipher.final()]))) as JsonValue;
}

function naclOpen(text: string, key: Uint8Array): JsonValue {
  const record = new Uint8Array(Buffer.from(text, 'base64'));
  const plain = nacl.secretbox.open(record.slice(24), record.slice(0, 24), key);
  return plain === null ? null : (JSON.parse(new TextDecoder().decode(plain)) as JsonValue);
}

async function withFleet<T>(work: (made: Fleet) => Promise<T>): Promise<T> {
  const store = await openStore({ directory: path.join(folder, 'store'), key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock });
  const made = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: path.join(folder, 'state') });
  try {
    await made.setConnections([connection()]);
    await made.settled();
    return await work(made);
  } finally {
    await made[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  }
}

function openOurs(): Promise<Record<string, unknown>> {
  return withFleet(async (made) => {
    let firstScreenMs = 0;
    let firstScreen: Hold = { longestHoldMs: 0, longestHoldCpuMs: 0 };
    let rows = 0;
    const memory = await measured(async (watch) => {
      const began = performance.now();
      const runtime = await made.open(sessionKey({ connectionId: 'happy', id: fleet.longId }));
      while (runtime.loading) await new Promise((resolve) => setTimeout(resolve, 1));
      firstScreenMs = Math.round(performance.now() - began);
      firstScreen = watch.lap();
      await runtime.historyRead();
      await runtime.transcript.flush();
      rows = runtime.transcript.total;
    });
    return { messages: fleet.longMessages, rows, firstScreenMs, firstScreenHoldMs: firstScreen.longestHoldMs, firstScreenHoldCpuMs: firstScreen.longestHoldCpuMs, ...memory };
  });
}

/** The whole history first, decrypted and made into a view in one go; kept in memory, for there is no store. */
async function openObvious(): Promise<Record<string, unknown>> {
  const row = await rowOf(fleet.longId);
  const cipher = new Keyring({ master }).cipherFor({ id: row.id, dataEncryptionKey: row.dataEncryptionKey });
  let kept: unknown = null;
  let rows = 0;
  const memory = await measured(async () => {
    const messages: MessageInput[] = [];
    for (let after = 0; ;) {
      const page = await get<{ readonly messages: readonly Message[]; readonly hasMore: boolean }>(`/v3/sessions/${fleet.longId}/messages?after_seq=${after}&limit=100`);
      for (const { id, seq, localId, createdAt, content } of page.messages) messages.push({ id, seq, localId, createdAt, content: cipher?.open(content.c) });
      after = messages.at(-1)?.seq ?? after;
      if (!page.hasMore) break;
    }
    const view = viewOf(new SessionNormaliser(plainContext).messages(messages));
    kept = [messages, view];
    rows = view.length;
  });
  return { messages: fleet.longMessages, rows, firstScreenMs: memory.ms, kept: kept !== null, ...memory };
}

async function rowOf(id: string): Promise<Row> {
  for (let cursor = ''; ;) {
    const page = await get<{ readonly sessions: readonly Row[]; readonly nextCursor: string | null }>(`/v2/sessions?limit=200${cursor}`);
    const row = page.sessions.find((one) => one.id === id);
    if (row !== undefined) return row;
    if (page.nextCursor === null) throw new Error('The fleet has no such session.');
    cursor = `&cursor=${page.nextCursor}`;
  }
}

/** From a message's POST to the entry in the transcript, beside what a bare socket takes to hear of it. */
function push(): Promise<Record<string, unknown>> {
  return withFleet(async (made) => {
    const [session] = made.sessions().filter(({ state, title }) => state === 'idle' && title !== 'Cannot be decrypted');
    if (session === undefined) throw new Error('The fleet has no idle session.');
    const row = await rowOf(session.id);
    const cipher = new Keyring({ master }).cipherFor({ id: row.id, dataEncryptionKey: row.dataEncryptionKey });
    const runtime = await made.open(sessionKey(session));
    await runtime.historyRead();
    const socket = io(fleet.url, { path: '/v1/updates', transports: ['websocket'], auth: { token: fleet.token, clientType: 'user-scoped' } });
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    const [bare, ours]: [number[], number[]] = [[], []];
    for (let sent = 0; sent < 200; sent += 1) {
      const text = `ping ${sent}`;
      const content = cipher?.seal({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'ios' } });
      const heard = new Promise<number>((resolve) => socket.once('update', () => resolve(performance.now())));
      const shown = new Promise<number>((resolve) => {
        const listening = runtime.transcript.onChange(() => {
          if (!runtime.transcript.tail.some((one) => one.kind === 'prompt' && one.text === text)) return;
          listening.dispose();
          resolve(performance.now());
        });
      });
      const began = performance.now();
      const posted = fetch(`${fleet.url}/v3/sessions/${session.id}/messages`, {
        method: 'POST', headers: { authorization: `Bearer ${fleet.token}`, 'content-type': 'application/json' }, body: JSON.stringify({ messages: [{ localId: randomUUID(), content }] }), signal: AbortSignal.timeout(10_000),
      });
      const [at, there] = await Promise.all([heard, shown, posted]);
      bare.push(at - began);
      ours.push(there - began);
    }
    socket.disconnect();
    runtime.release();
    return { ours: summarise(ours), bare: summarise(bare) };
  });
}

async function measured(work: (watch: HoldWatch) => Promise<void>): Promise<{ readonly ms: number; readonly rssMb: number; readonly heapMb: number } & Hold> {
  const before = await settle();
  const watch = new HoldWatch();
  const began = performance.now();
  await work(watch);
  const ms = Math.round(performance.now() - began);
  const held = watch.end();
  const after = await settle();
  const mb = (bytes: number): number => Math.round(bytes / 1_048_576);
  return { ms, rssMb: mb(after.rss - before.rss), heapMb: mb(after.heapUsed - before.heapUsed), ...held };
}

const works: Readonly<Record<string, () => Promise<Record<string, unknown>>>> = { listOurs, listFleet, listObvious, openOurs, openObvious, push };
try {
  const work = works[what];
  if (work === undefined) throw new Error(`There is no measurement ${what}.`);
  process.stdout.write(JSON.stringify(await work()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
