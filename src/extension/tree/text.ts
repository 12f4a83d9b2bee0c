import { stripVTControlCharacters } from 'node:util';
import type { Connection } from '../../core/fleet/connection.ts';
import { describeError, PilothouseError } from '../../core/model/errors.ts';
import type { Machine, Session } from '../../core/model/session.ts';

// Bidirectional controls, zero-width characters and C0/C1 controls: a title from an agent must not reorder or hide the text around it.
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** One line of untrusted text, at most `max` characters, fit for a label. */
export function oneLine(text: string, max = 120): string {
  const flat = text.replace(CONTROLS, ' ').replace(/\s+/g, ' ').trim();
  const points = Array.from(flat);
  return points.length <= max ? flat : `${points.slice(0, max - 1).join('')}…`;
}

/** One line of untrusted text for a notification: VS Code makes links, `command:` ones too, of `[x](y)` there, so the brackets are parted. */
export function noticeText(text: string, max = 300): string {
  return oneLine(text, max).replaceAll('](', '] (');
}

/** One line of untrusted text for a quick pick or the status bar: VS Code makes an icon of `$(name)` there, unless a backslash stands before it. */
export function pickText(text: string, max = 120): string {
  return oneLine(text, max).replaceAll(/\$\((?=[\w-]+(?:~\w+)?\))/g, String.raw`\$(`);
}

/** What went wrong, for the person: an error of ours in its own words, which say what to do next; any other with its causes, as the log has it. */
export function failureText(error: unknown, max = 400): string {
  return noticeText(error instanceof PilothouseError ? error.message : describeError(error), max);
}

/** The name of a machine amid a sentence: that of this computer is none of its own. */
export function machineAmid(name: string): string {
  return name === 'This computer' ? 'this computer' : name;
}

/** A path below `folder` as it is read from there; any other text, commands among them, as it is. */
export function belowFolder(text: string, folder: string): string {
  const base = folder.endsWith('/') ? folder : `${folder}/`;
  return folder !== '' && text.startsWith(base) && text.length > base.length ? text.slice(base.length) : text;
}

/** `now`, `4 m`, `2 h`, `3 d`: how long ago, as short as it can be read. */
export function age(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return 'now';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h`;
  const days = Math.floor(hours / 24);
  return days < 365 ? `${days} d` : `${Math.floor(days / 365)} y`;
}

/** `14:05`, on another day `5 Aug, 14:05`, in another year with that: a moment on this computer's clock and in its language. */
function moment(at: number, now: number): string {
  const [then, today] = [new Date(at), new Date(now)];
  const time = { hour: '2-digit', minute: '2-digit' } as const;
  if (then.toDateString() === today.toDateString()) return then.toLocaleTimeString(undefined, time);
  return then.toLocaleString(undefined, { ...time, day: 'numeric', month: 'short', ...(then.getFullYear() === today.getFullYear() ? {} : { year: 'numeric' }) });
}

/** `as of 14:05 · no contact`: how old what is shown is, where its connection is out of reach; null where nothing tells. */
export function asOfLine(lastContactAt: number | null | undefined, now: number): string | null {
  return lastContactAt === null || lastContactAt === undefined ? null : `as of ${moment(lastContactAt, now)} · no contact`;
}

/** That a machine is away, since when, as a clause; null for one that is there. */
export function machineAway({ name, state, seenAt }: Pick<Machine, 'name' | 'state' | 'seenAt'>, now: number): string | null {
  if (state === 'online') return null;
  const since = seenAt === null ? '' : ` since ${moment(seenAt, now)}`;
  return state === 'offline' ? `machine “${oneLine(name, 60)}” offline${since}` : `no sign of machine “${oneLine(name, 60)}”${since}`;
}

const AGENTS: ReadonlyMap<string, string> = new Map([['claude', 'Claude Code'], ['codex', 'Codex'], ['gemini', 'Gemini'], ['openclaw', 'OpenClaw'], ['agy', 'Antigravity'], ['rig', 'Rig']]);

/** Person's word for a session's agent: a connection of this computer is one agent and has its name, one of an account has many. */
export function agentName(session: Pick<Session, 'agent'>, connection: Pick<Connection, 'name' | 'system'> | undefined): string {
  return connection?.system === 'local' ? connection.name : (AGENTS.get(session.agent) ?? session.agent);
}

export function stateWord(session: Session): string {
  switch (session.state) {
    case 'starting': return 'starting';
    case 'running': return activityWord(session);
    case 'waiting': return 'waiting for you';
    case 'idle': return 'idle';
    case 'failed': return 'failed';
    case 'stopped': return 'stopped';
    case 'unknown': return 'no contact';
  }
}

function activityWord(session: Session): string {
  switch (session.activity?.phase) {
    case 'retrying': return 'retrying';
    case 'stalled': return 'no answer from the model';
    case 'compacting': return 'compacting';
    case undefined:
    case 'starting':
    case 'thinking':
    case 'answering':
    case 'tool':
    case 'waiting':
      return 'running';
  }
}

/** Who else runs a session; empty where nobody does. */
export function ownerWord(session: Pick<Session, 'owner' | 'ownerName'>): string {
  if (session.owner === 'foreign') return `run by ${oneLine(session.ownerName ?? 'another program', 30)}`;
  return session.owner === 'window' ? 'in another window' : '';
}

/** `running · claude · 4 m`, as it is read out. Of a session whose connection is not run here nothing but what was stored is known. */
export function describeSession(session: Session, agentName: string, now: number, dormant = false): string {
  const owner = ownerWord(session);
  const state = dormant && session.state === 'unknown' ? 'stored' : stateWord(session);
  return `${state} · ${oneLine(agentName, 30)} · ${age(session.waiting[0]?.askedAt ?? session.updatedAt, now)}${owner === '' ? '' : ` · ${owner}`}`;
}

/** Text without terminal control sequences. */
export function stripAnsi(text: string): string {
  return stripVTControlCharacters(text).replaceAll(/(?![\t\n\r])\p{Cc}/gu, '');
}
