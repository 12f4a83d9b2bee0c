import type { CallOptions } from '../../model/backend.ts';
import { isJsonObject } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import type { HappyAccount } from './account.ts';
import { ConnectionError, HappyError, MachineOfflineError, SessionNotFound, TimeoutError } from './errors.ts';
import { RpcRefused, SessionUnreachable } from './rpc.ts';
import type { SessionRow } from './wire/bodies.ts';

/** How a session's process ended: it was gone before, it obeyed, or its machine's daemon ended it. */
interface Stopped {
  readonly step: 'nothing-to-stop' | 'ended' | 'killed';
}

/** A process that lives sends a sign of life every 2 s; after an archive the server ignores them for 60 s. Inactive for longer than that is dead. */
const SURELY_DEAD_MS = 90_000;
/** A living process answers in milliseconds. One that wrote `archived` and then keeps silent this long has ended; the server itself would look for it for 15 s. */
const SILENT_MS = 3_000;
const STOP_MS = 60_000;

/**
 * Ends the session's process, marks it inactive, and makes sure (happy.md A, the table of stops): `killSession` until nobody takes calls any more; where it is deaf, the
 * machine's `stop-session`; then the archive. Rejects with SessionNotFound, `still_running`, and with what keeps us from asking (ConnectionError, EncryptionError).
 */
export async function stopSession(account: HappyAccount, sessionId: string, options: CallOptions = {}): Promise<Stopped> {
  const row = await account.sessionRow(sessionId, options);
  if (!row.active && account.clock.now() - row.activeAt > SURELY_DEAD_MS) return { step: 'nothing-to-stop' };
  const step = await end(account, row, options);
  // Gone meanwhile is as good as archived.
  await account.api.archiveSession(sessionId, options);
  return { step };
}

/** Stops the session, then removes its record, and makes sure that it is gone. A session that is gone already is SessionNotFound. */
export async function deleteSession(account: HappyAccount, sessionId: string, options: CallOptions = {}): Promise<void> {
  await stopSession(account, sessionId, options);
  await account.api.deleteSession(sessionId, options);
  if ((await account.api.session(sessionId, options)) !== null) throw new HappyError('still_running', `The Happy server still lists session ${sessionId} after its deletion. Try again.`);
}

async function end(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<Stopped['step']> {
  const until = account.clock.monotonic() + STOP_MS;
  let obeyed = false;
  let forced = false;
  // What is not known to live is asked for first: a call to end it that nobody takes waits at the server, and would end the process that a resume starts meanwhile.
  if ((!row.active || isArchivedBy(account, row)) && !(await lives(account, row, options))) return 'nothing-to-stop';
  for (;;) {
    const answer = await kill(account, row, options);
    if (answer === 'gone') return forced ? 'killed' : obeyed ? 'ended' : 'nothing-to-stop';
    if (answer === 'obeys') obeyed = true;
    else if (!forced) forced = await force(account, row, options);
    const asked = account.clock.monotonic();
    do {
      await sleep(account.clock, 300, options.signal);
      if (!(await lives(account, row, options))) return forced ? 'killed' : 'ended';
    } while (account.clock.monotonic() - asked < SILENT_MS);
    if (account.clock.monotonic() >= until) throw new HappyError('still_running', `The process of session ${row.id} does not end. End it on its machine.`);
  }
}

/** Asks the process to end. Waits for as long as the server looks for it. */
async function kill(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<'gone' | 'obeys' | 'deaf'> {
  try {
    await account.sessionRpc(row, 'killSession', {}, options);
    return 'obeys';
  } catch (error) {
    if (error instanceof SessionUnreachable) return 'gone';
    // It went away while it worked on it: the next question tells.
    if (error instanceof ConnectionError) return 'obeys';
    if (error instanceof TimeoutError || error instanceof RpcRefused) return 'deaf';
    throw error;
  }
}

/** Whether the session's process takes calls. The question does nothing, whoever may get it in the end. */
async function lives(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<boolean> {
  const asked = new AbortController();
  const signal = options.signal === undefined ? asked.signal : AbortSignal.any([options.signal, asked.signal]);
  const answer = account.sessionRpc(row, 'getDirectoryTree', { path: '.', maxDepth: 0 }, { signal }).then(() => true, (error: unknown) => {
    if (error instanceof SessionUnreachable || error instanceof ConnectionError) return false;
    if (error instanceof TimeoutError || error instanceof HappyError) return true;
    throw error;
  });
  try {
    return await Promise.race([answer, silence(account, row, signal)]);
  } finally {
    asked.abort();
    answer.catch(() => undefined);
  }
}

/** Resolves when the question has met silence for long and the session's process wrote that it is archived, before or since; else never, save by the signal. */
async function silence(account: HappyAccount, row: SessionRow, signal: AbortSignal): Promise<false> {
  await sleep(account.clock, SILENT_MS, signal);
  for (;;) {
    const now = await account.api.session(row.id, { signal });
    if (now === null) throw new SessionNotFound(row.id);
    if (isArchivedBy(account, now)) return false;
    await sleep(account.clock, 1_000, signal);
  }
}

function isArchivedBy(account: HappyAccount, row: SessionRow): boolean {
  const metadata = account.cipherOf(row).open(row.metadata);
  return isJsonObject(metadata) && metadata['lifecycleState'] === 'archived';
}

/** Asks the machine's daemon to end it; it knows only sessions that it started since it runs itself. */
async function force(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<boolean> {
  const metadata = account.cipherOf(row).open(row.metadata);
  const machineId = isJsonObject(metadata) ? metadata['machineId'] : null;
  const machine = typeof machineId === 'string' ? await account.api.machine(machineId, options) : null;
  if (machine === null) return false;
  try {
    await account.machineRpc(machine, 'stop-session', { sessionId: row.id }, options);
    return true;
  } catch (error) {
    if (error instanceof MachineOfflineError || error instanceof RpcRefused || error instanceof TimeoutError || error instanceof ConnectionError) return false;
    throw error;
  }
}
