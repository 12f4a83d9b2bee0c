import type { HappyMachine, HappySession } from '../../core/systems/happy/client.ts';
import type { Question } from '../../core/model/entry.ts';
import type { Ask } from '../../core/systems/happy/normalise/asks.ts';
import { askTitle, permissionEntry } from '../../core/systems/happy/normalise/asks.ts';
import type { NormaliseContext } from '../../core/systems/happy/normalise/index.ts';
import { flavourOf, isArchived, isTerminal, openAsks, plainContext, titleOf } from '../../core/systems/happy/normalise/index.ts';
import { said } from '../../core/systems/happy/normalise/read.ts';
import type { CliIo } from '../io.ts';
import { plainLine } from '../io.ts';

/** Rows in aligned columns under their heads, the last column as long as it is. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, ...rows.map((row) => row.map(plainLine))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines.map((line) => line.map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ').trimEnd()).join('\n');
}

/** Names and values, a line each. */
function facts(pairs: readonly (readonly [string, string | null])[]): string {
  const known = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null);
  const width = Math.max(...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${plainLine(value)}`).join('\n');
}

/** How long ago, in one unit. */
function age(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

export function contextOf({ metadata }: HappySession): NormaliseContext {
  return { ...plainContext, folder: said(metadata, 'path') ?? '', agent: flavourOf(metadata) };
}

/** What waits for an answer. Nothing does where the process has ended or a terminal has the session. */
export function asksOf(session: HappySession): readonly Ask[] {
  return !session.active || isArchived(session.metadata) || isTerminal(session.agentState ?? undefined) ? [] : openAsks(session.agentState ?? undefined);
}

/** Whether a session's agent works is told over time; one look tells who waits, who has ended, and whose process was seen of late (`active`). */
function stateOf(session: HappySession): string {
  if (!session.active || isArchived(session.metadata)) return 'stopped';
  return asksOf(session).length > 0 ? 'waiting' : 'active';
}

/** The folder, from the machine's home on. */
function folderOf({ metadata }: HappySession): string {
  const folder = said(metadata, 'path') ?? '';
  const home = said(metadata, 'homeDir');
  return home !== null && (folder === home || folder.startsWith(`${home}/`)) ? `~${folder.slice(home.length)}` : folder;
}

const nameOf = (session: HappySession): string => (session.readable === 'yes' ? titleOf(session.metadata) : unreadable[session.readable]);
const unreadable: Readonly<Record<'no-key' | 'damaged', string>> = { 'no-key': '(these credentials hold no key for it)', damaged: '(cannot be decrypted)' };

export function sessionsTable(sessions: readonly HappySession[], now: number): string {
  if (sessions.length === 0) return 'No sessions.';
  return table(['ID', 'STATE', 'MACHINE', 'AGE', 'FOLDER', 'TITLE'], sessions.map((session) => [session.id, stateOf(session), said(session.metadata, 'host') ?? '', age(session.createdAt, now), folderOf(session), nameOf(session)]));
}

export function machinesTable(machines: readonly HappyMachine[]): string {
  if (machines.length === 0) return 'No machines.';
  return table(['ID', 'STATE', 'HOST', 'PLATFORM', 'HAPPY', 'HOME'], machines.map((machine) => {
    const { id, metadata, daemonState, active, readable } = machine;
    const status = said(daemonState ?? undefined, 'status');
    const state = active && (status === null || status === 'running') ? 'online' : 'offline';
    return [id, state, readable === 'yes' ? (said(metadata, 'displayName') ?? said(metadata, 'host') ?? '') : unreadable[readable], said(metadata, 'platform') ?? '', said(metadata, 'happyCliVersion') ?? '', said(metadata, 'homeDir') ?? ''];
  }));
}

export function questionsOf(session: HappySession, ask: Ask): readonly Question[] {
  return permissionEntry(ask, null, contextOf(session)).questions;
}

/** Questions with their numbers and options, in one line. */
export function questionsLine(questions: readonly Question[]): string {
  return questions.map(({ text, options }, index) => plainLine(`${index + 1}. ${text}${options.length === 0 ? '' : ` (${options.map(({ label }) => label).join(' / ')})`}`)).join(' ');
}

/** A request that waits, in one line, with what it is answered by. */
export function askLine(session: HappySession, ask: Ask, { program }: Pick<CliIo, 'program'>): string {
  const what = ask.ask === 'question' ? questionsLine(questionsOf(session, ask)) : askTitle(ask, contextOf(session));
  const decision = ask.ask === 'question' ? 'allow --answer NUMBER=ANSWER' : 'allow|allow-session|deny';
  const how = ask.by === 'communication' ? 'answered in a Happy app' : `${program} happy answer ${session.id} ${ask.id} ${decision}`;
  return plainLine(`${ask.ask === 'question' ? 'Question' : ask.ask === 'plan' ? 'Plan' : ask.tool}: ${what} (${how})`);
}

export function sessionFacts(session: HappySession, io: Pick<CliIo, 'program'>): string {
  const { id, metadata, readable, createdAt, metadataVersion } = session;
  const host = said(metadata, 'host');
  const machineId = said(metadata, 'machineId');
  return facts([
    ['id', id], ['title', nameOf(session)], ['state', stateOf(session)], ['machine', host === null ? machineId : `${host}${machineId === null ? '' : ` (${machineId})`}`],
    ['folder', said(metadata, 'path')], ['agent', readable === 'yes' ? (flavourOf(metadata) ?? 'claude') : null], ['started', new Date(createdAt).toISOString()],
    ['terminal', isTerminal(session.agentState ?? undefined) ? 'a terminal of its machine has it' : null], ['metadata', `version ${metadataVersion}`],
    ...asksOf(session).map((ask) => ['waits', askLine(session, ask, io)] as const),
  ]);
}
