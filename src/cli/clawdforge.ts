import { describeError, isAbort, PilothouseError } from '../core/model/errors.ts';
import { asksForHelp } from './args.ts';
import { chat } from './clawdforge/chat.ts';
import { close, health, run, sessions, tokens, upload } from './clawdforge/verbs.ts';
import type { CliIo } from './io.ts';
import { asCalled, exitFailed, exitOk, exitUsage, plainLine, UsageError } from './io.ts';

interface Verb {
  readonly usage: string;
  readonly about: string;
  readonly run: (args: readonly string[], io: CliIo) => Promise<number>;
}

const verbs: Readonly<Record<string, Verb>> = {
  health: { run: health, usage: 'health', about: 'Whether the server answers, and which Claude Code it has.' },
  run: {
    run, usage: 'run PROMPT [--model M] [--system TEXT] [--file ff_TOKEN …] [--upload PATH …] [--timeout S]',
    about: 'One prompt without a session (sonnet, 120 s; 5 to 600); PROMPT - is read from stdin. Prints the text, or the JSON that the model answered. It is sent once: each run costs tokens.',
  },
  upload: { run: upload, usage: 'upload PATH [--ttl S] [--name N] [--type T]', about: 'Uploads a file for runs and prints its token; it is kept for an hour, or S seconds (60 to 86400).' },
  sessions: { run: sessions, usage: 'sessions [--open]', about: 'The sessions of the token, newest first.' },
  chat: {
    run: chat, usage: 'chat [--session ID] [--agent A] [--timeout S] [--keep]',
    about: 'Each line of stdin is a turn; Ctrl+C leaves it, /quit ends. A session that was made for it is closed then, unless --keep.',
  },
  close: { run: close, usage: 'close ID', about: 'Closes a session; one that is closed already is fine.' },
  tokens: { run: tokens, usage: 'tokens [list | create NAME [--ip CIDR …] | revoke NAME]', about: 'App tokens, with the admin bootstrap token in CLAWDFORGE_TOKEN. A token itself is printed once, when it is made.' },
};

const shared = `Every verb takes [--json] (one JSON value on stdout; chat prints one a turn) and [--server URL].
Address and token: CLAWDFORGE_URL and CLAWDFORGE_TOKEN.
`;
const usageOf = ({ usage, about }: Verb): string => `pilothouse clawdforge ${usage}\n  ${about}\n`;

export const clawdforgeUsage = `${Object.values(verbs).map(usageOf).join('')}${shared}`;

/** `pilothouse clawdforge …`. Gives the exit code: 0, 1 (failed, with `code: message` on stderr) or 2 (usage). Never rejects. */
export async function runClawdforge(argv: readonly string[], io: CliIo): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    io.err(asCalled(clawdforgeUsage, io));
    return exitUsage;
  }
  if (word === 'help' || word === '--help' || word === '-h') {
    io.out(asCalled(clawdforgeUsage, io));
    return exitOk;
  }
  try {
    const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
    if (verb === undefined) throw new UsageError(`There is no "clawdforge ${plainLine(word)}": use ${Object.keys(verbs).join(', ')}.`);
    if (asksForHelp(rest)) {
      io.out(asCalled(`${usageOf(verb)}${shared}`, io));
      return exitOk;
    }
    return await verb.run(rest, io);
  } catch (error) {
    io.err(`${plainLine(lineOf(error))}\n`);
    return error instanceof UsageError || (error instanceof PilothouseError && error.code === 'invalid_argument') ? exitUsage : exitFailed;
  }
}

function lineOf(error: unknown): string {
  if (isAbort(error)) return 'Cancelled.';
  if (error instanceof UsageError) return `invalid_argument: ${error.message}`;
  return error instanceof PilothouseError ? `${error.code}: ${describeError(error)}` : describeError(error);
}
