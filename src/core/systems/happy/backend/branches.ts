import type { CallOptions, ForkPoint } from '../../../model/backend.ts';
import { describeError } from '../../../model/errors.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Session } from '../../../model/session.ts';
import { fromBase64, toBase64 } from '../crypto/base64.ts';
import { contentSecretKey, unwrapKey } from '../crypto/keys.ts';
import { sleep } from '../../../transport/clock.ts';
import { ConnectionError, EncryptionError, HappyError, TimeoutError } from '../errors.ts';
import { changeMetadata } from '../metadata.ts';
import { localSessionOf, titleOf } from '../normalise/index.ts';
import { str } from '../normalise/read.ts';
import { probe } from '../probe.ts';
import { RpcRefused, SessionUnreachable } from '../rpc.ts';
import { spawn } from '../spawn.ts';
import type { MachineRow, SessionRow } from '../wire/bodies.ts';
import { spawnAnswer } from '../wire/pushes.ts';
import type { HappyDesk } from './desk.ts';
import { told } from './desk.ts';
import { copyTranscript } from './forkCopy.ts';

const ALIVE_MS = 30_000;
const SKIPPED_PAGE = 100;

interface Found {
  readonly row: SessionRow;
  readonly metadata: JsonObject;
  readonly machine: MachineRow;
}

/** Starts the agent on a session again; the id stays (happy.md A, the table of stops). Rejects with `machine_offline`, and with `resume_refused` in the machine's own words. */
export async function resumeSession(desk: HappyDesk, id: string, options: CallOptions): Promise<void> {
  const { row, metadata, machine } = await find(desk, id, options);
  const key = keyOf(desk, row);
  // A daemon that was restarted since knows the session no more: it is told what it needs. Sessions without a key of their own are only resumed while it knows them.
  const fallback: JsonObject = key === null ? { fallbackReason: 'legacy-session' } : {
    fallback: {
      metadata, metadataVersion: row.metadataVersion, agentStateVersion: row.agentStateVersion, seq: row.seq, encryptionKey: toBase64(key), encryptionVariant: 'dataKey',
    },
  };
  try {
    const answer = spawnAnswer.safeParse(await startAgain(desk, row, machine, { sessionId: id, ...fallback }, options));
    if (!answer.success || answer.data.type !== 'success') throw new HappyError('resume_refused', 'The machine did not resume the session.');
  } catch (error) {
    if (error instanceof RpcRefused) throw new HappyError('resume_refused', `The machine did not resume the session: ${error.message}`, { cause: error });
    throw error;
  }
  if (desk.marks.archived(id) !== false) await desk.marks.setArchived(id, false);
  await listens(desk, row, str(metadata, 'path') ?? '/', options);
  desk.signs.rose(id);
  desk.changed(id);
}

/** Two calls would start two processes: where the answer was lost, a second one is made only when nothing listens for the session. */
async function startAgain({ account }: HappyDesk, row: SessionRow, machine: MachineRow, params: JsonObject, options: CallOptions): Promise<JsonValue> {
  try {
    return await account.machineRpc(machine, 'resume-happy-session', params, options);
  } catch (error) {
    if (!(error instanceof ConnectionError || error instanceof TimeoutError)) throw error;
    account.log.info('the answer to a resume was lost', { session: row.id, error: describeError(error) });
  }
  // The server looks for the process for a while itself, which gives it the time to come up.
  const alive = await probe(account, row, { ...options, timeoutMs: ALIVE_MS, idempotent: true }).then(() => true, (error: unknown) => {
    if (error instanceof SessionUnreachable) return false;
    // Whatever it says, and though it is deaf, it is there.
    if (error instanceof RpcRefused || error instanceof TimeoutError || error instanceof EncryptionError) return true;
    throw error;
  });
  return alive ? { type: 'success', sessionId: row.id } : account.machineRpc(machine, 'resume-happy-session', params, options);
}

/**
 * Resolves when the session's process listens. The server passes no sign of life on for a minute after a stop, but calls reach the process. What a process that was resumed reads first it
 * skips (see `Uptake`), and nothing tells when it has read all: so that a prompt need not be sent twice, as long is waited from here as that reading takes, by the slower of its line (a call's
 * way there and back) and ours (a page of messages). Whether that was long enough is seen by what becomes of the prompt.
 */
async function listens(desk: HappyDesk, row: SessionRow, path: string, options: CallOptions): Promise<void> {
  const { account } = desk;
  const asked = async (): Promise<void> => {
    try {
      await probe(account, row, { ...options, timeoutMs: ALIVE_MS, idempotent: true }, path);
    } catch (error) {
      // Whatever it says, it is there.
      if (error instanceof SessionUnreachable || error instanceof TimeoutError) throw new HappyError('resume_refused', 'The machine started the session again, but it gives no sign of life. Try again in a moment.', { cause: error });
      if (!(error instanceof RpcRefused)) throw error;
    }
  };
  await asked();
  const began = account.clock.monotonic();
  await Promise.all([asked(), account.api.messages(row.id, { after: 0 }, { ...options, limit: SKIPPED_PAGE })]);
  const pages = Math.floor(row.seq / SKIPPED_PAGE) + 1;
  await sleep(account.clock, Math.min(ALIVE_MS, 300 + 1.5 * pages * (account.clock.monotonic() - began)), options.signal);
}

/** A session with the same past, or with that up to a prompt: the machine copies the agent's own transcript, then a session is made on the copy. Rejects with `unsupported` where it cannot. */
export async function forkSession(desk: HappyDesk, id: string, { at, ...options }: { readonly at?: ForkPoint } & CallOptions): Promise<Session> {
  const { metadata, machine } = await find(desk, id, options);
  const local = localSessionOf(metadata);
  const directory = str(metadata, 'path');
  if (local === null || directory === null) throw new HappyError('invalid_argument', 'This session has no past yet: make a fresh one instead.');
  const copy = await copyTranscript(desk, { machine, local, directory, ...(at === undefined ? {} : { at }), ...options });
  const past = copy === null ? {} : local.agent === 'claude' ? { resumeClaudeSessionId: copy } : { resumeCodexThreadId: copy };
  const made = await spawn(desk.account, { machineId: machine.id, directory, agent: local.agent, more: { ...past, parentSessionId: id }, adopt: false, ...options });
  const title = `${titleOf(told(metadata))} (fork)`;
  // It runs already: a name that could not be written is no reason to lose it. Of its summary only the text is ours.
  const updatedAt = desk.account.clock.now();
  await changeMetadata(desk.account, made, (current) => ({ ...current, summary: { ...(isJsonObject(current['summary']) ? current['summary'] : {}), text: title, updatedAt }, name: title }), options)
    .catch((error: unknown) => desk.account.log.warn('a fork could not be named', { session: made, error: describeError(error) }));
  return desk.adopt(made, { machineId: machine.id, directory }, options);
}

async function find(desk: HappyDesk, id: string, options: CallOptions): Promise<Found> {
  const row = await desk.account.sessionRow(id, options);
  const metadata = desk.account.cipherOf(row).open(row.metadata);
  if (!isJsonObject(metadata)) throw new HappyError('bad_answer', 'The record of this session cannot be read.');
  const machineId = str(metadata, 'machineId');
  if (machineId === null) throw new HappyError('machine_not_found', 'This session does not tell on which machine it runs.');
  return { row, metadata, machine: await desk.account.machineRow(machineId, options) };
}

/** The session's own data key: it travels to its machine under the machine's key, as Happy's own clients send it. */
function keyOf(desk: HappyDesk, row: SessionRow): Uint8Array | null {
  const known = desk.account.credentials.knownKeys.get(row.id);
  const { master } = desk.account.credentials;
  const wrapped = row.dataEncryptionKey === null ? null : fromBase64(row.dataEncryptionKey);
  if (wrapped === null) return null;
  return known ?? (master === null ? null : unwrapKey(wrapped, contentSecretKey(master)));
}

