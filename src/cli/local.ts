import path from 'node:path';
import type { ConnectionState } from '../core/model/backend.ts';
import { describeError, isAbort, PilothouseError } from '../core/model/errors.ts';
import { findExecutable } from '../core/systems/local/executable.ts';
import type { LocalConnection } from '../core/systems/local/index.ts';
import { ALL_BACKENDS, isSandbox, makeSession } from '../core/systems/local/one-shot/index.ts';
import { agentWord, knownAgents, namedAgent } from './agents.ts';
import { asksForHelp, flag, parsed, text } from './args.ts';
import { chat } from './chat.ts';
import { cliContext } from './context.ts';
import type { CliIo } from './io.ts';
import { asCalled, exitFailed, exitOk, exitUsage, plainLine, plainText, readAll, UsageError } from './io.ts';

const connectMs = 60_000;
const verbs: readonly string[] = ['agents', 'send', 'chat'];

export const localUsage = `pilothouse local agents [--agents FILE] [--json]
  The agents of this computer and whether they can be used; where not, what is missing.
pilothouse local send PROMPT [--cwd D] [--backend ${ALL_BACKENDS.join('|')}] [--sandbox read-only|workspace-write|danger-full-access] [--model M] [--resume ID] [--timeout S] [--json]
  One turn of a command-line agent; PROMPT - is read from stdin. Without --backend the one that PILOTHOUSE_BACKEND names, else any that is installed.
pilothouse local chat [--agent claude|codex|NAME] [--agents FILE] [--cwd D] [--model M] [--mode M] [--effort E] [--resume ID] [--json]
  A chat: each line is a prompt, what the agent asks is answered by a line, Ctrl+C interrupts, /quit ends.
--agents names a JSON file (else PILOTHOUSE_AGENTS does) with more agents, those that speak the Agent Client Protocol on standard input and output:
  [{"name": "Gemini", "command": "gemini", "args": ["--acp"]}]
  \`command\` is a program on PATH or an absolute path, and runs without a shell. --agent then takes its name. VS Code's setting pilothouse.local.agents has the same form.
`;

/** `pilothouse local …`. Gives the exit code: 0, 1 (failed, with one line on stderr) or 2 (usage). Never rejects. */
export async function runLocal(argv: readonly string[], io: CliIo): Promise<number> {
  const [verb, ...rest] = argv;
  if (verb !== undefined && verbs.includes(verb) && asksForHelp(rest)) {
    io.out(asCalled(localUsage, io));
    return exitOk;
  }
  try {
    switch (verb) {
      case 'agents': return await agents(rest, io);
      case 'send': return await send(rest, io);
      case 'chat': return await talk(rest, io);
      case 'help':
      case '--help':
      case '-h':
        io.out(asCalled(localUsage, io));
        return exitOk;
      case undefined:
        io.err(asCalled(localUsage, io));
        return exitUsage;
      default: throw new UsageError(`There is no "local ${plainLine(verb)}": use agents, send or chat.`);
    }
  } catch (error) {
    const usage = error instanceof UsageError || (error instanceof PilothouseError && (error.code === 'invalid_argument' || error.code === 'unknown_backend'));
    io.err(`${plainLine(isAbort(error) ? 'Cancelled.' : describeError(error))}\n`);
    return usage ? exitUsage : exitFailed;
  }
}

async function agents(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { json: flag, agents: text }, 0);
  const known = await knownAgents(values.agents, io);
  const found = await Promise.all(known.map(async (one) => ({ agent: agentWord(one), name: one.name, ...(await stateOf(one, io)) })));
  if (values.json === true) io.out(`${JSON.stringify(found)}\n`);
  else for (const { agent, status, version, message, remedy } of found) io.out(`${plainLine(agent)}\t${status}${version === null ? '' : ` ${version}`}${message === null ? '' : `\t${plainLine(message)}`}${remedy === null ? '' : `\t${plainLine(whatToDo(remedy, status))}`}\n`);
  return exitOk;
}

async function stateOf(connection: LocalConnection, io: CliIo): Promise<ConnectionState> {
  await using backend = connection.create(cliContext(connection.connectionId, io));
  return await backend.connect({ signal: AbortSignal.any([io.ending, AbortSignal.timeout(connectMs)]) }).catch((error: unknown) => ({ status: 'failed', message: describeError(error), remedy: null, version: null }));
}

async function send(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { json: flag, cwd: text, backend: text, sandbox: text, model: text, resume: text, timeout: text }, 1);
  const [given] = positionals;
  if (given === undefined) throw new UsageError('There is no prompt. Give one, or - to read it from stdin.');
  const { cwd, backend, sandbox, model, resume, timeout } = values;
  if (sandbox !== undefined && !isSandbox(sandbox)) throw new UsageError(`There is no sandbox ${JSON.stringify(sandbox)}: use read-only, workspace-write or danger-full-access.`);
  const chosen = backend ?? (await preferred(io));
  const prompt = given === '-' ? await readAll(io.stdin) : given;
  await using session = makeSession({
    cwd: path.resolve(io.cwd, cwd ?? '.'), backend: chosen, extraEnv: definedOnly(io.env), program: 'pilothouse local send',
    ...(sandbox === undefined ? {} : { sandbox }), ...(model === undefined ? {} : { model }), ...(resume === undefined ? {} : { sessionId: resume }), ...(timeout === undefined ? {} : { timeoutSec: Number(timeout) }),
  });
  const abort = new AbortController();
  const interrupts = io.onInterrupt(() => abort.abort());
  try {
    const result = await session.send(prompt, { signal: AbortSignal.any([io.ending, abort.signal]) });
    if (values.json === true) io.out(`${JSON.stringify(result)}\n`);
    else {
      if (result.ok && result.finalMessage !== '') io.out(`${plainText(result.finalMessage).trimEnd()}\n`);
      for (const file of result.filesCreated) io.err(`created ${plainLine(file)}\n`);
      for (const file of result.filesModified) io.err(`modified ${plainLine(file)}\n`);
    }
    if (!result.ok) io.err(`${plainLine(failureOf(result))}\n`);
    return result.ok ? exitOk : exitFailed;
  } finally {
    interrupts.dispose();
  }
}

function failureOf(result: { readonly finalMessage: string; readonly stderr: string; readonly exitCode: number; readonly backend: string }): string {
  const last = result.stderr.split('\n').filter((line) => line.trim() !== '').at(-1);
  const said = result.exitCode === -1 ? (last ?? '') : result.finalMessage === '' ? (last ?? '') : result.finalMessage;
  return said === '' ? `${result.backend} ended with ${result.exitCode}.` : `${result.backend}: ${said}`;
}

/** The backend that PILOTHOUSE_BACKEND names, in any case; else one that is installed. Throws UsageError, `not_installed`. */
async function preferred(io: CliIo): Promise<string> {
  const named = (io.env['PILOTHOUSE_BACKEND'] ?? '').trim().toLowerCase();
  if (named === '') {
    const found = await installed(io);
    if (found === null) throw noneInstalled(io, 'Another agent can be talked to: pilothouse local chat --agents FILE --agent NAME');
    return found;
  }
  if (ALL_BACKENDS.includes(named)) return named;
  throw new UsageError(`PILOTHOUSE_BACKEND names ${JSON.stringify(plainLine(named))}, which is no backend: use ${ALL_BACKENDS.join(', ')}.`);
}

/** Any of the backends whose program is in PATH; null where none is. */
async function installed(io: CliIo): Promise<string | null> {
  const found: string[] = [];
  for (const name of ALL_BACKENDS) if ((await findExecutable(name, io.env)) !== null) found.push(name);
  return found[Math.floor(Math.random() * found.length)] ?? null;
}

/** That no agent is there; `more` says what else would do. */
function noneInstalled(io: CliIo, more: string): PilothouseError {
  const words = 'Neither Claude Code nor Codex is on PATH. Install one: npm install -g @anthropic-ai/claude-code, or npm install -g @openai/codex; if it is there already, add its folder to PATH.';
  return new PilothouseError('not_installed', asCalled(`${words} ${more}`, io), { personMustAct: true });
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** What to do about a state: a command, or words. A program that is to be installed may be there and not be found. */
function whatToDo({ text: words, command }: NonNullable<ConnectionState['remedy']>, status: ConnectionState['status']): string {
  if (command === null) return words.replace('the setting pilothouse.local.agents', 'the file of agents');
  return status === 'not-installed' ? `${command} (if it is there already, add its folder to PATH)` : command;
}

/** Why an agent cannot be used, and what to do. */
function unusable(name: string, { status, message, remedy }: ConnectionState): string {
  const why = message ?? status;
  const next = remedy === null ? '' : ` ${remedy.command === null ? '' : 'Run: '}${whatToDo(remedy, status)}`;
  return `${why.startsWith(name) ? '' : `${name}: `}${why}${next}`;
}

async function talk(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { json: flag, agent: text, agents: text, cwd: text, model: text, mode: text, effort: text, resume: text }, 0);
  if (values.resume !== undefined && values.cwd !== undefined) throw new UsageError('A session that is resumed works in its own folder: leave --cwd out.');
  const known = await knownAgents(values.agents, io);
  // Claude Code is found beyond PATH too, where its own installers put it.
  const chosen = values.agent ?? (await installed(io));
  const connection = namedAgent(known, chosen ?? 'claude');
  await using backend = connection.create(cliContext(connection.connectionId, io));
  const state = await backend.connect({ signal: AbortSignal.any([io.ending, AbortSignal.timeout(connectMs)]) });
  if (chosen === null && state.status === 'not-installed') throw noneInstalled(io, 'Or name another agent with --agents FILE --agent NAME.');
  if (state.status !== 'ready') throw new PilothouseError('agent_unusable', unusable(connection.name, state), { personMustAct: true });
  const { cwd, model, mode, effort, resume } = values;
  return await chat(backend, {
    folder: path.resolve(io.cwd, cwd ?? '.'), json: values.json ?? false,
    ...(model === undefined ? {} : { model }), ...(mode === undefined ? {} : { mode }), ...(effort === undefined ? {} : { effort }), ...(resume === undefined ? {} : { resume }),
  }, io);
}
