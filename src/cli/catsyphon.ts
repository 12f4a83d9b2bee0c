import { describeError, isAbort, PilothouseError } from '../core/model/errors.ts';
import { asksForHelp } from './args.ts';
import { ship } from './catsyphon/ship.ts';
import { profiles, register, status } from './catsyphon/verbs.ts';
import type { CliIo } from './io.ts';
import { asCalled, exitFailed, exitOk, exitUsage, plainLine, UsageError } from './io.ts';

interface Verb {
  readonly usage: string;
  readonly about: string;
  readonly run: (args: readonly string[], io: CliIo) => Promise<number>;
}

const collector = '[--server URL] [--workspace ID] [--profile P]';
const verbs: Readonly<Record<string, Verb>> = {
  register: {
    run: register, usage: 'register --server URL --workspace ID [--profile P] [--type T] [--hostname H] [--again]',
    about: 'Makes a collector and keeps its key in ~/.catsyphon/credentials.json. It is asked for once, whatever comes of it; where there is one already, --again makes another.',
  },
  profiles: { run: profiles, usage: 'profiles', about: 'The collectors of that file: profile, server, workspace, id and the beginning of the key.' },
  ship: {
    run: ship, usage: `ship FILE --session ID [--outcome success|partial|failed|abandoned] ${collector}`,
    about: 'Sends a session, without what looks like a secret: FILE is JSON lines of events ({"type", "data", "emittedAt"?, "observedAt"?, "eventHash"?}), or a transcript as Claude Code or Codex leave it on disk. A second time nothing is stored twice. --outcome completes the session.',
  },
  status: { run: status, usage: `status SESSION ${collector}`, about: 'What the server has of a session.' },
};

const shared = `Every verb takes [--json] (one JSON value on stdout) and [--allow-http] (plain http beyond this computer).
Collector: CATSYPHON_COLLECTOR_ID and CATSYPHON_API_KEY, else the one of the file that fits. Server and workspace: CATSYPHON_URL, CATSYPHON_WORKSPACE_ID, else those of the file.
`;
const usageOf = ({ usage, about }: Verb): string => `pilothouse catsyphon ${usage}\n  ${about}\n`;

export const catsyphonUsage = `${Object.values(verbs).map(usageOf).join('')}${shared}`;

/** `pilothouse catsyphon …`. Gives the exit code: 0, 1 (failed, with `code: message` on stderr) or 2 (usage). Never rejects. */
export async function runCatsyphon(argv: readonly string[], io: CliIo): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    io.err(asCalled(catsyphonUsage, io));
    return exitUsage;
  }
  if (word === 'help' || word === '--help' || word === '-h') {
    io.out(asCalled(catsyphonUsage, io));
    return exitOk;
  }
  try {
    const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
    if (verb === undefined) throw new UsageError(`There is no "catsyphon ${plainLine(word)}": use ${Object.keys(verbs).join(', ')}.`);
    if (asksForHelp(rest)) {
      io.out(asCalled(`${usageOf(verb)}${shared}`, io));
      return exitOk;
    }
    return await verb.run(rest, io);
  } catch (error) {
    io.err(`${plainLine(asCalled(lineOf(error), io))}\n`);
    return error instanceof UsageError || (error instanceof PilothouseError && error.code === 'invalid_argument') ? exitUsage : exitFailed;
  }
}

function lineOf(error: unknown): string {
  if (isAbort(error)) return 'Cancelled.';
  if (error instanceof UsageError) return `invalid_argument: ${error.message}`;
  // Without the causes: they say the same in the words of HTTP.
  return error instanceof PilothouseError ? `${error.code}: ${error.message}` : describeError(error);
}
