import { describeError } from '../core/model/errors.ts';
import { chat } from './clawdforge/chat.ts';
import { close, health, run, sessions, tokens, upload } from './clawdforge/verbs.ts';
import type { CliIo } from './io.ts';
import { runVerbs, usageOfAll } from './verbs.ts';
import type { Verbs } from './verbs.ts';

const verbs: Verbs['verbs'] = {
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
const all: Verbs = {
  system: 'clawdforge', verbs, shared,
  words: describeError,
};
export const clawdforgeUsage = usageOfAll(all);

/** `pilothouse clawdforge …`, as `runVerbs`. */
export const runClawdforge = (argv: readonly string[], io: CliIo): Promise<number> => runVerbs(all, argv, io);
