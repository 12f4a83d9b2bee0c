import { chmod, open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';
import { createTwoFilesPatch } from 'diff';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { isJsonObject } from '../../model/json.ts';
import { redact } from '../../transport/redact.ts';
import { homeOf, maskKey } from './credentials.ts';
import { HebingError, invalid } from './errors.ts';
import { spliced } from './jsonSplice.ts';
import { HEBING_URL } from './paths.ts';
import { fileCode, replaceFile, targetOf } from '../../transport/safeFile.ts';

/** The name of our entry under `mcpServers`. */
export const MCP_ENTRY = 'chaojiyuyan';
const SERVERS = 'mcpServers';
const KEY_VARIABLE = 'CHAOJIYUYAN_API_KEY';

/** A file that holds `mcpServers`. */
export interface McpTarget {
  readonly file: string;
  readonly about: string;
}

/** The files that the entry may go to, the default first. */
export function mcpTargets(env: NodeJS.ProcessEnv = process.env): readonly McpTarget[] {
  return [
    { file: path.join(homeOf(env), '.claude', 'mcp.json'), about: 'where the chaojiyuyan SDK puts it; Claude Code 2.1 itself does not read it' },
    { file: path.join(homeOf(env), '.claude.json'), about: 'what Claude Code itself reads' },
  ];
}

export interface McpEntryOptions {
  /** Absolute path of Node, 22 or later. */
  readonly node: string;
  /** Absolute path of a `pilothouse` command that stays where it is (see `keepCli`). */
  readonly cli: string;
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly allowPlainHttp?: boolean | undefined;
  /** More variables, such as what makes an Electron run as Node. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Our entry: how an MCP client starts the stdio server. Throws `invalid_argument` for paths that are not absolute. */
export function mcpEntry({ node, cli, apiKey, baseUrl, allowPlainHttp, env }: McpEntryOptions): JsonObject {
  for (const file of [node, cli]) if (!path.isAbsolute(file)) throw invalid(`${file} is not an absolute path: an MCP client runs it from any folder.`);
  return {
    command: node, args: [cli, 'hebing', 'mcp-server', ...(allowPlainHttp === true ? ['--allow-http'] : [])],
    env: { ...env, [KEY_VARIABLE]: apiKey, ...(baseUrl === HEBING_URL ? {} : { HEBING_BASE_URL: baseUrl }) },
  };
}

/** What will become of a file. Its texts hold keys: `diff` and `shown` are for showing, with every secret hidden. */
export class McpPlan {
  /** As it was named; a link stays one. */
  readonly target: string;
  readonly what: 'add' | 'replace' | 'remove' | 'nothing';
  readonly #before: string | null;
  readonly #after: string | null;

  constructor(target: string, what: McpPlan['what'], texts: { readonly before: string | null; readonly after: string | null }) {
    this.target = target;
    this.what = what;
    this.#before = texts.before;
    this.#after = texts.after;
  }

  /** The file's text as it was planned upon; null where there was no file. Holds keys. */
  get before(): string | null {
    return this.#before;
  }
  /** The text to write; null where there is nothing to. Holds keys. */
  get after(): string | null {
    return this.#after;
  }
  /** Both texts with keys masked and other secrets hidden; with lines of their own for all members where the file has lines that nobody can read. */
  get shown(): { readonly before: string; readonly after: string } {
    const [before, after] = [this.#before ?? '', this.#after ?? this.#before ?? ''];
    const form = [before, after].some((text) => text.split('\n').some((line) => line.length >= UNREADABLE)) ? (text: string) => hidden(inLines(text)) : hidden;
    return { before: form(before), after: form(after) };
  }
  /** A unified patch of what is shown; '' where nothing changes. */
  get diff(): string {
    const { before, after } = this.shown;
    if (this.what === 'nothing') return '';
    return createTwoFilesPatch(this.#before === null ? '/dev/null' : this.target, this.target, before, after, undefined, undefined, { context: 3 }).replace(/^(?:Index: .*\n)?=+\n/, '');
  }
  toJSON(): JsonObject {
    return { target: this.target, what: this.what };
  }
  [inspect.custom](): string {
    return `McpPlan ${JSON.stringify(this.toJSON())}`;
  }
}

/**
 * What it takes for a file to have `entry` as `mcpServers.chaojiyuyan`, or to have no such member (`null`). Writes nothing. Rejects with `mcp_json_invalid` for a file that is no JSON object, or whose
 * `mcpServers` is none; it is left alone, and so is one that cannot be read.
 */
export async function planMcpEntry(target: string, entry: JsonObject | null): Promise<McpPlan> {
  if (!path.isAbsolute(target)) throw invalid('The target is not an absolute path.');
  const before = await readText(target);
  if (before === null) {
    const after = entry === null ? null : `${JSON.stringify({ [SERVERS]: { [MCP_ENTRY]: entry } }, null, 2)}\n`;
    return new McpPlan(target, entry === null ? 'nothing' : 'add', { before, after });
  }
  const servers = serversOf(target, before);
  const has = servers !== null && Object.hasOwn(servers, MCP_ENTRY);
  const bom = before.startsWith('\uFEFF') ? '\uFEFF' : '';
  const after = `${bom}${spliced(before.slice(bom.length), [SERVERS], MCP_ENTRY, entry ?? undefined)}`;
  if ((entry === null && !has) || (has && JSON.stringify(servers[MCP_ENTRY]) === JSON.stringify(entry))) return new McpPlan(target, 'nothing', { before, after: null });
  return new McpPlan(target, entry === null ? 'remove' : has ? 'replace' : 'add', { before, after });
}

/**
 * Carries a plan out: the file as it is goes to `NAME.backup-YYYYMMDDHHMMSS` beside it first (one of the same second stays, being the older one), then the text takes its place whole, mode 600.
 * Gives the backup's path; null where there was no file, or nothing to do. Rejects with `mcp_json_changed` where the file is not what the plan was made upon, and `not_saved`.
 */
export async function writeMcpPlan(plan: McpPlan, options: { readonly now?: Date } = {}): Promise<string | null> {
  const { target, before, after } = plan;
  try {
    if ((await readText(target)) !== before) throw new HebingError('mcp_json_changed', `${target} was changed by another program in the meantime. Nothing was written: look at it again.`);
    if (after === null) {
      // The key is in there already: nobody else is to read it.
      if (before !== null && serversOf(target, before)?.[MCP_ENTRY] !== undefined) await chmod(target, 0o600);
      return null;
    }
    const real = await targetOf(target);
    const backup = before === null ? null : `${target}.backup-${stamp(options.now ?? new Date())}`;
    if (backup !== null) await keepFirst(backup, await readFile(target));
    await replaceFile(real, after);
    return backup;
  } catch (error) {
    if (error instanceof HebingError) throw error;
    throw new HebingError('not_saved', `${target} could not be written (${fileCode(error)}). It is as it was.`, { personMustAct: true });
  }
}

/** Where the copy of the command is that outlives any version of the extension: `$XDG_DATA_HOME/pilothouse/cli.mjs`, else below `~/.local/share`. */
export function cliPlace(env: NodeJS.ProcessEnv = process.env): string {
  const data = env['XDG_DATA_HOME'];
  return path.join(data !== undefined && path.isAbsolute(data) ? data : path.join(homeOf(env), '.local', 'share'), 'pilothouse', 'cli.mjs');
}

/** Makes or renews that copy from the command's bundle `source`, whole or not at all. Gives its path. Rejects with `not_saved`. */
export async function keepCli(source: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const file = cliPlace(env);
  try {
    const text = await readFile(source, 'utf8');
    const there = await readFile(file, 'utf8').catch(() => null);
    if (there !== text) await replaceFile(file, text);
    return file;
  } catch (error) {
    throw new HebingError('not_saved', `The command could not be copied to ${file} (${fileCode(error)}).`, { personMustAct: true });
  }
}

/** Null where there is no file. */
async function readText(file: string): Promise<string | null> {
  let bytes: Buffer;
  try {
    if (!(await stat(file)).isFile()) throw new HebingError('mcp_json_invalid', `${file} is no file.`, { personMustAct: true });
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof HebingError) throw error;
    if (fileCode(error) === 'ENOENT') return null;
    throw new HebingError('not_saved', `${file} cannot be read (${fileCode(error)}). It was left as it is.`, { personMustAct: true });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refused(file, 'is not valid JSON');
  }
}

/** The servers of a file that may be written; null where it names none. Throws `mcp_json_invalid`, which does not quote it. */
function serversOf(file: string, text: string): JsonObject | null {
  let value: JsonValue;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, '')) as JsonValue;
  } catch {
    throw refused(file, 'is not valid JSON');
  }
  if (!isJsonObject(value)) throw refused(file, 'is not a JSON object');
  if (!Object.hasOwn(value, SERVERS)) return null;
  const servers = value[SERVERS];
  if (!isJsonObject(servers)) throw refused(file, `has a "${SERVERS}" that is not an object`);
  return servers;
}

function refused(file: string, why: string): HebingError {
  return new HebingError('mcp_json_invalid', `${file} ${why}. It was left as it is: mend it first, or name another file.`, { personMustAct: true });
}

async function keepFirst(file: string, bytes: Uint8Array): Promise<void> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (fileCode(error) !== 'EEXIST') throw error;
  }
}

/** YYYYMMDDHHMMSS, in the person's own time. */
function stamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${String(date.getFullYear()).padStart(4, '0')}${[date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join('')}`;
}

/** A line of so many characters is not read by anybody. */
const UNREADABLE = 500;

function inLines(text: string): string {
  const bare = text.replace(/^\uFEFF/, '');
  return bare.trim() === '' ? text : `${JSON.stringify(JSON.parse(bare), null, 2)}\n`;
}

/** A text of such a file for showing: our key masked, and what looks like a secret of others hidden. */
function hidden(text: string): string {
  const keys = Array.from(text.matchAll(new RegExp(String.raw`"${KEY_VARIABLE}"\s*:\s*"((?:[^"\\]|\\.)*)"`, 'g')), ([, key = '']) => key);
  let bare = text;
  for (const key of keys) if (key !== '') bare = bare.replaceAll(key, '[redacted]');
  let index = 0;
  return redact(bare).replaceAll(new RegExp(String.raw`("${KEY_VARIABLE}"\s*:\s*")\[redacted\]`, 'g'), (_, head: string) => {
    const key = keys[index] ?? '';
    index += 1;
    return `${head}${maskKey(key)}`;
  });
}
