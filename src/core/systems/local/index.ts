import { createHash } from 'node:crypto';
import type { SessionBackend } from '../../model/backend.ts';
import type { BackendContext } from '../../model/context.ts';
import type { Machine } from '../../model/session.ts';
import { createAcpBackend } from './acp/backend.ts';
import { createClaudeBackend } from './claude/backend.ts';
import { createCodexBackend } from './codex/backend.ts';
import { thisComputer } from './machine.ts';

export { createAcpBackend } from './acp/backend.ts';
export type { AcpBackend, AcpOptions } from './acp/backend.ts';
export { createClaudeBackend } from './claude/backend.ts';
export { createCodexBackend } from './codex/backend.ts';

/** An agent that the person configured by its command. */
interface ConfiguredAgent {
  /** Names its connection, whatever its name becomes: lower-case ASCII letters, digits and hyphens. Without it the id comes from the name. */
  readonly id?: string | undefined;
  readonly name: string;
  /** A program's name, looked for in PATH, or its absolute path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly protocol: 'acp';
}
interface LocalOptions {
  /** Absolute paths; the programs are looked for in PATH where they are absent. */
  readonly claudePath?: string;
  readonly codexPath?: string;
  readonly agents: readonly ConfiguredAgent[];
  /** Whole environment of the agents' processes. */
  readonly env: NodeJS.ProcessEnv;
  /** This program in a person's words, for those who are refused a session that it runs: `a VS Code window`. */
  readonly program?: string;
}
/** One connection of this computer, and how to make its backend. */
export interface LocalConnection {
  readonly connectionId: string;
  readonly name: string;
  readonly system: 'local';
  /** Changes when its configuration does. */
  readonly revision: string;
  create(context: BackendContext): SessionBackend;
  /** This computer, known without asking anybody. `now` in milliseconds since the epoch. */
  machines(now: number): readonly Machine[];
}

/** A name as a part of an id: lower-case ASCII letters, digits and single hyphens; what has none of these is named by a hash. */
function slugOf(name: string): string {
  const slug = name.normalize('NFKD').toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 40);
  return slug === '' ? createHash('sha256').update(name).digest('hex').slice(0, 12) : slug;
}

const here = (connectionId: string) => (now: number): readonly Machine[] => [thisComputer(connectionId, now)];

function revisionOf(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/**
 * The ids of configured agents, in their order: their own, else their names' ones. Those that would be the same are told apart by a number, in the order
 * of the settings; an id of its own is never given to another.
 */
export function agentIds(agents: readonly Pick<ConfiguredAgent, 'id' | 'name'>[]): readonly string[] {
  const taken = new Set<string>();
  const take = (id: string): string => {
    taken.add(id);
    return id;
  };
  const own = agents.map(({ id }) => (id === undefined || taken.has(id) ? null : take(id)));
  return agents.map(({ id, name }, place) => {
    const known = own[place] ?? null;
    if (known !== null) return known;
    const wanted = id ?? slugOf(name);
    let free = wanted;
    for (let count = 2; taken.has(free); count += 1) free = `${wanted}-${count}`;
    return take(free);
  });
}

/**
 * The connections of this computer: Claude Code, Codex, and each configured agent by its id (`agentIds`). Nothing is started and nothing is looked for: that is done by a backend's `connect`.
 */
export function localConnections(options: LocalOptions): readonly LocalConnection[] {
  const { claudePath, codexPath } = options;
  const shared = { env: options.env, ...(options.program === undefined ? {} : { program: options.program }) };
  const ids = agentIds(options.agents);
  const agents = options.agents.map(({ name, command, args }, place): LocalConnection => {
    const id = `local-acp-${ids[place]}`;
    return { connectionId: id, name, system: 'local', revision: revisionOf([name, command, args]), machines: here(id), create: (context) => createAcpBackend(context, { name, command, args, ...shared }) };
  });
  return [
    {
      connectionId: 'local-claude', name: 'Claude Code', system: 'local', revision: revisionOf([claudePath ?? null]), machines: here('local-claude'),
      create: (context) => createClaudeBackend(context, { ...shared, ...(claudePath === undefined ? {} : { path: claudePath }) }),
    },
    {
      connectionId: 'local-codex', name: 'Codex', system: 'local', revision: revisionOf([codexPath ?? null]), machines: here('local-codex'),
      create: (context) => createCodexBackend(context, { ...shared, ...(codexPath === undefined ? {} : { path: codexPath }) }),
    },
    ...agents,
  ];
}
