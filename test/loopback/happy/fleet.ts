import { randomBytes, randomUUID } from 'node:crypto';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher, legacyCipher, type Cipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { contentKeyPair, wrapKey } from '../../../src/core/systems/happy/crypto/keys.ts';
import { asksNext, chanceOf, cuid, lastTurn, nextTurn, pick, Scribe, wholeTurn, type Chance, type FleetState } from './conversations.ts';
import { goalCount, goalOf } from './goals.ts';
import { Ids } from './ids.ts';
import type { MachineRow, MessageRow, SessionRow } from './rows.ts';
import type { HappyTestServer } from './server.ts';

export interface FleetMachine {
  readonly id: string;
  readonly host: string;
  readonly home: string;
  readonly platform: 'linux' | 'darwin';
  /** Its daemon runs. */
  readonly online: boolean;
  readonly cipher: Cipher;
}

export interface FleetSession {
  readonly id: string;
  readonly machine: FleetMachine;
  readonly state: FleetState;
  readonly title: string;
  readonly path: string;
  /** null: nobody has its key. */
  readonly cipher: Cipher | null;
  readonly messages: number;
  /** The id of the turn that runs or waits. */
  readonly turn: string | null;
}

export interface Fleet {
  readonly master: Uint8Array;
  readonly accountId: string;
  readonly token: string;
  readonly machines: readonly FleetMachine[];
  readonly sessions: readonly FleetSession[];
}

export interface FleetOptions {
  /** The account's secret, 32 bytes; made when absent. */
  readonly master?: Uint8Array;
  /** How many sessions; as many as there are goals when absent. The first twelve are one of each state. */
  readonly sessions?: number;
  /** Messages of one session that is long; 0, none, when absent. */
  readonly long?: number;
  /** Decides all that is left to chance but keys and ids; 1 when absent. */
  readonly seed?: number;
}

/** Sessions beyond so many of the newest have no process any more. */
const mostActive = 30;
const minute = 60_000;
const day = 24 * 60 * minute;
/** One of each, in this order; then mostly the quiet ones. */
const states: readonly FleetState[] = ['running', 'permission', 'question', 'plan', 'idle', 'failed', 'cancelled', 'local', 'legacy', 'unreadable', 'stopped', 'archived'];
const quiet: readonly FleetState[] = ['idle', 'stopped', 'stopped', 'archived', 'archived', 'failed'];
const hosts: readonly (Pick<FleetMachine, 'host' | 'platform' | 'home' | 'online'> & { readonly projects: readonly string[] })[] = [
  { host: 'studio', platform: 'linux', home: '/home/dev', online: true, projects: ['api', 'search', 'infra'] },
  { host: 'laptop', platform: 'darwin', home: '/Users/dev', online: true, projects: ['web', 'billing', 'docs'] },
  { host: 'build-server', platform: 'linux', home: '/srv/build', online: false, projects: ['infra', 'api', 'web', 'search'] },
];
/** How long ago, in minutes, something happened last in the sessions of each state. */
const recent = [1, 3, 8, 17, 26, 42, 70, 95, 160, 260, 430, 700] as const;

/** How long ago, in minutes, something happened last in the session of this place: minutes for the first, weeks for the last of a fleet of the usual size. */
function ageOf(index: number, chance: Chance): number {
  const known = recent[index];
  if (known !== undefined) return known;
  const hours = 16 * 1.15 ** Math.min(index - recent.length, goalCount - recent.length) + 6 * Math.max(0, index - goalCount);
  return Math.round(hours * 60 * (0.95 + chance() * 0.1));
}

/**
 * Fills a server with a person's fleet: machines, one of them offline, and sessions in every state, sealed with real crypto under the master.
 * Their past is stored as it would be; what must be alive (heartbeats, answers to calls) is not: see `animateFleet`.
 */
export function seedFleet(server: HappyTestServer, options: FleetOptions = {}): Fleet {
  const master = options.master ?? Uint8Array.from(randomBytes(32));
  const chance = chanceOf(options.seed ?? 1);
  const { accountId, token } = server.tokenFor(master);
  const owner = contentKeyPair(master).publicKey;
  const now = Date.now();
  const machines = hosts.map((host, index) => {
    const key = Uint8Array.from(randomBytes(32));
    const { projects: _, ...known } = host;
    const machine: FleetMachine = { ...known, id: randomUUID(), cipher: dataKeyCipher(key) };
    server.seed({ machines: [machineRow(machine, accountId, toBase64(wrapKey(key, owner)), now - (index + 2) * 20 * day, now)] });
    return machine;
  });
  const count = options.sessions ?? goalCount;
  const ids = new Ids();
  const sessions: FleetSession[] = [];
  // Oldest first: ids sort as their sessions were made. The states that stand out are among the newest.
  for (let index = count - 1; index >= 0; index -= 1) {
    const state = states[index] ?? pick(quiet, chance);
    const { project } = goalOf(index);
    const machine = pick(machines.filter(({ online }, at) => (online || index >= states.length) && hosts[at]?.projects.includes(project) === true), chance);
    const session = makeSession({ machine, state, index, accountId, master, owner, lastAt: now - ageOf(index, chance) * minute, now, ids, chance, turns: index === 4 && options.long !== undefined ? Math.ceil(options.long / 9) : undefined });
    server.seed({ sessions: [session.row], messages: session.messages });
    sessions.unshift(session.made);
  }
  return { master, accountId, token, machines, sessions };
}

interface Plan {
  readonly machine: FleetMachine;
  readonly state: FleetState;
  readonly index: number;
  readonly accountId: string;
  readonly master: Uint8Array;
  readonly owner: Uint8Array;
  /** When something happened last. */
  readonly lastAt: number;
  readonly now: number;
  readonly ids: Ids;
  readonly chance: Chance;
  readonly turns: number | undefined;
}

function makeSession(plan: Plan): { readonly row: SessionRow; readonly messages: MessageRow[]; readonly made: FleetSession } {
  const { machine, state, index, accountId, lastAt, now, ids } = plan;
  const key = Uint8Array.from(randomBytes(32));
  const cipher = state === 'legacy' ? legacyCipher(plan.master) : dataKeyCipher(key);
  const goal = goalOf(index);
  const seed = Math.floor(plan.chance() * 2 ** 32);
  const turns = plan.turns ?? (asksNext(state) || plan.chance() < 0.4 ? 1 : 2);
  const write = (from: number) => {
    const chance = chanceOf(seed);
    const scribe = new Scribe(chance, from);
    // A long session goes through what others are about, two turns each; it ends with its own goal.
    const pairs = Math.floor((turns - 1) / 2);
    for (let turn = 0; turn < turns; turn += 1) {
      const about = goalOf(index + (pairs - Math.floor(turn / 2)) * 5);
      if (turn > 0) scribe.pass((0.2 + chance() * 4) * minute);
      (turn % 2 === 0 ? wholeTurn : nextTurn)(scribe, about, chance);
    }
    return { scribe, requests: lastTurn(scribe, state, goal, chance), chance };
  };
  // Written twice: how long it takes is known at its end.
  const from = lastAt - write(0).scribe.now;
  const { scribe, requests, chance } = write(from);
  const id = ids.next(from);
  const messages = scribe.written.map(({ at, value, localId }, at0): MessageRow => ({ id: ids.next(at), sessionId: id, seq: at0 + 1, localId, content: cipher.seal(value), createdAt: at, updatedAt: at }));
  const path = `${machine.home}/work/${goal.project}`;
  const ended = state === 'archived' || state === 'stopped';
  const active = !ended && machine.online && index < mostActive;
  const metadata = sessionMetadata({ machine, path, title: goal.title, from, ended: state === 'archived', flavor: index % 7 === 6 ? 'codex' : 'claude', chance });
  const row: SessionRow = {
    id, accountId, tag: randomUUID(), seq: messages.length, metadata: cipher.seal(metadata), metadataVersion: 2,
    agentState: cipher.seal({ controlledByUser: state === 'local', requests, completedRequests: {} }), agentStateVersion: 1 + Object.keys(requests).length,
    // A key that was wrapped for somebody else: the row is there, and nothing in it can be read.
    dataEncryptionKey: state === 'legacy' ? null : toBase64(wrapKey(key, state === 'unreadable' ? contentKeyPair(Uint8Array.from(randomBytes(32))).publicKey : plan.owner)),
    active, activeAt: active ? now : lastAt, createdAt: from, updatedAt: lastAt,
  };
  return { row, messages, made: { id, machine, state, title: goal.title, path, cipher: state === 'unreadable' ? null : cipher, messages: messages.length, turn: scribe.turn } };
}

/** The metadata of a session as `happy` 1.2.5 writes it. */
export function sessionMetadata(of: {
  readonly machine: FleetMachine; readonly path: string; readonly title: string | null; readonly from: number; readonly ended?: boolean; readonly flavor?: 'claude' | 'codex'; readonly chance: Chance;
}): JsonObject {
  const { machine, path, title, from, ended = false, flavor = 'claude', chance } = of;
  return {
    path, host: machine.host, version: '1.2.5', os: machine.platform, machineId: machine.id, homeDir: machine.home, happyHomeDir: `${machine.home}/.happy`,
    happyLibDir: '/opt/agents/node_modules/happy', happyToolsDir: '/opt/agents/node_modules/happy/tools/unpacked', startedFromDaemon: true, hostPid: 1_000 + Math.floor(chance() * 60_000),
    startedBy: 'daemon', lifecycleState: ended ? 'archived' : 'running', lifecycleStateSince: from, flavor, sandbox: null, dangerouslySkipPermissions: false,
    ...(flavor === 'claude' ? { claudeSessionId: randomUUID(), tools: ['Bash', 'Edit', 'Read', 'Write'], slashCommands: ['clear', 'compact', 'context'] } : { codexThreadId: cuid(chance) }),
    ...(title === null ? {} : { summary: { text: title, updatedAt: from + 1_000 } }),
  };
}

function machineRow(machine: FleetMachine, accountId: string, dataEncryptionKey: string, from: number, now: number): MachineRow {
  const { cipher, online } = machine;
  const metadata = {
    host: machine.host, platform: machine.platform, happyCliVersion: '1.2.5', homeDir: machine.home, happyHomeDir: `${machine.home}/.happy`, happyLibDir: '/opt/agents/node_modules/happy',
    cliAvailability: { claude: true, codex: machine.host !== 'laptop', gemini: false, openclaw: false, agy: false, detectedAt: from },
    resumeSupport: { rpcAvailable: true, requiresSameMachine: true, requiresHappyAgentAuth: true, happyAgentAuthenticated: false, detectedAt: from },
  };
  const daemonState = online ? { status: 'running', pid: 4_242, httpPort: 40_001, startedAt: from } : { status: 'shutting-down', pid: 4_242, httpPort: 40_001, startedAt: from, shutdownRequestedAt: now - 3 * day, shutdownSource: 'os-signal' };
  return {
    id: machine.id, accountId, metadata: cipher.seal(metadata), metadataVersion: 2, daemonState: cipher.seal(daemonState), daemonStateVersion: online ? 2 : 3,
    dataEncryptionKey, seq: 0, active: online, activeAt: online ? now : now - 3 * day, createdAt: from, updatedAt: online ? now : now - 3 * day,
  };
}
