import type { CallOptions, ForkPoint } from '../../../model/backend.ts';
import { HappyError } from '../errors.ts';
import type { LocalSession } from '../normalise/index.ts';
import { objects, said, str } from '../normalise/read.ts';
import { RpcRefused } from '../rpc.ts';
import type { MachineRow } from '../wire/bodies.ts';
import type { HappyDesk } from './desk.ts';

interface Copied extends CallOptions {
  readonly machine: MachineRow;
  readonly local: Pick<LocalSession, 'agent' | 'id'>;
  readonly directory: string;
  readonly at?: ForkPoint;
}

/** True where a fork can begin at an earlier prompt: the machine's copy of a Codex thread would hold that prompt itself (seen with happy 1.2.5). */
export function canForkAt(local: Pick<LocalSession, 'agent'> | null): boolean {
  return local?.agent === 'claude';
}

/**
 * Makes the machine copy the agent's own transcript, all of it or up to a prompt, and answers the copy's id; null where nothing was said before that prompt. Rejects
 * with `unsupported` where the machine cannot, and with `fork_point_not_found`.
 */
export async function copyTranscript(desk: HappyDesk, { machine, local, directory, at, ...options }: Copied): Promise<string | null> {
  const claude = local.agent === 'claude';
  const call = async (method: string, more: { readonly cutAfterUuid?: string } = {}): Promise<unknown> => {
    try {
      return await desk.account.machineRpc(machine, method, { directory, ...(claude ? { claudeSessionId: local.id } : { codexThreadId: local.id }), ...more }, options);
    } catch (error) {
      if (error instanceof RpcRefused) throw new HappyError('unsupported', `The machine cannot fork this session: ${error.message}`, { cause: error });
      throw error;
    }
  };
  const named = (answer: unknown): string => {
    const copy = said(answer as Parameters<typeof said>[0], claude ? 'newClaudeSessionId' : 'newCodexThreadId');
    if (copy === null) throw new HappyError('bad_answer', 'The machine did not say which copy it made.');
    return copy;
  };
  if (at === undefined) return named(await call(claude ? 'claude-fork-session' : 'codex-fork-thread'));
  if (!claude) throw new HappyError('unsupported', 'Through Happy, only sessions of Claude Code fork at an earlier prompt. Fork the whole session instead.');
  const before = pointBefore(await call('claude-list-rewind-points'), at);
  return before === null ? null : named(await call('claude-duplicate-session', { cutAfterUuid: before }));
}

/**
 * The prompt before the one at which the fork begins, in the machine's words; null where there is none. The machine copies all that follows a prompt up to the next one
 * (happy 1.2.5), and knows prompts by text: of several of one text it is the one with as many behind it.
 */
function pointBefore(answer: unknown, at: ForkPoint): string | null {
  const points = objects(answer as Parameters<typeof objects>[0], 'points');
  const same = points.flatMap((point, index) => (str(point, 'text')?.trim() === at.text.trim() ? [index] : []));
  const index = same[same.length - 1 - at.sameBehind];
  const before = index === undefined || index === 0 ? null : said(points[index - 1], 'uuid');
  if (index === undefined || (before === null && !(index === 0 && at.first))) {
    throw new HappyError('fork_point_not_found', 'The machine’s own record of this session does not have this prompt, or nothing before it. Fork the whole session instead.');
  }
  return before;
}
