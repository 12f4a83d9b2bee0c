import { describeError, isAbort, PilothouseError } from '../core/model/errors.ts';
import { asksForHelp } from './args.ts';
import type { CliIo } from './io.ts';
import { asCalled, exitFailed, exitOk, exitUsage, plainLine, UsageError } from './io.ts';

interface Verb {
  /** What follows `pilothouse <system>`. */
  readonly usage: string;
  readonly about: string;
  /** Gives the exit code. */
  readonly run: (args: readonly string[], io: CliIo) => Promise<number>;
}

/** What `pilothouse <system> …` can do. */
export interface Verbs {
  readonly system: string;
  readonly verbs: Readonly<Record<string, Verb>>;
  /** What holds for each of them, as lines. */
  readonly shared: string;
  /** What is said of a failure after its code. */
  readonly words: (error: PilothouseError) => string;
  /** Codes of failures that are the caller's to mend, beside `invalid_argument`: exit code 2. */
  readonly usageCodes?: readonly string[];
}

const usageOf = (system: string, { usage, about }: Verb): string => `pilothouse ${system} ${usage}\n  ${about}\n`;

/** The help of a system: all its verbs. */
export function usageOfAll({ system, verbs, shared }: Verbs): string {
  return `${Object.values(verbs).map((verb) => usageOf(system, verb)).join('')}${shared}`;
}

/** `pilothouse <system> …`. Gives the exit code: 0, 1 (failed, with `code: message` on stderr) or 2 (usage). Never rejects. */
export async function runVerbs(all: Verbs, argv: readonly string[], io: CliIo): Promise<number> {
  const { system, verbs, shared } = all;
  const [word, ...rest] = argv;
  if (word === undefined) {
    io.err(asCalled(usageOfAll(all), io));
    return exitUsage;
  }
  if (word === 'help' || word === '--help' || word === '-h') {
    io.out(asCalled(usageOfAll(all), io));
    return exitOk;
  }
  try {
    const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
    if (verb === undefined) throw new UsageError(`There is no "${system} ${plainLine(word)}": use ${Object.keys(verbs).join(', ')}.`);
    if (asksForHelp(rest)) {
      io.out(asCalled(`${usageOf(system, verb)}${shared}`, io));
      return exitOk;
    }
    return await verb.run(rest, io);
  } catch (error) {
    io.err(`${plainLine(asCalled(lineOf(error, all), io))}\n`);
    return isUsage(error, all) ? exitUsage : exitFailed;
  }
}

function lineOf(error: unknown, { words }: Verbs): string {
  if (isAbort(error)) return 'Cancelled.';
  if (error instanceof UsageError) return `invalid_argument: ${error.message}`;
  return error instanceof PilothouseError ? `${error.code}: ${words(error)}` : describeError(error);
}

function isUsage(error: unknown, { usageCodes = [] }: Verbs): boolean {
  return error instanceof UsageError || (error instanceof PilothouseError && (error.code === 'invalid_argument' || usageCodes.includes(error.code)));
}
