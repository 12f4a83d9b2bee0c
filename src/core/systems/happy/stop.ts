import type { CallOptions } from '../../model/backend.ts';
import { isJsonObject } from '../../model/json.ts';
import { sleep } from '../../transport/clock.ts';
import type { HappyAccount } from './account.ts';
import { ConnectionError, EncryptionError, HappyError, MachineOfflineError, TimeoutError } from './errors.ts';
import { probe } from './probe.ts';
import { RpcRefused, SessionUnreachable } from './rpc.ts';
import type { MachineRow, SessionRow } from './wire/bodies.ts';

/** How a session's process ended: it was gone before, it obeyed, or its machine's daemon ended it. */
interface Stopped {
  readonly step: 'nothing-to-stop' | 'ended' | 'killed';
}

/** A living process answers in milliseconds. One that wrote `archived` and then keeps silent this long has ended; the server itself would look for it for 15 s. */
const SILENT_MS = 3_000;
const STOP_MS = 60_000;
/** How long a process and its machine may take to say that they are there, where nothing is known of either. The server itself would look for each for 15 s. */
const LOOK_MS = 5_000;
const AGAIN_MS = 300;

export interface StopOptions extends CallOptions {
  /**
   * What is known of the session's machine. `there`: it is, or the session's process was heard a moment ago. `away`: it is not, and the process would have been heard: nobody is asked. Absent: nothing is
   * known, so that both are asked, side by side and for a short time.
   */
  readonly machine?: 'there' | 'away';
}

/**
 * Ends the session's process, marks it inactive, and makes sure (happy.md A, the table of stops): `killSession` until nobody takes calls any more; where it is deaf, the
 * machine's `stop-session`; then the archive. Neither the server's flag nor a silence tells that a process is dead: its machine may sleep, and clocks differ. Rejects with
 * SessionNotFound, `still_running`, MachineOfflineError (nobody answers, and the machine that would know is away: the session is left as it is), and with what keeps us from
 * asking (ConnectionError, EncryptionError).
 */
export async function stopSession(account: HappyAccount, sessionId: string, { machine, ...options }: StopOptions = {}): Promise<Stopped> {
  const row = await account.sessionRow(sessionId, options);
  if (machine !== 'there') await requireContact(account, row, machine === 'away', options);
  const step = machine === 'away' ? 'nothing-to-stop' : await end(account, row, options);
  // Gone meanwhile is as good as archived.
  await account.api.archiveSession(sessionId, options);
  return { step };
}

export interface DeleteOptions extends StopOptions {
  /** Removes the record although its machine is away, where a process of the session may live on; the person was asked. False when absent: MachineOfflineError then. */
  readonly removeUnconfirmed?: boolean;
}

/** Stops the session, then removes its record, and makes sure that it is gone. A session that is gone already is SessionNotFound. Rejects as `stopSession`. */
export async function deleteSession(account: HappyAccount, sessionId: string, { removeUnconfirmed = false, ...options }: DeleteOptions = {}): Promise<void> {
  try {
    await stopSession(account, sessionId, options);
  } catch (error) {
    if (!removeUnconfirmed || !(error instanceof MachineOfflineError)) throw error;
  }
  const call = options.signal === undefined ? {} : { signal: options.signal };
  await account.api.deleteSession(sessionId, call);
  if ((await account.api.session(sessionId, call)) !== null) throw new HappyError('still_running', `The Happy server still lists session ${sessionId} after its deletion. Try again.`);
}

/** Rejects with MachineOfflineError where nobody is there to tell whether the session's process has ended, and it did not say so itself. */
async function requireContact(account: HappyAccount, row: SessionRow, away: boolean, options: CallOptions): Promise<void> {
  if (isArchivedBy(account, row)) return;
  const machineId = machineIdOf(account, row);
  if (away && machineId !== null) throw notConfirmed(row, machineId);
  const machine = machineId === null ? null : await account.api.machine(machineId, options);
  if (machine !== null && !(await someoneAnswers(account, row, machine, options))) throw notConfirmed(row, machine.id);
}

/** True as soon as the session's process or its machine answers, or our own contact is lost; false when both are not there, or silent for long. The questions do nothing. */
async function someoneAnswers(account: HappyAccount, row: SessionRow, machine: MachineRow, options: CallOptions): Promise<boolean> {
  const done = new AbortController();
  const signal = options.signal === undefined ? done.signal : AbortSignal.any([options.signal, done.signal]);
  const there = (call: Promise<unknown>): Promise<boolean> => call.then(() => true, (error: unknown) => !(error instanceof SessionUnreachable || error instanceof MachineOfflineError));
  const questions = [
    there(probe(account, row, { signal })),
    // Refused without an id by every daemon.
    there(account.machineRpc(machine, 'stop-session', { sessionId: '' }, { signal })),
  ];
  const first = new Promise<boolean>((resolve) => {
    for (const question of questions) void question.then((is) => (is ? resolve(true) : undefined));
    void Promise.all(questions).then((all) => resolve(all.includes(true)));
  });
  try {
    return await Promise.race([first, sleep(account.clock, LOOK_MS, signal).then(() => false)]);
  } finally {
    done.abort();
  }
}

async function end(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<Stopped['step']> {
  const until = account.clock.monotonic() + STOP_MS;
  let obeyed = false;
  let forced = false;
  const sure = (step: Stopped['step']): Promise<Stopped['step']> => confirmed(account, row, forced ? 'killed' : obeyed ? 'ended' : step, until, options);
  // What is not known to live is asked for first: a call to end it that nobody takes waits at the server, and would end the process that a resume starts meanwhile.
  if ((!row.active || isArchivedBy(account, row)) && !(await lives(account, row, until, options))) return sure('nothing-to-stop');
  for (;;) {
    const answer = await kill(account, row, options);
    if (answer === 'gone') return sure('nothing-to-stop');
    if (answer === 'obeys') obeyed = true;
    else if (answer === 'deaf' && !forced) forced = (await force(account, row, options)) === 'done';
    const asked = account.clock.monotonic();
    do {
      await sleep(account.clock, AGAIN_MS, options.signal);
      if (!(await lives(account, row, until, options))) return sure('nothing-to-stop');
    } while (account.clock.monotonic() - asked < SILENT_MS);
    if (account.clock.monotonic() >= until) throw new HappyError('still_running', `The process of session ${row.id} does not end. End it on its machine.`);
  }
}

/** Nobody takes the session's calls. It has ended where it said so, to us or in its record, or where its machine, which is there, has it not (any more). */
async function confirmed(account: HappyAccount, row: SessionRow, step: Stopped['step'], until: number, options: CallOptions): Promise<Stopped['step']> {
  if (step !== 'nothing-to-stop') return step;
  const now = await account.sessionRow(row.id, options);
  if (isArchivedBy(account, now)) return step;
  for (;;) {
    const said = await force(account, now, options);
    if (said === 'no-machine' || said === 'refused') return step;
    if (said === 'done') return 'killed';
    if (said instanceof MachineOfflineError) throw notConfirmed(row, said.machineId, said);
    if (account.clock.monotonic() >= until) throw new HappyError('still_running', `The machine of session ${row.id} does not say whether its process has ended. Try again.`);
    await sleep(account.clock, AGAIN_MS, options.signal);
  }
}

function notConfirmed(row: SessionRow, machineId: string, cause?: unknown): MachineOfflineError {
  const message = `Nothing answers for session ${row.id}, and its machine ${machineId} is offline: whether its process has ended could not be confirmed. Try again when the machine is back.`;
  return new MachineOfflineError(machineId, { message, ...(cause === undefined ? {} : { cause }) });
}

/** Asks the process to end. Waits for as long as the server looks for it. */
async function kill(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<'gone' | 'obeys' | 'deaf' | 'unknown'> {
  try {
    await account.sessionRpc(row, 'killSession', {}, options);
    return 'obeys';
  } catch (error) {
    if (error instanceof SessionUnreachable) return 'gone';
    // It, or we, lost contact: the next question tells.
    if (error instanceof ConnectionError) return 'unknown';
    if (error instanceof TimeoutError || error instanceof RpcRefused) return 'deaf';
    throw error;
  }
}

/** Whether the session's process takes calls. The question does nothing, whoever may get it in the end. What contact was lost for, its or ours, is asked again until `until`. */
async function lives(account: HappyAccount, row: SessionRow, until: number, options: CallOptions): Promise<boolean> {
  for (;;) {
    try {
      return await asked(account, row, options);
    } catch (error) {
      if (!(error instanceof ConnectionError) || account.clock.monotonic() >= until) throw error;
      account.log.debug('the question whether a session lives is asked again', { error });
      await sleep(account.clock, AGAIN_MS, options.signal);
    }
  }
}

async function asked(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<boolean> {
  const done = new AbortController();
  const signal = options.signal === undefined ? done.signal : AbortSignal.any([options.signal, done.signal]);
  const answer = probe(account, row, { signal }).then(() => true, (error: unknown) => {
    if (error instanceof SessionUnreachable) return false;
    // Whatever it says, and though it is deaf, it is there.
    if (error instanceof TimeoutError || error instanceof RpcRefused || error instanceof EncryptionError) return true;
    throw error;
  });
  try {
    return await Promise.race([answer, silence(account, row, signal)]);
  } finally {
    done.abort();
    answer.catch(() => undefined);
  }
}

/** Resolves when the question has met silence for long, on a connection that held, and the session's process wrote that it is archived, before or since; else never, save by the signal. */
async function silence(account: HappyAccount, row: SessionRow, signal: AbortSignal): Promise<false> {
  for (let since = account.clock.monotonic(); ;) {
    await sleep(account.clock, AGAIN_MS, signal);
    // Without contact the silence is ours.
    if (account.socket.state.status !== 'online') since = account.clock.monotonic();
    else if (account.clock.monotonic() - since >= SILENT_MS) {
      const now = await account.sessionRow(row.id, { signal });
      if (isArchivedBy(account, now)) return false;
      since = account.clock.monotonic() - SILENT_MS + 1_000;
    }
  }
}

function isArchivedBy(account: HappyAccount, row: SessionRow): boolean {
  const metadata = account.cipherOf(row).open(row.metadata);
  return isJsonObject(metadata) && metadata['lifecycleState'] === 'archived';
}

function machineIdOf(account: HappyAccount, row: SessionRow): string | null {
  const metadata = account.cipherOf(row).open(row.metadata);
  const id = isJsonObject(metadata) ? metadata['machineId'] : null;
  return typeof id === 'string' && id !== '' ? id : null;
}

/**
 * Asks the machine's daemon to end it; it knows only sessions that it started since it runs itself, and refuses others. `no-machine` where the session names none of this account,
 * `no-answer` where it is not known what the daemon did. The server's flag of the machine lags behind both ways, so that it is asked whatever that says.
 */
async function force(account: HappyAccount, row: SessionRow, options: CallOptions): Promise<'done' | 'refused' | 'no-machine' | 'no-answer' | MachineOfflineError> {
  const machineId = machineIdOf(account, row);
  const machine = machineId === null ? null : await account.api.machine(machineId, options);
  if (machine === null) return 'no-machine';
  try {
    await account.machineRpc(machine, 'stop-session', { sessionId: row.id }, options);
    return 'done';
  } catch (error) {
    if (error instanceof MachineOfflineError) return error;
    if (error instanceof RpcRefused) return 'refused';
    if (error instanceof TimeoutError || error instanceof ConnectionError) return 'no-answer';
    throw error;
  }
}
