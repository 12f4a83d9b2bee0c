import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { LocalConnection } from '../core/systems/local/index.ts';
import { localConnections } from '../core/systems/local/index.ts';
import type { CliIo } from './io.ts';
import { plainLine, UsageError } from './io.ts';

/** The shape of the setting `pilothouse.local.agents`. */
const agentsSchema = z.array(z.strictObject({ id: z.string().optional(), name: z.string().min(1), command: z.string().min(1), args: z.array(z.string()).default([]), protocol: z.literal('acp').default('acp') }));

/** What others are told who want a session that this command runs. */
const program = 'pilothouse local chat';

/** Claude Code, Codex and the agents of a file (`--agents`, else PILOTHOUSE_AGENTS) of the same shape as the setting `pilothouse.local.agents`. */
export async function knownAgents(file: string | undefined, io: CliIo): Promise<readonly LocalConnection[]> {
  const source = file ?? io.env['PILOTHOUSE_AGENTS'];
  if (source === undefined || source === '') return localConnections({ agents: [], env: io.env, program });
  let value: unknown;
  try {
    value = JSON.parse(await readFile(source, 'utf8'));
  } catch (error) {
    throw new UsageError(`The agents file ${source} could not be read: ${error instanceof Error ? error.message : 'unknown error'}`);
  }
  const agents = agentsSchema.safeParse(value);
  if (!agents.success) throw new UsageError(`The agents file ${source} is not a list of {name, command, args}: ${plainLine(z.prettifyError(agents.error))}`);
  return localConnections({ agents: agents.data, env: io.env, program });
}

/** The word for a connection on the command line: `claude`, `codex`, or the configured name. */
export function agentWord(connection: LocalConnection): string {
  if (connection.connectionId === 'local-claude') return 'claude';
  return connection.connectionId === 'local-codex' ? 'codex' : connection.name;
}

/** The connection that `--agent` names. Throws UsageError. */
export function namedAgent(agents: readonly LocalConnection[], name: string): LocalConnection {
  const found = agents.find((one) => agentWord(one) === name) ?? agents.find((one) => agentWord(one).toLowerCase() === name.toLowerCase());
  if (found === undefined) throw new UsageError(`There is no agent ${JSON.stringify(name)}: use ${agents.map(agentWord).join(', ')}, or name a file that has it with --agents.`);
  return found;
}
