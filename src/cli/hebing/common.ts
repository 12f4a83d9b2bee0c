import { HebingClient } from '../../core/systems/hebing/client.ts';
import { flag } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitOk, LineReader } from '../io.ts';

/** Options of every verb. */
export const common = { json: flag, 'allow-http': flag } as const;
interface CommonValues {
  readonly json?: boolean | undefined;
  readonly 'allow-http'?: boolean | undefined;
}

/** One run of a verb. */
export interface HebingCall {
  readonly io: CliIo;
  readonly json: boolean;
  /** Aborted by Ctrl+C, and when the process is to end. */
  readonly signal: AbortSignal;
  /** The next line of stdin; null at its end. */
  readonly line: () => Promise<string | null>;
}

/** `work` with a signal that Ctrl+C and the end of the process abort. */
export async function interruptible<T>(io: CliIo, values: CommonValues, work: (call: HebingCall) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const interrupts = io.onInterrupt(() => interrupted.abort());
  const signal = AbortSignal.any([io.ending, interrupted.signal]);
  // One reader for all lines: another one would not see what this one has taken.
  let lines: LineReader | null = null;
  const line = async (): Promise<string | null> => {
    lines ??= new LineReader(io.stdin);
    const found = await lines.next(signal);
    signal.throwIfAborted();
    return found;
  };
  try {
    return await work({ io, json: values.json === true, signal, line });
  } finally {
    interrupts.dispose();
    (lines as LineReader | null)?.close();
  }
}

/** Does a verb's work with the key of this computer. Gives the exit code that it gives, 0 where it gives none. */
export function withClient(io: CliIo, values: CommonValues, work: (client: HebingClient, call: HebingCall) => Promise<number | void>): Promise<number> {
  return interruptible(io, values, async (call) => {
    await using client = HebingClient.fromEnv({ env: io.env, allowPlainHttp: values['allow-http'] === true });
    return (await work(client, call)) ?? exitOk;
  });
}

/** Prints one JSON value, or the text for a person. */
export function show({ io, json }: HebingCall, value: unknown, human: string): void {
  if (json) io.out(`${JSON.stringify(value)}\n`);
  else if (human !== '') io.out(`${human}\n`);
}

/** Asks a question on stderr; anything but y or yes is no. */
export async function agreed({ io, line }: HebingCall, question: string): Promise<boolean> {
  io.err(question);
  return /^y(?:es)?$/i.test((await line())?.trim() ?? '');
}
