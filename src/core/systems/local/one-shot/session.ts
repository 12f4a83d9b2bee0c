import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { agentEnv } from '../environment.ts';
import { CommandSession } from './agent.ts';
import { claudeDriver } from './claude.ts';
import { codexDriver } from './codex.ts';
import type { AgentSession, BackendOptions, Sandbox } from './types.ts';
import { AgentError, checkedSandbox, checkedTimeout, SANDBOX_WORKSPACE_WRITE } from './types.ts';

export type BackendFactory = (options: BackendOptions) => AgentSession;

const factories = new Map<string, BackendFactory>([
  [claudeDriver.name, (options) => new CommandSession(claudeDriver, options)],
  [codexDriver.name, (options) => new CommandSession(codexDriver, options)],
]);
const names = [...factories.keys()];

/** Names of every backend; `registerBackend` adds to it. */
export const ALL_BACKENDS: readonly string[] = names;

/** Adds a backend. Throws AgentError `invalid_argument` for a name that is taken, empty or not of small letters, digits, `-` and `_`. */
export function registerBackend(name: string, factory: BackendFactory): void {
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(name)) throw new AgentError('invalid_argument', `${JSON.stringify(name)} is no name for a backend: use small letters, digits, - and _.`);
  if (factories.has(name)) throw new AgentError('invalid_argument', `There is a backend ${name} already. Choose another name.`);
  factories.set(name, factory);
  names.push(name);
}

export interface PickOptions {
  /** Name of an environment variable that may name the backend. */
  readonly envVar?: string;
  /** Numbers in [0, 1), as Math.random. */
  readonly rng?: () => number;
}

/** The backend that the environment variable names (in any case), else one by chance. Throws AgentError `unknown_backend`. */
export function pickBackend(options: PickOptions = {}): string {
  const wanted = options.envVar === undefined ? '' : (process.env[options.envVar] ?? '').trim();
  if (wanted !== '') return known(wanted.toLowerCase(), `The environment variable ${options.envVar ?? ''} names`);
  const random = (options.rng ?? Math.random)();
  if (!(random >= 0 && random < 1)) throw new AgentError('invalid_argument', 'rng must give numbers from 0 up to, and without, 1.');
  return names[Math.floor(random * names.length)] ?? known('', 'There is');
}

export interface SessionOptions extends PickOptions {
  /** Made where it is missing. */
  readonly cwd: string;
  readonly sandbox?: Sandbox;
  readonly model?: string;
  readonly timeoutSec?: number;
  readonly extraArgs?: readonly string[];
  /** Added to the environment of this process; what VS Code and an agent around us put there for themselves is left out of both. */
  readonly extraEnv?: Readonly<Record<string, string>>;
  /** Wins over `envVar`, which wins over chance. */
  readonly backend?: string;
  /** Session of the agent to go on with. */
  readonly sessionId?: string;
  /** This program in a person's words, within a sentence, for those who want the session meanwhile; `another program` by default. */
  readonly program?: string;
}

/** A session with a command-line agent. Nothing is started before the first `send`. Throws AgentError `invalid_argument` or `unknown_backend`. */
export function makeSession(options: SessionOptions): AgentSession {
  const name = options.backend === undefined ? pickBackend(options) : known(options.backend, 'The option backend is');
  const factory = factories.get(name);
  if (factory === undefined) throw new AgentError('unknown_backend', `There is no backend ${name}.`);
  if (options.cwd === '') throw new AgentError('invalid_argument', 'A session needs a folder to work in: give cwd.');
  const cwd = path.resolve(options.cwd);
  const checked = {
    cwd, sandbox: checkedSandbox(options.sandbox ?? SANDBOX_WORKSPACE_WRITE), model: options.model ?? null, timeoutSec: checkedTimeout(options.timeoutSec ?? 3600), extraArgs: options.extraArgs ?? [],
    env: agentEnv({ ...process.env, ...options.extraEnv }), sessionId: options.sessionId ?? null, program: options.program ?? 'another program',
  };
  try {
    mkdirSync(cwd, { recursive: true });
  } catch (error) {
    throw new AgentError('invalid_argument', `The folder ${cwd} is not there and could not be made.`, { cause: error });
  }
  return factory(checked);
}

function known(name: string, how: string): string {
  if (factories.has(name)) return name;
  throw new AgentError('unknown_backend', `${how} ${JSON.stringify(name)}, which is no backend: use ${names.join(', ')}.`);
}
