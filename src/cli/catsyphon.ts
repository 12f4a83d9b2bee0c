import { ship } from './catsyphon/ship.ts';
import { profiles, register, status } from './catsyphon/verbs.ts';
import type { CliIo } from './io.ts';
import { runVerbs, usageOfAll } from './verbs.ts';
import type { Verbs } from './verbs.ts';

const collector = '[--server URL] [--workspace ID] [--profile P]';
const verbs: Verbs['verbs'] = {
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
const all: Verbs = {
  system: 'catsyphon', verbs, shared,
  // Without the causes: they say the same in the words of HTTP.
  words: (error) => error.message,
};
export const catsyphonUsage = usageOfAll(all);

/** `pilothouse catsyphon …`, as `runVerbs`. */
export const runCatsyphon = (argv: readonly string[], io: CliIo): Promise<number> => runVerbs(all, argv, io);
