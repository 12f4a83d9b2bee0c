import type { SignInMethod } from '../../model/backend.ts';
import { launchOf } from './executable.ts';

/** What a terminal runs for a program: `file` is its absolute path; `env` is added to the terminal's own environment. */
export async function inTerminal(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<NonNullable<SignInMethod['terminal']>> {
  const { command, prefix } = await launchOf(file);
  return { program: command, args: [...prefix, ...args], env };
}
