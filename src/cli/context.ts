import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { BackendContext, Keep, Leases } from '../core/model/context.ts';
import { isJsonObject } from '../core/model/json.ts';
import { systemClock } from '../core/transport/clock.ts';
import { createLogger, silentLogger } from '../core/transport/logger.ts';
import type { CliIo } from './io.ts';

/** Small values of one connection in a file of mode 600. A file that cannot be read is left as it is, and nothing is kept then. */
export class FileKeep implements Keep {
  private readonly file: string;
  private values: Map<string, string> | null = null;
  private broken = false;
  private writing: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.file = file;
  }

  async get(key: string): Promise<string | null> {
    return (await this.load()).get(key) ?? null;
  }

  async set(key: string, value: string | null): Promise<void> {
    const values = await this.load();
    if (value === null) values.delete(key);
    else values.set(key, value);
    this.writing = this.writing.then(() => this.save(values));
    await this.writing;
  }

  async list(prefix: string): Promise<ReadonlyMap<string, string>> {
    return new Map([...(await this.load())].filter(([key]) => key.startsWith(prefix)));
  }

  private async load(): Promise<Map<string, string>> {
    if (this.values !== null) return this.values;
    const values = new Map<string, string>();
    const text = await readFile(this.file, 'utf8').catch(() => '{}');
    try {
      const parsed: unknown = JSON.parse(text);
      if (!isJsonObject(parsed)) throw new TypeError('no object');
      for (const [key, value] of Object.entries(parsed)) if (typeof value === 'string') values.set(key, value);
    } catch {
      this.broken = true;
    }
    this.values ??= values;
    return this.values;
  }

  private async save(values: ReadonlyMap<string, string>): Promise<void> {
    if (this.broken) return;
    await mkdir(path.dirname(this.file), { recursive: true, mode: 0o700 });
    const part = `${this.file}.${process.pid}.part`;
    await writeFile(part, JSON.stringify(Object.fromEntries(values)), { mode: 0o600 });
    await chmod(part, 0o600);
    await rename(part, this.file);
  }
}

/** This process is the only window that it knows of: what another program runs, the drivers see from the agents' own files. */
function ownLeases(): Leases {
  const held = new Set<string>();
  return {
    acquire: (name) => {
      held.add(name);
      return Promise.resolve(true);
    },
    release: (name) => {
      held.delete(name);
      return Promise.resolve();
    },
    holder: (name) => Promise.resolve(held.has(name) ? 'this' : 'nobody'),
  };
}

/** Where the command keeps its own files: `$XDG_STATE_HOME/pilothouse`, else `~/.local/state/pilothouse`. */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  const base = env['XDG_STATE_HOME'];
  return path.join(base !== undefined && path.isAbsolute(base) ? base : path.join(env['HOME'] ?? homedir(), '.local', 'state'), 'pilothouse');
}

/** What a driver needs of its host, for one run of the command. With PILOTHOUSE_LOG=1 its log goes to stderr. */
export function cliContext(connectionId: string, io: CliIo): BackendContext {
  const stateDir = path.join(stateFolder(io.env), 'cli', connectionId);
  const log = io.env['PILOTHOUSE_LOG'] === '1' ? createLogger((level, line) => io.err(`${level} ${line}\n`)) : silentLogger;
  return { connectionId, log, clock: systemClock, keep: new FileKeep(path.join(stateDir, 'keep.json')), leases: ownLeases(), stateDir };
}
