import { HappyClient } from '../../core/systems/happy/client.ts';
import type { HappyMachine, HappySession } from '../../core/systems/happy/client.ts';
import type { Credentials } from '../../core/systems/happy/credentials.ts';
import { credentialsFromEnv, credentialsFromHome } from '../../core/systems/happy/credentials.ts';
import { HappyError, SessionNotFound } from '../../core/systems/happy/errors.ts';
import { flag, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitOk, plainLine, readAll, UsageError } from '../io.ts';

/** How the command presents itself to the server. */
export const CLIENT = 'pilothouse-cli/0';

/** Options of every verb. */
export const common = { json: flag, server: text, 'allow-http': flag } as const;
interface CommonValues {
  readonly json?: boolean | undefined;
  readonly server?: string | undefined;
  readonly 'allow-http'?: boolean | undefined;
}

/** One run of a verb in an account. */
export interface Call {
  readonly io: CliIo;
  readonly client: HappyClient;
  readonly json: boolean;
  /** Aborted by Ctrl+C, and when the process is to end. */
  readonly signal: AbortSignal;
}

/** `HAPPY_TOKEN` and `HAPPY_SECRET` where either is set, else the key files of Happy's folder. Throws AuthenticationError. */
function credentialsOf(values: CommonValues, { env }: Pick<CliIo, 'env'>): Credentials {
  const places = { env, allowPlainHttp: values['allow-http'] === true, ...(values.server === undefined ? {} : { serverUrl: values.server }) };
  const given = ['HAPPY_TOKEN', 'HAPPY_SECRET'].some((name) => (env[name] ?? '').trim() !== '');
  return given ? credentialsFromEnv(places) : credentialsFromHome(places);
}

/** Does a verb's work in the account of this computer, and ends every connection. Ctrl+C aborts its signal. Gives exit code 0; rejects with what failed. */
export async function inAccount(values: CommonValues, io: CliIo, work: (call: Call) => Promise<void>): Promise<number> {
  const credentials = credentialsOf(values, io);
  for (const remark of credentials.remarks) io.err(`${plainLine(remark)}\n`);
  return untilInterrupted(io, async (signal) => {
    await using client = new HappyClient({ credentials, env: io.env, allowPlainHttp: values['allow-http'] === true, client: CLIENT });
    await work({ io, client, json: values.json === true, signal });
    return exitOk;
  });
}

/** `work` with a signal that Ctrl+C and the end of the process abort. */
export async function untilInterrupted<T>(io: CliIo, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const interrupts = io.onInterrupt(() => interrupted.abort());
  try {
    return await work(AbortSignal.any([io.ending, interrupted.signal]));
  } finally {
    interrupts.dispose();
  }
}

/** Prints one JSON value, or the text for a person (with a line break, unless it is empty). */
export function show({ io, json }: Pick<Call, 'io' | 'json'>, value: unknown, human: string): void {
  if (json) io.out(`${JSON.stringify(value)}\n`);
  else if (human !== '') io.out(`${human}\n`);
}

export function required(value: string | undefined, what: string): string {
  if (value === undefined || value.trim() === '') throw new UsageError(`${what} is missing.`);
  return value;
}

/** The session's id, as the first argument gives it. Throws UsageError. */
export function idIn(positionals: readonly string[]): string {
  return required(positionals[0], 'The session\'s id').trim();
}

/** Seconds of `--timeout`. */
export function secondsOf(value: string | undefined): { readonly timeoutSeconds?: number } {
  if (value === undefined) return {};
  const timeoutSeconds = Number(value);
  if (value.trim() === '' || !Number.isFinite(timeoutSeconds) || timeoutSeconds <= 0) throw new UsageError(`--timeout takes a number of seconds, not ${JSON.stringify(plainLine(value))}.`);
  return { timeoutSeconds };
}

/** A prompt as given, or from stdin for `-`. */
export async function promptOf(given: string, { io, signal }: Pick<Call, 'io' | 'signal'>): Promise<string> {
  if (given !== '-') return given;
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([readAll(io.stdin), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Ids as Happy's server makes them: 25 letters and digits. */
const wholeId = /^c[a-z0-9]{24}$/;

/** The session with that id, or the only one whose id begins with it. Rejects with SessionNotFound, `ambiguous_id`. */
export async function sessionOf({ client, signal }: Call, id: string): Promise<HappySession> {
  if (wholeId.test(id)) return client.getSession(id, { signal });
  return pick(await client.listSessions({ signal }), id, 'sessions', () => new SessionNotFound(id));
}

/** The machine with that id or host name, or the only one whose id begins with it. Rejects with `machine_not_found`, `ambiguous_id`. */
export async function machineOf({ client, signal }: Call, given: string | undefined): Promise<HappyMachine> {
  const id = required(given, '--machine').trim();
  const machines = await client.listMachines({ signal });
  const named = machines.filter((machine) => machine.metadata['host'] === id || machine.metadata['displayName'] === id);
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  return pick(machines, id, 'machines', () => new HappyError('machine_not_found', `There is no machine ${id} in this Happy account.`));
}

/** The one of that id, or whose id alone begins with it. Throws what `missing` makes, or `ambiguous_id`. */
export function pick<T extends { readonly id: string }>(all: readonly T[], id: string, what: string, missing: () => Error): T {
  const fitting = all.filter((one) => one.id.startsWith(id));
  const [first] = fitting;
  const found = all.find((one) => one.id === id) ?? (fitting.length === 1 ? first : undefined);
  if (found !== undefined) return found;
  if (first === undefined) throw missing();
  const some = fitting.slice(0, 4).map((one) => one.id).join(', ');
  throw new HappyError('ambiguous_id', `${fitting.length} ${what} have an id that begins with ${id}: ${some}${fitting.length > 4 ? ', …' : ''}. Give more of it.`);
}
