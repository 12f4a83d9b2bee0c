import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { createInterface } from 'node:readline';
import { createReadStream } from 'node:fs';
import type { SessionUpdate } from '@agentclientprotocol/sdk';
import { z } from 'zod';

const idPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const factsSchema = z.strictObject({
  id: z.string().regex(idPattern),
  cwd: z.string(),
  /** Null until the first prompt. */
  title: z.string().nullable(),
  /** ISO 8601. */
  updatedAt: z.string(),
  mode: z.enum(['ask', 'accept-edits', 'plan']),
  model: z.enum(['steady', 'quick']),
  thinking: z.enum(['off', 'on']),
  /** File that was last spoken of: what "it" means. */
  focus: z.string().nullable(),
  /** Characters that went to and fro, for the usage shown. */
  chars: z.number(),
});
/** What is known of a session without its log. */
export type Facts = z.output<typeof factsSchema>;

/** A line of a session's log. */
const lineSchema = z.looseObject({ at: z.number(), update: z.looseObject({ sessionUpdate: z.string() }) });

/** Where the demo agent keeps its sessions: $PILOTHOUSE_DEMO_STATE, else below $XDG_STATE_HOME, else below ~/.local/state. */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  const own = env['PILOTHOUSE_DEMO_STATE'];
  if (own !== undefined && own !== '') return own;
  const shared = env['XDG_STATE_HOME'];
  const base = shared !== undefined && isAbsolute(shared) ? shared : join(homedir(), '.local', 'state');
  return join(base, 'pilothouse-demo');
}

/**
 * Sessions on disk: `<id>.json` with the facts, replaced as a whole, and `<id>.jsonl` with every update in order. A line cut short by a crash is passed over.
 */
export class Store {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async create(cwd: string): Promise<Facts> {
    const facts: Facts = { id: randomUUID(), cwd, title: null, updatedAt: new Date().toISOString(), mode: 'ask', model: 'steady', thinking: 'on', focus: null, chars: 0 };
    await this.save(facts);
    return facts;
  }

  /** Null where there is no such session. */
  async facts(id: string): Promise<Facts | null> {
    if (!idPattern.test(id)) return null;
    const text = await readFile(this.#path(id, 'json'), 'utf8').catch(() => null);
    if (text === null) return null;
    try {
      return factsSchema.parse(JSON.parse(text));
    } catch {
      return null;
    }
  }

  async save(facts: Facts): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const fresh = `${this.#path(facts.id, 'json')}.${process.pid}`;
    await writeFile(fresh, JSON.stringify(facts), { mode: 0o600 });
    await rename(fresh, this.#path(facts.id, 'json'));
  }

  async append(id: string, update: SessionUpdate): Promise<void> {
    await appendFile(this.#path(id, 'jsonl'), `${JSON.stringify({ at: Date.now(), update })}\n`, { mode: 0o600 });
  }

  /** Every update of a session, oldest first. */
  async *updates(id: string): AsyncGenerator<SessionUpdate> {
    const input = createReadStream(this.#path(id, 'jsonl'), 'utf8');
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
    try {
      for await (const line of lines) {
        const update = readLine(line);
        if (update !== null) yield update;
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    } finally {
      lines.close();
      input.destroy();
    }
  }

  /** Sessions that had a prompt, newest first. */
  async list(cwd: string | null): Promise<readonly Facts[]> {
    const names = await readdir(this.#folder).catch(() => []);
    const found: Facts[] = [];
    for (const name of names) {
      const facts = name.endsWith('.json') ? await this.facts(name.slice(0, -'.json'.length)) : null;
      if (facts !== null && facts.title !== null && (cwd === null || facts.cwd === cwd)) found.push(facts);
    }
    return found.sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : a.id < b.id ? -1 : 1));
  }

  async remove(id: string): Promise<void> {
    if (!idPattern.test(id)) return;
    await rm(this.#path(id, 'json'), { force: true });
    await rm(this.#path(id, 'jsonl'), { force: true });
  }

  #path(id: string, ending: 'json' | 'jsonl'): string {
    return join(this.#folder, `${id}.${ending}`);
  }
}

function readLine(line: string): SessionUpdate | null {
  try {
    // The log holds what this program sent: the SDK's own shape, which the schema only glances at.
    return lineSchema.parse(JSON.parse(line)).update as SessionUpdate;
  } catch {
    return null;
  }
}
