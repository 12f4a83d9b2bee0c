import type { Entry } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Link } from './link.ts';
import { SessionLog } from './normalise.ts';
import { authRequired, internalError, notFound, rpcCodeOf, sessionNotFound } from './outcome.ts';
import { str } from './read.ts';

/** Agents read whole transcripts, and start a model's tools, before they answer. */
const loadMs = 120_000;

/** Which session is brought back, and how. */
interface LoadRequest {
  readonly id: string;
  readonly agentId: string;
  readonly folder: string;
  /** Take the replay even where the agent could do without one. */
  readonly replay: boolean;
}
interface Loaded {
  readonly result: JsonValue;
  /** What the agent replayed; null where it did not. */
  readonly replayed: readonly Entry[] | null;
  readonly lastPrompt: string | null;
}

/** Takes the updates of a `session/load`, which are the past, apart from those that tell the present. */
export class Replay {
  readonly log = new SessionLog({ scope: 'load', replay: true });
  readonly entries: Entry[] = [];

  /** True when the update belonged to the past. */
  take(update: JsonValue | undefined): boolean {
    const kind = isJsonObject(update) ? (str(update, 'sessionUpdate') ?? '') : '';
    if (kind === 'usage_update' || kind === 'available_commands_update' || kind === 'current_mode_update' || kind === 'config_option_update' || kind === 'session_info_update') return false;
    this.entries.push(...this.log.update(update, 0));
    return true;
  }

  end(): void {
    this.entries.push(...this.log.endReplay());
  }
}

/**
 * Brings a session back into a running agent: `session/resume`, which says nothing again, where the agent has it, else `session/load`, which replays.
 * Null where it can do neither. Rejects with `session_not_found` (-32002, or -32603 as codex-acp says it) or what the agent answered.
 */
export async function bringBack(link: Link, request: LoadRequest, replay: Replay): Promise<Loaded | null> {
  const { facts } = link;
  const params = { sessionId: request.agentId, cwd: request.folder, mcpServers: [] };
  try {
    if (facts.resume && !(request.replay && facts.load)) {
      return { result: await link.call('session/resume', params, { timeoutMs: loadMs }), replayed: null, lastPrompt: null };
    }
    if (!facts.load) return null;
    const result = await link.call('session/load', params, { timeoutMs: loadMs });
    replay.end();
    return { result, replayed: replay.entries, lastPrompt: replay.log.lastPrompt };
  } catch (error) {
    const code = rpcCodeOf(error);
    if (code === notFound || code === internalError) throw sessionNotFound(request.id, error);
    throw error;
  }
}

/** A session of the agent that begins now. Gives the answer to `session/new` and the agent's id of it. Rejects with what the agent answered. */
export async function makeFresh(link: Link, folder: string, signal?: AbortSignal): Promise<{ readonly agentId: string; readonly result: JsonValue }> {
  const result = await link.call('session/new', { cwd: folder, mcpServers: [] }, { timeoutMs: loadMs, signal });
  const agentId = isJsonObject(result) ? str(result, 'sessionId') : null;
  if (agentId === null || agentId === '') throw new PilothouseError('agent_failed', 'The agent made a session without an id. Update the agent.');
  return { agentId, result };
}

export function isAuthRequired(error: unknown): boolean {
  return rpcCodeOf(error) === authRequired;
}
