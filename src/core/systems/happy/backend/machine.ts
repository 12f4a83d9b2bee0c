import type { CallOptions, Places } from '../../../model/backend.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { Choice } from '../../../model/session.ts';
import type { HappyAccount } from '../account.ts';
import { HappyError } from '../errors.ts';
import { bool, num, obj, objects, str } from '../normalise/read.ts';
import type { MachineRow } from '../wire/bodies.ts';

const COMMAND_MS = 20_000;

const agentNames: ReadonlyMap<string, string> = new Map([['claude', 'Claude Code'], ['codex', 'Codex'], ['gemini', 'Gemini'], ['openclaw', 'OpenClaw'], ['agy', 'Antigravity'], ['rig', 'Rig']]);

/** Person's word for an agent of Happy. */
function agentName(flavour: string): string {
  return agentNames.get(flavour) ?? flavour;
}

const posix: ReadonlySet<string> = new Set(['linux', 'darwin', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'android']);

/** Throws `unsupported` unless the machine says that it has a POSIX shell: what is quoted for one is not quoted for another (`platform` of its record, as Node.js names it). */
export function requireShell(account: HappyAccount, machine: MachineRow): void {
  const platform = str(openRow(account, machine) ?? undefined, 'platform');
  if (platform === null || !posix.has(platform)) throw new HappyError('unsupported', `Files are read from machines with a POSIX shell only; this one ${platform === null ? 'does not say what it runs' : `runs ${platform.slice(0, 40)}`}. Open them on that machine.`);
}

/** A shell word of a POSIX shell that nothing in it can leave: for the `bash` handler, which takes one line. */
export function quoted(text: string): string {
  if (text.includes('\u0000')) throw new HappyError('invalid_argument', 'A path holds no NUL.');
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** One command on a machine. Rejects with `command_failed` in the machine's own words, and as `callRpc` does. */
export async function runOn(account: HappyAccount, machine: MachineRow, command: string, options: CallOptions): Promise<string> {
  const answer = await account.machineRpc(machine, 'bash', { command, cwd: '/', timeout: COMMAND_MS }, { ...options, idempotent: true });
  if (bool(answer, 'success') === true) return str(answer, 'stdout') ?? '';
  const words = (str(answer, 'stderr') ?? '').trim() || (str(answer, 'error') ?? '').trim() || 'no reason given';
  throw new HappyError('command_failed', `The machine could not do it: ${words.slice(0, 300)}`);
}

/** What there is on the account's machines, asked before a session is made. `metadata` gives a machine's decrypted record. */
export function placesOf(account: HappyAccount, metadata: (machineId: string) => JsonObject | null): Places {
  return {
    agents: async (machineId, options = {}) => {
      const known = metadata(machineId) ?? openRow(account, await account.machineRow(machineId, options));
      return agentsOf(known ?? undefined);
    },
    folders: async (machineId, path, options = {}) => {
      const row = await account.machineRow(machineId, options);
      const folder = path ?? str(openRow(account, row) ?? undefined, 'homeDir');
      if (folder === null) throw new HappyError('invalid_argument', 'This machine does not tell its home folder: type the path.');
      const answer = await account.machineRpc(row, 'listDirectory', { path: folder }, { ...options, idempotent: true });
      if (bool(answer, 'success') !== true) throw new HappyError('folder_missing', `${folder} cannot be listed on that machine: ${str(answer, 'error') ?? 'no reason given'}`);
      const folders = objects(answer, 'entries').filter((entry) => str(entry, 'type') === 'directory').map((entry) => str(entry, 'name') ?? '').filter((name) => name !== '');
      return { path: folder, folders: folders.toSorted((one, other) => one.localeCompare(other)) };
    },
  };
}

function openRow(account: HappyAccount, row: MachineRow): JsonObject | null {
  const value = account.cipherOf(row).open(row.metadata);
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** Agents that a machine says it has (`cliAvailability`, happy 1.2.5); where it says nothing, those that every Happy can start. */
function agentsOf(metadata: JsonValue | undefined): readonly Choice[] {
  const told = obj(metadata, 'cliAvailability');
  const rig = num(metadata, 'rigMetadataVersion') !== null ? ['rig'] : [];
  const there = told === null ? [] : [...agentNames.keys()].filter((agent) => bool(told, agent) === true);
  const ids = there.length > 0 || rig.length > 0 ? [...new Set([...rig, ...there])] : ['claude', 'codex', 'gemini'];
  return ids.map((id) => ({ id, label: agentName(id), description: null }));
}
