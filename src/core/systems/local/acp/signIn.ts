import type { SignInMethod } from '../../../model/backend.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { Remedy } from '../../../model/remedy.ts';
import { inTerminal } from '../terminal.ts';
import type { AgentFacts } from './link.ts';
import { obj, oneLine, str } from './read.ts';

const isTerminal = (method: JsonObject): boolean => method['type'] === 'terminal';
const argsOf = (method: JsonObject): readonly string[] => (Array.isArray(method['args']) ? method['args'].filter((one) => typeof one === 'string') : []);
const envOf = (method: JsonObject): Readonly<Record<string, string>> => Object.fromEntries(Object.entries(obj(method, 'env') ?? {}).filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
const nameOf = (method: JsonObject): string => oneLine(str(method, 'name') ?? str(method, 'id') ?? '', 80);

/** How to sign in, in the agent's own words: the command to run for a method of type `terminal`, else the methods' names. Null where it names none. */
export function signInRemedy(facts: AgentFacts, command: string, args: readonly string[]): Remedy | null {
  const terminal = facts.authMethods.find(isTerminal);
  if (terminal !== undefined) {
    return { text: 'Sign in in a terminal.', command: [command, ...args, ...argsOf(terminal)].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(' ') };
  }
  const names = facts.authMethods.map((one) => {
    const name = nameOf(one);
    const about = oneLine(str(one, 'description') ?? '', 160);
    return about === '' || about === name ? name : `${name} (${about})`;
  }).filter((one) => one !== '');
  return names.length === 0 ? null : { text: `Ways to sign in: ${names.join('; ')}`, command: null };
}

/**
 * The ways to sign in that the agent named (schema v1, `authMethods`): those of type `terminal` are its own program with more arguments in a terminal, and are
 * never given to `authenticate`; the agent carries out the others itself. `file`: absolute path of its program.
 */
export function signInMethods(facts: AgentFacts, file: string, args: readonly string[]): Promise<readonly SignInMethod[]> {
  const methods = facts.authMethods.filter((one) => (str(one, 'id') ?? '') !== '');
  return Promise.all(methods.map(async (one) => ({ id: str(one, 'id') ?? '', name: nameOf(one), terminal: isTerminal(one) ? await inTerminal(file, [...args, ...argsOf(one)], envOf(one)) : null })));
}
