import { randomBytes, randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/core/model/json.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher, type Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { contentKeyPair, wrapKey } from '../../../src/core/systems/happy/crypto/keys.ts';
import { chanceOf, textOf } from './conversations.ts';
import { DemoFiles } from './demoFiles.ts';
import { DemoSession, type DemoWorld } from './demoSession.ts';
import { sessionMetadata, type Fleet, type FleetMachine } from './fleet.ts';
import type { SessionRow } from './rows.ts';

export interface AnimateOptions {
  /** Milliseconds between two things that an agent does; 900 when absent. */
  readonly stepMs?: number;
  /** Milliseconds between heartbeats of a session; 2,000 when absent, as `happy` has it. */
  readonly beatMs?: number;
}

/** The living part of a fleet. */
export interface Animation {
  /** Sessions that a demo agent runs now. */
  readonly sessions: readonly string[];
  close(): void;
}

/**
 * Brings a seeded fleet to life over the server's own surface: the daemons of the machines that are online, and an agent by rules for every session of theirs
 * that is active. They beat, answer calls (spawn, stop, files, permissions, interrupt), take prompts and outlive a restart of the server. Resolves when the machines are there.
 */
export async function animateFleet(url: string, fleet: Fleet, options: AnimateOptions = {}): Promise<Animation> {
  const world: DemoWorld = { url, token: fleet.token, chance: chanceOf(7), stepMs: options.stepMs ?? 900, beatMs: options.beatMs ?? 2_000 };
  const machines = fleet.machines.filter(({ online }) => online).map((machine) => new DemoMachine(world, machine, fleet));
  const rows = await everyRow(world);
  for (const { id, machine: { id: machineId }, state, cipher, path, turn } of fleet.sessions) {
    const row = rows.get(id);
    const owner = machines.find((each) => each.machine.id === machineId);
    if (row === undefined || owner === undefined || cipher === null || !row.active) continue;
    owner.run(row, path, cipher, { busy: state === 'running', turn, terminal: state === 'local' });
  }
  await Promise.all(machines.map((machine) => machine.ready));
  return {
    get sessions() { return machines.flatMap((machine) => [...machine.sessions.keys()]); },
    close: () => {
      for (const machine of machines) machine.close();
    },
  };
}

/** A machine's daemon. */
class DemoMachine {
  readonly machine: FleetMachine;
  readonly sessions = new Map<string, DemoSession>();
  /** Resolves when it has connected first. */
  readonly ready: Promise<void>;
  readonly #world: DemoWorld;
  readonly #fleet: Fleet;
  readonly #files: DemoFiles;
  readonly #socket: Socket;
  readonly #beat: NodeJS.Timeout;

  constructor(world: DemoWorld, machine: FleetMachine, fleet: Fleet) {
    this.machine = machine;
    this.#world = world;
    this.#fleet = fleet;
    this.#files = new DemoFiles(machine.home);
    this.#socket = io(world.url, {
      path: '/v1/updates', transports: ['websocket'], forceNew: true, reconnectionDelay: 200, reconnectionDelayMax: 1_000,
      auth: { token: world.token, clientType: 'machine-scoped', machineId: machine.id, happyClient: 'cli-daemon/1.2.5' },
    });
    this.ready = new Promise((resolve) => { this.#socket.once('connect', resolve); });
    this.#socket.on('connect', () => {
      for (const method of ['spawn-happy-session', 'resume-happy-session', 'stop-session', 'readFile', 'writeFile', 'listDirectory', 'getDirectoryTree', 'bash']) this.#socket.emit('rpc-register', { method: `${machine.id}:${method}` });
      this.#alive();
    });
    this.#socket.on('rpc-request', (request: { method: string; params: string }, answer: (result: string) => void) => {
      const params = machine.cipher.open(request.params);
      this.#answer(request.method.slice(request.method.indexOf(':') + 1), isJsonObject(params) ? params : {})
        .catch((error: unknown): JsonValue => ({ error: error instanceof Error ? error.message : 'failed' }))
        .then((result) => answer(machine.cipher.seal(result)))
        .catch(() => undefined);
    });
    this.#beat = setInterval(() => this.#alive(), world.beatMs * 10);
  }

  /** Runs an agent for a session. */
  run(row: SessionRow, path: string, cipher: Cipher, { busy = false, turn = null, terminal = false }: { readonly busy?: boolean; readonly turn?: string | null; readonly terminal?: boolean } = {}): void {
    const open = (sealed: string | null): JsonObject => {
      const value = sealed === null ? undefined : cipher.open(sealed);
      return isJsonObject(value) ? value : {};
    };
    this.sessions.set(row.id, new DemoSession(this.#world, {
      id: row.id, path, cipher, files: this.#files, metadata: open(row.metadata), metadataVersion: row.metadataVersion,
      agentState: open(row.agentState), agentStateVersion: row.agentStateVersion, seq: row.seq, busy, turn, terminal,
    }, () => this.sessions.delete(row.id)));
  }

  close(): void {
    clearInterval(this.#beat);
    for (const session of this.sessions.values()) session.close();
    this.#socket.disconnect();
  }

  #alive(): void {
    this.#socket.volatile.emit('machine-alive', { machineId: this.machine.id, time: Date.now() });
  }

  async #answer(method: string, params: JsonObject): Promise<JsonValue> {
    if (method === 'spawn-happy-session') return this.#spawn(params);
    if (method === 'resume-happy-session') return this.#resume(textOf(params['sessionId']));
    if (method === 'stop-session') {
      const session = this.sessions.get(textOf(params['sessionId']));
      if (session === undefined) return { error: 'Session not found or failed to stop' };
      session.close();
      return { message: 'Session stopped' };
    }
    return this.#files.answer(method, params, null) ?? { error: 'Method not found' };
  }

  async #spawn(params: JsonObject): Promise<JsonValue> {
    const { directory, approvedNewDirectoryCreation, agent } = params;
    if (typeof directory !== 'string' || directory === '') return { error: 'Directory is required' };
    if (agent !== undefined && agent !== 'claude' && agent !== 'codex') return { error: `Unsupported agent type: '${textOf(agent)}'. Please update your CLI to the latest version.` };
    if (!this.#files.isFolder(directory)) {
      if (approvedNewDirectoryCreation !== true) return { type: 'requestToApproveDirectoryCreation', directory };
      this.#files.makeFolder(directory);
    }
    const key = Uint8Array.from(randomBytes(32));
    const cipher = dataKeyCipher(key);
    const metadata = sessionMetadata({ machine: this.machine, path: directory, title: null, from: Date.now(), chance: this.#world.chance, flavor: agent === 'codex' ? 'codex' : 'claude' });
    const dataEncryptionKey = toBase64(wrapKey(key, contentKeyPair(this.#fleet.master).publicKey));
    const { session } = (await http(this.#world, 'POST', '/v1/sessions', { tag: randomUUID(), metadata: cipher.seal(metadata), dataEncryptionKey })) as { session: SessionRow };
    this.run(session, directory, cipher);
    return { type: 'success', sessionId: session.id };
  }

  async #resume(sessionId: string): Promise<JsonValue> {
    const known = this.#fleet.sessions.find(({ id }) => id === sessionId);
    const row = (await everyRow(this.#world)).get(sessionId);
    if (this.sessions.has(sessionId)) return { error: 'Session is still running' };
    if (known === undefined || known.cipher === null || row === undefined) return { error: 'Session not found' };
    const metadata = known.cipher.open(row.metadata);
    const running = { ...(isJsonObject(metadata) ? metadata : {}), lifecycleState: 'running', lifecycleStateSince: Date.now() };
    const answer = (await this.#socket.timeout(5_000).emitWithAck('update-metadata', { sid: sessionId, metadata: known.cipher.seal(running), expectedVersion: row.metadataVersion })) as { version: number };
    this.run({ ...row, metadata: known.cipher.seal(running), metadataVersion: answer.version }, known.path, known.cipher);
    return { type: 'success', sessionId };
  }
}

async function everyRow(world: DemoWorld): Promise<Map<string, SessionRow>> {
  const rows = new Map<string, SessionRow>();
  for (let cursor = ''; ;) {
    const page = (await http(world, 'GET', `/v2/sessions?limit=200${cursor}`)) as { sessions: SessionRow[]; nextCursor: string | null };
    for (const row of page.sessions) rows.set(row.id, row);
    if (page.nextCursor === null) return rows;
    cursor = `&cursor=${page.nextCursor}`;
  }
}

async function http(world: DemoWorld, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(world.url + path, {
    method, signal: AbortSignal.timeout(10_000), headers: { authorization: `Bearer ${world.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return response.json();
}
