import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';
import { plainLine, UsageError } from './io.ts';

export const text = { type: 'string' } as const;
export const flag = { type: 'boolean' } as const;
export const texts = { type: 'string', multiple: true } as const;

/** Options and at most `positionals` other arguments of a command line. Throws UsageError; `hint` says what may be meant by one argument too many. */
export function parsed<const O extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: O, positionals: number, hint = 'Put the prompt in quotes.') {
  try {
    const result = parseArgs({ args: [...args], options, allowPositionals: positionals > 0, strict: true });
    if (result.positionals.length > positionals) throw new UsageError(`There is one argument too many: ${plainLine(result.positionals[positionals] ?? '')}. ${hint}`);
    return result;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(plainLine(error instanceof Error ? error.message : 'The arguments could not be read.'));
  }
}

/** True where `--help` or `-h` stands among the options. */
export function asksForHelp(args: readonly string[]): boolean {
  const own = args.slice(0, args.includes('--') ? args.indexOf('--') : args.length);
  return own.includes('--help') || own.includes('-h');
}
