import { randomBytes, randomUUID } from 'node:crypto';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import type { Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { contentKeyPair, wrapKey } from '../../../src/core/systems/happy/crypto/keys.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';

export type Handler = (params: JsonObject) => JsonValue | undefined | Promise<JsonValue | undefined>;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A process at the other end of the wire: a socket of a machine or a session that answers to calls as the `happy` CLI does. */
class Party {
  readonly id: string;
  readonly cipher: Cipher;
  readonly socket: Socket;
  readonly handlers = new Map<string, Handler>();
  readonly calls: { readonly method: string; readonly params: JsonObject }[] = [];

  constructor(server: HappyTestServer, token: string, scope: JsonObject, id: string, cipher: Cipher) {
    this.id = id;
    this.cipher = cipher;
    this.socket = io(server.url, { path: '/v1/updates', transports: ['websocket'], auth: { token, ...scope }, reconnectionDelay: 50, reconnectionDelayMax: 100, forceNew: true });
    this.socket.on('connect', () => {
      for (const method of this.handlers.keys()) this.socket.emit('rpc-register', { method: `${id}:${method}` });
    });
    this.socket.on('rpc-request', (request: { method: string; params: string }, ack: (answer: string) => void) => {
      void this.#answer(request, ack);
    });
  }

  on(method: string, handler: Handler): void {
    this.handlers.set(method, handler);
    if (this.socket.connected) this.socket.emit('rpc-register', { method: `${this.id}:${method}` });
  }

  async online(): Promise<void> {
    if (this.socket.connected) return;
    await new Promise<void>((resolve) => {
      this.socket.once('connect', () => resolve());
    });
  }

  async #answer({ method, params }: { method: string; params: string }, ack: (answer: string) => void): Promise<void> {
    const name = method.slice(method.indexOf(':') + 1);
    const value = this.cipher.open(params);
    const given = isJsonObject(value) ? value : {};
    this.calls.push({ method: name, params: given });
    try {
      const answer = await this.handlers.get(name)?.(given);
      ack(answer === undefined ? toBase64(this.cipher.sealBytes(new Uint8Array())) : this.cipher.seal(answer));
    } catch (error) {
      ack(this.cipher.seal({ error: error instanceof Error ? error.message : String(error) }));
    }
  }
}

/** How a process that was resumed reads what it skips. */
export interface Resumed {
  /** Milliseconds before each page of a hundred messages. */
  readonly pageMs: number;
}

/** One session's process: answers prompts with a short turn. */
export class FakeAgent extends Party {
  readonly daemon: FakeDaemon;
  /** What becomes of a prompt; a whole turn by default. */
  turn: (text: string) => Promise<void> = (text) => this.speak(`You said ${text}`);
  agentState: JsonObject;
  metadata: JsonObject;
  readonly prompts: string[] = [];
  readonly metas: JsonObject[] = [];
  thinking = false;
  dead = false;
  #version: number;
  #stateVersion = 0;
  #storing: Promise<void> = Promise.resolve();
  readonly #beat: NodeJS.Timeout;
  readonly #resumed: boolean;
  /** Resumed, and still reading what it skips. */
  #skipping: boolean;
  #lastSeq = 0;

  /** `resumed`: it begins as happy 1.2.5 does on a session that it was started for again: all messages that are there when it reads are skipped, those beyond are taken. */
  constructor(daemon: FakeDaemon, id: string, cipher: Cipher, metadata: JsonObject, version: number, resumed: Resumed | null = null) {
    super(daemon.server, daemon.token, { clientType: 'session-scoped', sessionId: id }, id, cipher);
    this.daemon = daemon;
    this.metadata = metadata;
    this.#version = version;
    this.#resumed = resumed !== null;
    this.#skipping = this.#resumed;
    if (resumed !== null) {
      this.socket.once('connect', () => {
        this.setMetadata({ ...this.metadata, lifecycleState: 'running' }).then(() => this.#skip(resumed)).catch((error: unknown) => {
          if (!this.dead) throw error;
        });
      });
    }
    this.agentState = { controlledByUser: false, requests: {}, completedRequests: {} };
    this.#beat = setInterval(() => this.alive(), daemon.beatMs);
    this.socket.on('update', (update: { body: JsonObject & { t: string } }) => this.#heard(update.body));
    this.on('killSession', () => {
      setTimeout(() => void this.exit(), 20);
      return { success: true, message: 'Killing happy-cli process' };
    });
    this.on('abort', () => undefined);
    this.on('getDirectoryTree', () => ({ success: true }));
    this.on('communication', async ({ id: request, kind, status, answers }) => {
      const { [textOf(request)]: asked, ...communications } = this.agentState['communications'] as JsonObject;
      if (asked === undefined) return undefined;
      const completed = { ...(asked as JsonObject), kind: kind ?? null, status: status ?? null, completedAt: Date.now(), ...(answers === undefined ? {} : { answers }) };
      await this.setState({ ...this.agentState, communications, completedCommunications: { ...(this.agentState['completedCommunications'] as JsonObject | undefined), [textOf(request)]: completed } });
      return undefined;
    });
    this.on('permission', async ({ id: request, approved }) => {
      const id = textOf(request);
      const { [id]: asked, ...requests } = this.agentState['requests'] as JsonObject;
      if (asked === undefined) return undefined;
      await this.setState({ ...this.agentState, requests, completedRequests: { ...(this.agentState['completedRequests'] as JsonObject), [id]: { ...(asked as JsonObject), status: approved === true ? 'approved' : 'denied' } } });
      return undefined;
    });
  }

  /** Asks the person in a form, as Rig does. */
  async ask(id: string, form: JsonObject): Promise<void> {
    await this.setState({ ...this.agentState, communications: { ...(this.agentState['communications'] as JsonObject | undefined), [id]: { kind: 'form', createdAt: Date.now(), form } } });
  }

  /** Asks no more: the form is nowhere. */
  async withdraw(id: string): Promise<void> {
    const { [id]: _asked, ...communications } = this.agentState['communications'] as JsonObject;
    await this.setState({ ...this.agentState, communications });
  }

  alive(): void {
    if (!this.dead) this.socket.emit('session-alive', { sid: this.id, time: Date.now(), thinking: this.thinking, mode: 'remote' });
  }

  think(thinking: boolean): void {
    this.thinking = thinking;
    this.alive();
  }

  async say(...envelopes: readonly JsonObject[]): Promise<void> {
    const messages = envelopes.map((content) => ({ localId: randomUUID(), content: this.cipher.seal({ role: 'session', content, meta: { sentFrom: 'cli' } }) }));
    await this.daemon.post(`/v3/sessions/${this.id}/messages`, { messages });
  }

  async speak(text: string, ms = 5): Promise<void> {
    const turn = randomUUID();
    const envelope = (ev: JsonObject): JsonObject => ({ id: randomUUID(), time: Date.now(), role: 'agent', turn, ev });
    this.think(true);
    await this.say(envelope({ t: 'turn-start' }), envelope({ t: 'text', text }));
    await new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
    this.think(false);
    await this.say(envelope({ t: 'turn-end', status: 'completed' }));
  }

  /** Its state from now on, and on the server when this resolves; one change after the other. */
  setState(state: JsonObject): Promise<void> {
    this.agentState = state;
    const stored = this.#storing.then(() => this.#store());
    this.#storing = stored.catch(() => undefined);
    return stored;
  }

  async #store(): Promise<void> {
    for (;;) {
      const update = { sid: this.id, agentState: this.cipher.seal(this.agentState), expectedVersion: this.#stateVersion };
      const answer = (await this.socket.timeout(2_000).emitWithAck('update-state', update)) as { result: string; version: number };
      this.#stateVersion = answer.version;
      if (answer.result === 'success') return;
    }
  }

  /** Where it goes on from, on a session that had a process before. */
  set agentVersion(version: number) {
    this.#stateVersion = version;
  }

  async setMetadata(metadata: JsonObject): Promise<void> {
    this.metadata = metadata;
    const answer = (await this.socket.timeout(2_000).emitWithAck('update-metadata', { sid: this.id, metadata: this.cipher.seal(metadata), expectedVersion: this.#version })) as { version: number };
    this.#version = answer.version;
  }

  async exit(): Promise<void> {
    if (this.dead) return;
    this.metadata = { ...this.metadata, lifecycleState: 'archived' };
    await this.socket.timeout(2_000).emitWithAck('update-metadata', { sid: this.id, metadata: this.cipher.seal(this.metadata), expectedVersion: this.#version }).catch(() => undefined);
    this.socket.emit('session-end', { sid: this.id, time: Date.now() });
    setTimeout(() => this.crash(), 10);
  }

  /** As kill -9: nothing is said. */
  crash(): void {
    this.dead = true;
    clearInterval(this.#beat);
    this.socket.disconnect();
  }

  #heard(body: JsonObject & { t: string }): void {
    const metadata = body['metadata'];
    if (body.t === 'update-session' && isJsonObject(metadata)) {
      this.#version = Number(metadata['version']);
      const value = this.cipher.open(textOf(metadata['value']));
      if (isJsonObject(value)) this.metadata = value;
    }
    const message = body['message'];
    if (body.t !== 'new-message' || this.#skipping || !isJsonObject(message)) return;
    this.#route(message);
  }

  async #skip({ pageMs }: Resumed): Promise<void> {
    for (let more = true; more;) {
      await new Promise((resolve) => {
        setTimeout(resolve, pageMs);
      });
      if (this.dead) return;
      more = await this.#page(() => undefined);
    }
    this.#skipping = false;
    while (await this.#page((message) => this.#route(message)));
  }

  async #page(each: (message: JsonObject) => void): Promise<boolean> {
    const answer = await fetch(`${this.daemon.server.url}/v3/sessions/${this.id}/messages?after_seq=${this.#lastSeq}&limit=100`, { headers: { authorization: `Bearer ${this.daemon.token}` } });
    const { messages, hasMore } = (await answer.json()) as { messages: (JsonObject & { seq: number })[]; hasMore: boolean };
    for (const message of messages) {
      each(message);
      this.#lastSeq = Math.max(this.#lastSeq, message.seq);
    }
    return hasMore;
  }

  #route(message: JsonObject): void {
    const seq = Number(message['seq']);
    if ((this.#resumed && seq <= this.#lastSeq) || !isJsonObject(message['content'])) return;
    this.#lastSeq = Math.max(this.#lastSeq, seq);
    const value = this.cipher.open(textOf(message['content']['c']));
    if (!isJsonObject(value) || value['role'] !== 'user' || !isJsonObject(value['content'])) return;
    const text = textOf(value['content']['text']);
    this.prompts.push(text);
    this.metas.push(isJsonObject(value['meta']) ? value['meta'] : {});
    this.turn(text).catch((error: unknown) => {
      if (!this.dead) throw error;
    });
  }
}

/** A machine's daemon, with the sessions that it started. */
export class FakeDaemon {
  readonly server: HappyTestServer;
  readonly token: string;
  readonly master: Uint8Array;
  readonly machineId = randomUUID();
  readonly machineKey = Uint8Array.from(randomBytes(32));
  readonly machine: Party;
  readonly agents: FakeAgent[] = [];
  readonly folders = new Set<string>(['/work']);
  /** Milliseconds between signs of life. */
  beatMs = 100;
  /** As Node.js names it. */
  platform = 'linux';
  /** What its sessions answer to, where they answer to less than happy's own. */
  methods: ReadonlySet<string> | null = null;
  /** More of the machine's record. */
  about: JsonObject = {};
  /** Before an answer to a spawn. */
  onSpawned: (agent: FakeAgent) => Promise<void> | void = () => undefined;

  constructor(server: HappyTestServer, master: Uint8Array, token: string) {
    this.server = server;
    this.master = master;
    this.token = token;
    this.machine = new Party(server, token, { clientType: 'machine-scoped', machineId: this.machineId }, this.machineId, dataKeyCipher(this.machineKey));
    this.machine.on('spawn-happy-session', async ({ directory, approvedNewDirectoryCreation }) => {
      if (typeof directory !== 'string' || directory === '') throw new Error('Directory is required');
      if (!this.folders.has(directory) && approvedNewDirectoryCreation !== true) return { type: 'requestToApproveDirectoryCreation', directory };
      const agent = await this.start(directory);
      await this.onSpawned(agent);
      return { type: 'success', sessionId: agent.id };
    });
    this.machine.on('stop-session', ({ sessionId }) => {
      const agent = this.agents.find((one) => one.id === sessionId && !one.dead);
      if (agent === undefined) throw new Error('Session not found or failed to stop');
      agent.crash();
      return { message: 'Session stopped' };
    });
  }

  async start(directory: string, more: JsonObject = {}): Promise<FakeAgent> {
    const key = Uint8Array.from(randomBytes(32));
    const cipher = dataKeyCipher(key);
    const metadata: JsonObject = { path: directory, host: 'lab', machineId: this.machineId, homeDir: '/home/dev', flavor: 'claude', lifecycleState: 'running', startedBy: 'daemon', ...more };
    const body = { tag: randomUUID(), metadata: cipher.seal(metadata), agentState: null, dataEncryptionKey: toBase64(wrapKey(key, contentKeyPair(this.master).publicKey)) };
    const answer = (await this.post('/v1/sessions', body)) as { session: { id: string; metadataVersion: number } };
    const agent = new FakeAgent(this, answer.session.id, cipher, metadata, answer.session.metadataVersion);
    for (const method of agent.handlers.keys()) if (this.methods?.has(method) === false) agent.handlers.delete(method);
    this.agents.push(agent);
    await agent.online();
    await agent.setState(agent.agentState);
    agent.alive();
    return agent;
  }

  async online(): Promise<void> {
    await this.post('/v1/machines', {
      id: this.machineId, metadata: this.machine.cipher.seal({ host: 'lab', platform: this.platform, homeDir: '/home/dev', ...this.about }), daemonState: this.machine.cipher.seal({ status: 'running', pid: 1 }),
      dataEncryptionKey: toBase64(wrapKey(this.machineKey, contentKeyPair(this.master).publicKey)),
    });
    await this.machine.online();
    this.machine.socket.emit('machine-alive', { machineId: this.machineId, time: Date.now() });
  }

  /** What the daemon says of itself. */
  async says(status: 'running' | 'shutting-down'): Promise<void> {
    const version = this.server.rows().machines.find(({ id }) => id === this.machineId)?.daemonStateVersion ?? 0;
    await this.machine.socket.timeout(2_000).emitWithAck('machine-update-state', { machineId: this.machineId, daemonState: this.machine.cipher.seal({ status, pid: 1 }), expectedVersion: version });
  }

  /** Starts a session's process again when the machine is asked to; `begin` is called with it before anything reaches it. */
  resumes(resumed: Resumed | null, begin: (agent: FakeAgent) => void = () => undefined): void {
    this.machine.on('resume-happy-session', ({ sessionId }) => {
      const before = this.agents.findLast((one) => one.id === sessionId);
      if (before === undefined) throw new Error('Session not found');
      const row = this.server.rows().sessions.find(({ id }) => id === sessionId);
      const again = new FakeAgent(this, before.id, before.cipher, { ...before.metadata, lifecycleState: 'running' }, row?.metadataVersion ?? 1, resumed);
      again.agentVersion = row?.agentStateVersion ?? 0;
      begin(again);
      this.agents.push(again);
      return { type: 'success', sessionId: before.id };
    });
  }

  async post(path: string, body: unknown): Promise<unknown> {
    const answer = await fetch(this.server.url + path, { method: 'POST', headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}`);
    return answer.json();
  }

  close(): void {
    for (const agent of this.agents) agent.crash();
    this.machine.socket.disconnect();
  }
}
