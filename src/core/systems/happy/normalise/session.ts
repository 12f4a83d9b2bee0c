import type { UsageFigures } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Activity, Machine, Session, SessionState } from '../../../model/session.ts';
import { UNTITLED } from '../../../model/session.ts';
import { waitingOf } from '../../../model/whole.ts';
import { askTitle, permissionEntry } from './asks.ts';
import { controlsOf, flavourOf } from './controls.ts';
import type { MachineRowInput, NormaliseContext, PresenceInput, SessionRowInput } from './input.ts';
import { plainContext } from './input.ts';
import type { TurnHint } from './log.ts';
import { bool, num, obj, oneLine, said, str } from './read.ts';
import { activityText } from './rig.ts';
import { openAsks, reachedLimit } from './state.ts';

/** A session's command line tells that it lives every 2 s, a machine's every 20 s; after this silence nothing is known of either. */
const sessionSilenceMs = 15_000;
const machineSilenceMs = 90_000;
/** The server goes on ignoring what a session says for a minute after it was archived. */
const archiveGraceMs = 60_000;
/** What a machine said this long after a session's last word was said without it: the server keeps both to about 35 s. */
const apartMs = 90_000;
/** In a terminal the end of a turn is told with the next prompt only: what was told this long ago is no sign of work. */
const terminalTurnMs = 15_000;

export interface SessionInput {
  readonly connectionId: string;
  readonly row: SessionRowInput;
  /** Decrypted; undefined where it could not be. */
  readonly metadata: JsonValue | undefined;
  readonly agentState: JsonValue | undefined;
  readonly presence: PresenceInput;
  /** Its machine: what is known of it, and when the server heard of it last, on the server's clock; null where it names none that is known. */
  readonly machine?: { readonly state: Machine['state']; readonly activeAt: number } | null;
  /** Milliseconds since the epoch on this computer's clock. */
  readonly now: number;
  /** What the messages say, where they are followed. */
  readonly turn?: TurnHint | null;
  /** Newest figures of its messages (`usage:session`), where they are followed. */
  readonly usage?: UsageFigures | null;
}

/** True for side chats, which belong into the session that they were branched from and into no list. */
export function isHidden(metadata: JsonValue | undefined): boolean {
  return bool(metadata, 'isSideChat') === true;
}

/** The agent's own session behind a Happy session, by which one of this computer is listed once; null where it has none yet. */
export interface LocalSession {
  readonly agent: 'claude' | 'codex';
  readonly id: string;
  /** Name of the session's machine on its network; '' where it does not say. */
  readonly host: string;
  /** Process of Happy's command line on the session's machine. */
  readonly pid: number | null;
}
export function localSessionOf(metadata: JsonValue | undefined): LocalSession | null {
  const pid = num(metadata, 'hostPid');
  const host = str(metadata, 'host') ?? '';
  const [thread, claude] = [said(metadata, 'codexThreadId'), said(metadata, 'claudeSessionId')];
  if (thread !== null) return { agent: 'codex', id: thread, host, pid };
  return claude === null ? null : { agent: 'claude', id: claude, host, pid };
}

/** A Happy session as the fleet lists it. Without metadata (no key opens it) it still is one, and says so. */
export function sessionOf(input: SessionInput): Session {
  const { row, metadata, agentState, turn = null } = input;
  const flavour = flavourOf(metadata);
  const state = stateOf(input);
  // Who ended in a terminal is nobody's: the flag stays as it was.
  const terminal = isTerminal(agentState) && state !== 'stopped';
  const context: NormaliseContext = { ...plainContext, folder: str(metadata, 'path') ?? '', agent: flavour };
  const own = localSessionOf(metadata);
  const limit = reachedLimit(obj(agentState, 'usageLimits'));
  const waiting = terminal || state === 'stopped' ? [] : openAsks(agentState).map((ask) => ({ ...waitingOf(permissionEntry(ask, null, context), context.folder, ask.createdAt ?? row.updatedAt), title: askTitle(ask, context) }));
  return {
    id: row.id, connectionId: input.connectionId, machineId: said(metadata, 'machineId') ?? '', folder: context.folder, agent: flavour ?? 'claude', title: titleOf(metadata), state,
    createdAt: row.createdAt, updatedAt: Math.max(row.updatedAt, turn?.at ?? 0), archived: isArchived(metadata), owner: terminal ? 'foreign' : 'nobody',
    ownerName: terminal ? terminalName(metadata) : null, branch: said(metadata, 'gitBranch') ?? said(obj(metadata, 'workspace'), 'name'), activity: activityOf(input, state),
    usage: input.usage ?? null, model: controlsOf(metadata, flavour).model, waiting, error: state === 'failed' ? (turn?.error ?? null) : null,
    ...(limit === null ? {} : { limit }),
    ...(own === null || own.host === '' ? {} : { agentSession: { agent: own.agent, id: own.id, host: own.host } }),
  };
}

/** `summary.text`, as agents and clients set it, then `name`, then the folder; never empty. */
export function titleOf(metadata: JsonValue | undefined): string {
  if (!isJsonObject(metadata)) return 'Cannot be decrypted';
  const folder = (said(metadata, 'path') ?? '').split(/[\\/]/).findLast((part) => part !== '');
  return oneLine(said(obj(metadata, 'summary'), 'text') ?? said(metadata, 'name') ?? folder ?? UNTITLED);
}

export function isArchived(metadata: JsonValue | undefined): boolean {
  const state = str(metadata, 'lifecycleState');
  return state === 'archived' || state === 'archiveRequested';
}

/** True while the terminal of its machine has the session: what is sent takes it over. */
export function isTerminal(agentState: JsonValue | undefined): boolean {
  return bool(agentState, 'controlledByUser') === true;
}

function terminalName(metadata: JsonValue | undefined): string {
  const host = said(metadata, 'host');
  return host === null ? 'a terminal' : `a terminal on ${oneLine(host)}`;
}

/**
 * State by what is heard, never by the last flag: without a connection, in silence, and where the machine is away, nothing is known, save that a process has ended which said so, or without which
 * its machine went on. `thinking` false is idle whatever turn ends say; the messages are asked only where the command line does not tell (before the first activity, and under a terminal).
 */
function stateOf({ row, metadata, agentState, presence, machine = null, now, turn = null }: SessionInput): SessionState {
  const { connectedAt, heardAt, thinking } = presence;
  if (connectedAt === null) return 'unknown';
  const fresh = heardAt !== null && now - heardAt <= sessionSilenceMs;
  const endedAt = num(metadata, 'lifecycleStateSince');
  // Who was only marked as archived lives on and says so after a minute; a process that ended says nothing more.
  const livesOn = fresh && row.active && endedAt !== null && row.activeAt > endedAt + archiveGraceMs;
  if (isArchived(metadata) && !livesOn) return 'stopped';
  const away = machine !== null && machine.state !== 'online';
  if (!row.active) return away && machine.activeAt - row.activeAt < apartMs ? 'unknown' : 'stopped';
  if (!fresh && away) return 'unknown';
  if (!fresh && now - connectedAt > sessionSilenceMs) return 'unknown';
  if (isTerminal(agentState)) return turn?.state === 'running' && Math.abs(now - turn.at) < terminalTurnMs ? 'running' : 'idle';
  if (openAsks(agentState).length > 0) return 'waiting';
  if (thinking === true) return 'running';
  if (thinking === null && turn?.state === 'running') return 'running';
  if (turn?.state === 'failed' && turn.error !== null) return 'failed';
  return agentState === undefined || agentState === null ? startingOr(row, now) : 'idle';
}

/** A session says of its agent's state that it has one as soon as the agent can be spoken to. By a clock that is far behind, nothing was made just now either. */
function startingOr(row: SessionRowInput, now: number): SessionState {
  return Math.abs(now - row.createdAt) < 60_000 ? 'starting' : 'idle';
}

function activityOf({ presence, turn = null, agentState, row, metadata }: SessionInput, state: SessionState): Activity | null {
  if (state === 'waiting') {
    const [ask] = openAsks(agentState);
    return { phase: 'waiting', since: ask?.createdAt ?? row.updatedAt, detail: ask?.tool ?? null, until: null };
  }
  return state === 'running' ? { phase: 'thinking', since: turn?.at ?? presence.heardAt ?? row.updatedAt, detail: activityText(metadata), until: null } : null;
}

export interface MachineInput {
  readonly connectionId: string;
  readonly row: MachineRowInput;
  readonly metadata: JsonValue | undefined;
  readonly daemonState: JsonValue | undefined;
  readonly presence: PresenceInput;
  readonly now: number;
}

/** A Happy machine. Its row stays `active` after its daemon stopped: what it says itself, and how long ago, counts. */
export function machineOf({ connectionId, row, metadata, daemonState, presence, now }: MachineInput): Machine {
  const name = said(metadata, 'displayName') ?? said(metadata, 'host');
  return {
    id: row.id, connectionId, name: name === null ? `Machine ${row.id.slice(0, 8)}` : oneLine(name), state: machineState(row, daemonState, presence, now),
    seenAt: presence.heardAt ?? (row.activeAt > 0 ? row.activeAt : null), home: said(metadata, 'homeDir'),
  };
}

function machineState(row: MachineRowInput, daemonState: JsonValue | undefined, { connectedAt, heardAt }: PresenceInput, now: number): Machine['state'] {
  if (connectedAt === null) return 'unknown';
  const status = str(daemonState, 'status');
  if (!row.active || (status !== null && status !== 'running')) return 'offline';
  const quiet = now - Math.max(connectedAt, heardAt ?? 0);
  return quiet > machineSilenceMs ? 'unknown' : 'online';
}
