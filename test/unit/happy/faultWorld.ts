import { mkdtempSync, rmSync } from 'node:fs';
import { randomBytes, randomUUID } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import type { Session, SessionKey } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { happyConnection } from '../../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { plainContext, SessionNormaliser, titleOf } from '../../../src/core/systems/happy/normalise/index.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import type { Chance } from '../../loopback/happy/conversations.ts';
import { chanceOf } from '../../loopback/happy/conversations.ts';
import type { HappyProxy } from '../../loopback/happy/proxy.ts';
import { startProxy } from '../../loopback/happy/proxy.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';
import { recordingLog, until } from '../store/support.ts';
import type { FakeAgent } from './fakeDaemon.ts';
import { FakeDaemon } from './fakeDaemon.ts';

/** How much faster the client's waits are over than a clock has it. */
export const HASTE = 10;
/** How the client presents itself. */
export const CLIENT = 'pilothouse/0';
const PATIENT = 20_000;
const times = happyTimes(1, { rpcGrace: 300, rpcGracePoll: 20, rpcPresencePoll: 60, rpcAnswer: 1_000, stoppedFor: 300, presenceThreshold: 100, presenceFlush: 50 });
/** Those that socket.io keeps itself are not hurried by the clock. */
const timing = { pong: 500, connect: 700, slowConnect: 1_500 };

const unhandled: string[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(String(reason instanceof Error ? (reason.stack ?? reason.message) : reason)));

/** A hurried clock that counts the timers that wait, and can be set. */
export class FaultClock implements Clock {
  offset = 0;
  /** Where each timer that waits was set. */
  readonly #waiting = new Set<{ readonly stack?: string | undefined }>();

  get waiting(): readonly string[] {
    return [...this.#waiting].map(({ stack = '' }) => stack.split('\n').slice(2, 6).map((line) => line.trim().replace(/^at /, '').replace(/file:.*\/|\/.*\//, '')).join(' < '));
  }

  now(): number {
    return systemClock.now() + this.offset;
  }
  monotonic(): number {
    return systemClock.monotonic() * HASTE;
  }
  setTimeout(callback: () => void, ms: number): { cancel(): void } {
    const set = new Error('set');
    this.#waiting.add(set);
    const over = (): void => void this.#waiting.delete(set);
    const timer = systemClock.setTimeout(() => {
      over();
      callback();
    }, ms / HASTE);
    return { cancel: () => {
      over();
      timer.cancel();
    } };
  }
}

/** How a call of the person ended: null when well. */
type Ending = PilothouseError | null;

/**
 * One window of a person on a Happy account of its own, behind a proxy: a fleet on a store, one chat open. Others reach the server past the proxy. What may never be, however
 * bad the network, is looked for all the time and kept in `wrong`.
 */
export class FaultWorld implements AsyncDisposable {
  readonly seed: number;
  readonly chance: Chance;
  readonly clock = new FaultClock();
  readonly server: HappyTestServer;
  readonly proxy: HappyProxy;
  readonly daemon: FakeDaemon;
  readonly fleet: Fleet;
  readonly connectionId: string;
  /** The window's own token. */
  readonly token: string;
  /** Texts that the person was told to be accepted. */
  readonly accepted: string[] = [];
  readonly wrong = new Set<string>();
  /** States of the connection, as they followed each other. */
  readonly states: string[] = [];
  readonly lines: readonly string[];
  /** Others do not reach the server at the moment. */
  forAll = false;
  readonly #later: (() => Promise<void>)[] = [];
  readonly #store: OwnedStore;
  readonly #folder: string;
  #chat: FakeAgent | null = null;
  #runtime: SessionRuntime | null = null;
  #looking: NodeJS.Timeout | null = null;
  #beat: NodeJS.Timeout | undefined;
  #foreign = 0;
  #status = 'none';

  static async make(store: OwnedStore, seed: number, offset = 0): Promise<FaultWorld> {
    const server = await startHappyServer({ times });
    const master = Uint8Array.from(randomBytes(32));
    const world = new FaultWorld({ server, proxy: await startProxy(server.url), store, seed, master, offset });
    await world.#begin(master);
    return world;
  }

  private constructor(parts: { readonly server: HappyTestServer; readonly proxy: HappyProxy; readonly store: OwnedStore; readonly seed: number; readonly master: Uint8Array; readonly offset: number }) {
    this.server = parts.server;
    this.proxy = parts.proxy;
    this.seed = parts.seed;
    this.chance = chanceOf(parts.seed);
    this.clock.offset = parts.offset;
    this.connectionId = `happy-${parts.seed}-${randomUUID().slice(0, 8)}`;
    this.token = this.server.tokenFor(parts.master).token;
    this.daemon = new FakeDaemon(this.server, parts.master, this.server.tokenFor(parts.master).token);
    this.#store = parts.store;
    this.#folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-fault-'));
    const { log, lines } = recordingLog();
    this.lines = lines;
    this.fleet = new Fleet({ store: this.#store, log, clock: this.clock, stateDir: this.#folder });
  }

  get chat(): FakeAgent {
    if (this.#chat === null) throw new Error('There is no chat yet.');
    return this.#chat;
  }
  get runtime(): SessionRuntime {
    if (this.#runtime === null) throw new Error('The chat is not open yet.');
    return this.#runtime;
  }
  get status(): string {
    return this.fleet.connections()[0]?.state.status ?? 'none';
  }

  key(id: string): SessionKey {
    return sessionKey({ connectionId: this.connectionId, id });
  }
  session(id: string): Session | null {
    return this.fleet.session(this.key(id));
  }

  /** What others do meanwhile; when the trouble is over, where they do not reach the server either. */
  async elsewhere(work: () => Promise<void>): Promise<void> {
    if (this.forAll) this.#later.push(work);
    else await work();
  }
  /** Nobody is kept away any more. */
  async opened(): Promise<void> {
    this.forAll = false;
    for (const work of this.#later.splice(0)) await work();
  }

  /** Something that others wrote in the chat: its agent, or the phone. */
  says(): void {
    const text = `foreign ${(this.#foreign += 1)}`;
    const said = this.chance() < 0.5
      ? { role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'ios' } }
      : { role: 'session', content: { id: randomUUID(), time: Date.now(), role: 'agent', ev: { t: 'text', text } }, meta: { sentFrom: 'cli' } };
    if (this.chance() < 0.3) this.server.burnSeq(this.chat.id);
    this.server.append(this.chat.id, this.chat.cipher.seal(said), randomUUID());
  }

  /** Another client changes a session's metadata, whoever else writes. */
  async change(agent: FakeAgent, change: (metadata: JsonObject) => JsonObject): Promise<void> {
    for (let tries = 0; tries < 30; tries += 1) {
      const row = this.server.rows().sessions.find(({ id }) => id === agent.id);
      const value = agent.cipher.open(row?.metadata ?? '');
      if (row === undefined || !isJsonObject(value)) throw new Error(`Session ${agent.id} cannot be read.`);
      const answer = (await agent.socket.timeout(500).emitWithAck('update-metadata', { sid: agent.id, metadata: agent.cipher.seal(change(value)), expectedVersion: row.metadataVersion }).catch(() => null)) as { result: string } | null;
      if (answer?.result === 'success') return;
    }
    throw new Error('The other client could not write.');
  }

  /** The metadata that the server has of a session. */
  metadata(agent: FakeAgent): JsonObject {
    const value = agent.cipher.open(this.server.rows().sessions.find(({ id }) => id === agent.id)?.metadata ?? '');
    return isJsonObject(value) ? value : {};
  }

  /** A prompt of the person: durable when this resolves. */
  async prompt(text: string): Promise<void> {
    await this.runtime.send({ text, attachments: [] }, 'send');
    this.accepted.push(text);
  }

  /** A call of the person, whose failure must be one that can be told: null when it went well. */
  async call(what: string, work: () => Promise<unknown>): Promise<Ending> {
    try {
      await work();
      return null;
    } catch (error) {
      if (error instanceof PilothouseError) return error;
      this.wrong.add(`${what} failed without a code: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      return new PilothouseError('none', String(error));
    }
  }

  /** Texts of the prompts that the server has, in its order. */
  prompts(): readonly string[] {
    return this.server.messages(this.chat.id).flatMap((row) => {
      const value = this.chat.cipher.open(row.content);
      return isJsonObject(value) && value['role'] === 'user' && isJsonObject(value['content']) && typeof value['content']['text'] === 'string' ? [value['content']['text']] : [];
    });
  }

  /** Resolves when the connection is said to be away; false when that does not come. */
  async noticed(ms: number): Promise<boolean> {
    return until(() => this.states.some((state) => state !== 'ready'), ms).then(() => true, () => false);
  }

  /** Waits until all that the window shows is what the server has. Rejects with what differs. */
  async truth(): Promise<void> {
    let differs: readonly string[] = ['nothing was looked at'];
    const end = performance.now() + PATIENT;
    for (;;) {
      differs = await this.#differs();
      if (differs.length === 0) return this.#stored();
      if (performance.now() > end) throw new Error(`the window is not right after ${PATIENT} ms: ${differs.join('; ')}`);
      await sleep(15);
    }
  }

  /** Requests of the window by endpoint, ids left out. */
  requests(): ReadonlyMap<string, number> {
    const counted = new Map<string, number>();
    for (const call of this.server.requests) {
      if (call.client !== CLIENT) continue;
      const name = `${call.method} ${call.path.replaceAll(/\/(?:c[a-z0-9]{20,}|[0-9a-f-]{36})(?=\/|$)/g, '/*')}`;
      counted.set(name, (counted.get(name) ?? 0) + 1);
    }
    return counted;
  }

  /** Ends everything and says what is left of it, beside all else that was wrong. */
  async end(): Promise<readonly string[]> {
    await this[Symbol.asyncDispose]();
    await sleep(0);
    for (const reason of unhandled.splice(0)) this.wrong.add(`a rejection that nobody handled: ${reason}`);
    return [...this.wrong];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#looking === null) return;
    clearInterval(this.#looking);
    this.#looking = null;
    await this.fleet[Symbol.asyncDispose]();
    for (const timer of this.clock.waiting) this.wrong.add(`a timer is left: ${timer}`);
    const own = (): number => this.server.sockets().filter(({ happyClient }) => happyClient === CLIENT).length + this.proxy.connections;
    await until(() => own() === 0, 3_000).catch(() => this.wrong.add(`${own()} connections are left`));
    clearInterval(this.#beat);
    this.daemon.close();
    await this.proxy.close();
    await this.server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #begin(master: Uint8Array): Promise<void> {
    await this.daemon.online();
    const { machine, machineId, beatMs } = this.daemon;
    this.#beat = setInterval(() => machine.socket.volatile.emit('machine-alive', { machineId, time: Date.now() }), beatMs);
    this.#chat = await this.daemon.start('/work', { summary: { text: 'The chat', updatedAt: 1 } });
    await this.daemon.start('/work', { summary: { text: 'Another', updatedAt: 1 } });
    // A turn that cannot be told because the server is away is nobody's failure here.
    this.chat.turn = (text) => this.chat.speak(`You said ${text}`).catch(() => undefined);
    for (let count = 0; count < 3; count += 1) this.says();
    const credentials = explicitCredentials({ token: this.token, secret: toBase64(master) }, { serverUrl: this.proxy.url });
    const connection = happyConnection({ connectionId: this.connectionId, name: 'Happy', serverUrl: this.proxy.url, credentials, allowPlainHttp: false, timing });
    this.fleet.attention({ focused: true, visible: true });
    this.fleet.onChange(() => this.#presence());
    await this.fleet.setConnections([{ ...connection, account: true }]);
    this.#runtime = await this.fleet.open(this.key(this.chat.id));
    this.#looking = setInterval(() => this.#look(), 10);
    await this.truth();
  }

  #presence(): void {
    const [before, { status }] = [this.#status, this];
    this.#status = status;
    if (before !== status) this.states.push(status);
    // With the next contact machines and new sessions are told of before the lists are read and the connection is ready again.
    if (status === 'offline' && before === 'ready') this.unknown();
  }

  /** Without contact nothing is known of what lives. */
  unknown(): void {
    for (const { id, state } of [...this.fleet.sessions(), ...this.fleet.machines()]) if (state !== 'unknown') this.wrong.add(`${id} is ${state} without contact`);
  }

  /** A prompt is shown from when it was accepted on: as one that waits and says how it stands, or in the transcript. */
  #look(): void {
    if (this.runtime.isClosed) return;
    const items = this.runtime.outboxItems();
    const shown = this.runtime.transcript.tail;
    for (const text of this.accepted) {
      const waits = items.find((item) => item.text === text);
      if (waits === undefined && !shown.some((row) => row.kind === 'prompt' && row.text === text)) this.wrong.add(`“${text}” was not shown for a while`);
      if (waits?.delivery === 'failed') this.wrong.add(`“${text}” was given up: ${waits.error ?? ''}`);
    }
    const times = new Map<string, number>();
    for (const text of this.prompts()) times.set(text, (times.get(text) ?? 0) + 1);
    for (const text of this.accepted) if ((times.get(text) ?? 0) > 1) this.wrong.add(`“${text}” is there ${times.get(text)} times`);
  }

  async #expected(): Promise<readonly unknown[]> {
    const messages = this.server.messages(this.chat.id).map((row): MessageInput => ({ id: row.id, seq: row.seq, localId: row.localId, createdAt: row.createdAt, content: this.chat.cipher.open(row.content) }));
    const kept = JSON.parse((await this.#store.keep(`backend:${this.connectionId}`).get(`followed:${this.chat.id}`)) ?? '{}') as { readonly clockLagMs?: number | null };
    return shownOf(viewOf(new SessionNormaliser({ ...plainContext, folder: '/work', agent: 'claude', clockLagMs: kept.clockLagMs ?? 0 }).messages(messages)));
  }

  async #differs(): Promise<readonly string[]> {
    const differs: string[] = [];
    if (this.status !== 'ready') differs.push(`the connection is ${this.status}`);
    const stored = new Map(this.server.rows().sessions.map((row) => [row.id, row]));
    for (const { id } of this.fleet.sessions()) if (!stored.has(id)) differs.push(`session ${id} is still listed`);
    for (const agent of this.daemon.agents) {
      const session = this.session(agent.id);
      if (!stored.has(agent.id)) continue;
      if (session === null) differs.push(`session ${agent.id} is not listed`);
      else if (session.title !== titleOf(this.metadata(agent))) differs.push(`session ${agent.id} is “${session.title}”, not “${titleOf(this.metadata(agent))}”`);
      const requests = agent.agentState['requests'];
      const state = isJsonObject(requests) && Object.keys(requests).length > 0 ? 'waiting' : agent.thinking ? 'running' : 'idle';
      if (session !== null && session.state !== state) differs.push(`session ${agent.id} is ${session.state}, not ${state}`);
    }
    for (const { id, state } of this.fleet.machines()) if (state !== 'online') differs.push(`machine ${id} is ${state}`);
    for (const item of this.runtime.outboxItems()) differs.push(`“${item.text}” is ${item.delivery} (${item.error ?? 'no error'})`);
    const prompts = this.prompts();
    for (const text of this.accepted) if (!prompts.includes(text)) differs.push(`the server lacks “${text}”`);
    if (prompts.filter((text) => this.accepted.includes(text)).join('|') !== this.accepted.join('|')) differs.push(`the prompts stand as ${prompts.join(', ')}`);
    const [now, wanted] = [JSON.stringify(shownOf(this.runtime.transcript.tail)), JSON.stringify(await this.#expected())];
    if (now !== wanted) differs.push(`the transcript is ${now}, not ${wanted}`);
    return differs;
  }

  async #stored(): Promise<void> {
    await this.runtime.transcript.flush();
    const [kept, wanted] = [shownOf(viewOf((await this.#store.rows(this.runtime.key, 0, 10_000)).entries)), await this.#expected()];
    if (JSON.stringify(kept) !== JSON.stringify(wanted)) this.wrong.add(`the store has ${JSON.stringify(kept)}, not ${JSON.stringify(wanted)}`);
  }
}

const shownOf = (rows: readonly Row[]): readonly unknown[] => rows.flatMap((row) => (row.kind === 'prompt' || row.kind === 'text' ? [[row.kind, row.key, row.text]] : []));
