import { randomUUID } from 'node:crypto';
import type { CallOptions } from '../../model/backend.ts';
import { describeError } from '../../model/errors.ts';
import { isJsonObject } from '../../model/json.ts';
import type { JsonObject } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import type { HappyAccount } from './account.ts';
import { ConnectionError, EncryptionError, MachineOfflineError, requireText, SpawnError, TimeoutError } from './errors.ts';
import { modelParts } from './normalise/rig.ts';
import { RpcRefused } from './rpc.ts';
import { NotSentError } from './socket.ts';
import type { MachineRow, SessionRow } from './wire/bodies.ts';
import { spawnAnswer } from './wire/pushes.ts';

export interface SpawnRequest extends CallOptions {
  readonly machineId: string;
  /** Absolute, on that machine. */
  readonly directory: string;
  /** `claude` by default; codex, gemini, openclaw, agy, rig where the machine has them. */
  readonly agent?: string;
  /** Allows the machine to create the folder. */
  readonly createDir?: boolean;
  readonly permissionMode?: string;
  readonly model?: string;
  readonly effort?: string;
  /**
   * Where the machine does not answer: takes the one session of this machine and folder that appeared meanwhile for the one that was asked for. It may be somebody else's, so do not
   * prompt, stop or delete it unasked. False when absent: SpawnError `spawn_unknown` then, with the candidates.
   */
  readonly adopt?: boolean;
  /** More fields of the call, such as `resumeClaudeSessionId`. */
  readonly more?: JsonObject;
}

/** How long to look for a session of which it is not known whether it was made. */
const LOOK_MS = 15_000;
const LOOK_EVERY_MS = 1_000;
/** How long a second one may take to appear. */
const SECOND_MS = 1_500;
/** Before a call that may be made again is. */
const AGAIN_MS = 500;

/**
 * Starts an agent and answers its session's id. The call is idempotent for Rig only, where a lost one is made again; else, when its outcome is unknown (no answer, connection lost) the account's newest sessions are looked
 * through for those of this machine and folder that were not there before, and the call is never repeated. Nothing tells whether such a one is ours: only with `adopt`, and where it
 * is the only one, is it answered. Rejects with MachineOfflineError, SpawnError, EncryptionError, ConnectionError.
 */
export async function spawn(account: HappyAccount, request: SpawnRequest): Promise<string> {
  const { machineId, directory, adopt = false, signal } = request;
  const options = signal === undefined ? {} : { signal };
  requireText(machineId, 'machineId');
  requireText(directory, 'directory');
  const machine = await account.machineRow(machineId, options);
  const before = (await account.api.sessions({ ...options, limit: 100 })).rows;
  try {
    const sessionId = await call(account, machine, request);
    account.spawned.add(sessionId);
    return sessionId;
  } catch (error) {
    const unknown = !(error instanceof NotSentError) && (error instanceof TimeoutError || error instanceof ConnectionError || error instanceof EncryptionError);
    if (!unknown) throw error;
    const { candidates, seen } = await lookFor(account, request, before);
    const [only] = candidates;
    if (adopt && only !== undefined && candidates.length === 1) {
      account.spawned.add(only);
      return only;
    }
    const appeared = candidates.length > 0 ? `${candidates.join(', ')} appeared there meanwhile, which may be it or somebody else's`
      : seen ? 'none has appeared' : 'the Happy server could not be asked for it';
    throw new SpawnError('spawn_unknown', `Machine ${machineId} did not say whether it started a session in ${directory}, and ${appeared}. Look before you try again.`, { machineId, directory, candidates, cause: error });
  }
}

/** It runs, and nobody could read it. `cause` is why. */
export function startedUnread(sessionId: string, machineId: string, directory: string, cause: unknown): SpawnError {
  const message = `Session ${sessionId} was started in ${directory}, but cannot be read at the moment. It will be in the list: do not start another one.`;
  return new SpawnError('spawn_unknown', message, { machineId, directory, sessionId, candidates: [sessionId], cause });
}

/** The call's parameters. Rig has names of its own, takes no others, and knows a repeated call by its `clientRequestId`. */
function paramsOf(request: SpawnRequest): JsonObject {
  const { directory, agent = 'claude', createDir = false, permissionMode, model, effort } = request;
  const common: JsonObject = { type: 'spawn-in-directory', directory, agent, approvedNewDirectoryCreation: createDir, ...(permissionMode === undefined ? {} : { permissionMode }) };
  if (agent !== 'rig') return { ...common, ...(model === undefined ? {} : { modelMode: model }), ...(effort === undefined ? {} : { effortLevel: effort }), ...request.more };
  const parts = model === undefined ? null : modelParts(model);
  return { ...common, clientRequestId: randomUUID(), ...parts, ...(effort === undefined ? {} : { effort }) };
}

async function call(account: HappyAccount, machine: MachineRow, request: SpawnRequest): Promise<string> {
  const { machineId, directory, agent = 'claude', signal } = request;
  const refused = (code: 'spawn_failed' | 'folder_missing', message: string, cause?: unknown): SpawnError => new SpawnError(code, message, { machineId, directory, ...(cause === undefined ? {} : { cause }) });
  const params = paramsOf(request);
  const until = account.clock.monotonic() + 120_000;
  let unanswered: Error | null = null;
  for (;;) {
    let value: unknown;
    try {
      value = await account.machineRpc(machine, 'spawn-happy-session', params, signal === undefined ? {} : { signal });
    } catch (error) {
      // Rig knows a call that is made again by its id, and makes no second session.
      if (agent === 'rig' && (error instanceof ConnectionError || error instanceof TimeoutError)) {
        if (!(error instanceof NotSentError)) unanswered = error;
        if (account.clock.monotonic() < until) {
          await sleep(account.clock, AGAIN_MS, signal);
          continue;
        }
      }
      // That this call reached nobody says nothing of the one before.
      if (unanswered !== null && (error instanceof NotSentError || error instanceof MachineOfflineError)) throw unanswered;
      if (error instanceof RpcRefused) throw refused('spawn_failed', `Machine ${machineId} did not start a session in ${directory}: ${error.message}`, error);
      throw error;
    }
    const answer = spawnAnswer.safeParse(value);
    if (!answer.success) throw refused('spawn_failed', `Machine ${machineId} answered with something unknown to the start of a session.`);
    switch (answer.data.type) {
      case 'success':
        return answer.data.sessionId;
      case 'requestToApproveDirectoryCreation':
        throw refused('folder_missing', `The folder ${answer.data.directory} does not exist on machine ${machineId}. Allow it to be created (createDir), or choose another.`);
      case 'error':
        throw refused('spawn_failed', `Machine ${machineId} did not start a session in ${directory}: ${answer.data.errorMessage ?? 'no reason given'}`);
      case 'pending':
        if (account.clock.monotonic() >= until) throw new TimeoutError(`Machine ${machineId} has not started the session yet.`);
        await sleep(account.clock, Math.min(10_000, Math.max(250, answer.data.retryAfterMs ?? 1_000)), signal);
        break;
      default:
        break;
    }
  }
}

/**
 * Ids of the sessions of that machine and folder that were made since; the look goes on for a little after the first, for a second one. `seen` is false where the server could not be asked
 * in all that time: what took the answer takes the look as well. Rejects with the signal's reason alone, so that whoever asked is always told that a session may have been started.
 */
async function lookFor(account: HappyAccount, request: SpawnRequest, before: readonly SessionRow[]): Promise<{ readonly candidates: readonly string[]; readonly seen: boolean }> {
  const { signal } = request;
  const options = signal === undefined ? {} : { signal };
  const known = new Set(before.map((row) => row.id));
  // A deletion moves older sessions into the page.
  const since = Math.max(0, ...before.map((row) => row.createdAt));
  let until = account.clock.monotonic() + LOOK_MS;
  let candidates: readonly string[] = [];
  for (let seen = false; ;) {
    const rows = await account.api.sessions({ ...options, limit: 100 }).then((page) => page.rows, (error: unknown) => {
      if (signal?.aborted === true) throw error;
      account.log.debug('whether a session was started could not be looked for', { error: describeError(error) });
      return null;
    });
    seen ||= rows !== null;
    const found = candidates.length;
    if (rows !== null) candidates = rows.filter((row) => {
      if (known.has(row.id) || row.createdAt < since || account.spawned.has(row.id)) return false;
      const metadata = account.keyring.cipherFor({ id: row.id, dataEncryptionKey: row.dataEncryptionKey, sample: row.metadata })?.open(row.metadata);
      return isJsonObject(metadata) && metadata['machineId'] === request.machineId && samePath(metadata, request.directory);
    }).map(({ id }) => id);
    if (found === 0 && candidates.length > 0) until = Math.min(until, account.clock.monotonic() + SECOND_MS);
    if (account.closed || account.clock.monotonic() >= until) return { candidates, seen };
    await sleep(account.clock, LOOK_EVERY_MS, signal);
  }
}

function samePath(metadata: JsonObject, directory: string): boolean {
  const bare = (text: string): string => (text.length > 1 ? text.replace(/[\\/]+$/, '') : text);
  const path = metadata['path'];
  const home = metadata['homeDir'];
  const wanted = directory.startsWith('~') && typeof home === 'string' ? home + directory.slice(1) : directory;
  return typeof path === 'string' && bare(path) === bare(wanted);
}
