import { describeError, type PilothouseError } from '../core/model/errors.ts';
import { interrupt, metadata, remove, rename, runTask, send, spawn, stop, wait } from './happy/act.ts';
import { answer } from './happy/answer.ts';
import { login } from './happy/login.ts';
import { alive, get, machines, messages, sessions } from './happy/look.ts';
import type { CliIo } from './io.ts';
import { runVerbs, usageOfAll } from './verbs.ts';
import type { Verbs } from './verbs.ts';

const verbs: Verbs['verbs'] = {
  login: { run: login, usage: 'login [--timeout S]', about: 'Signs in by a link and a QR code, which the Happy app confirms, and keeps the key in agent.key of ~/.happy (HAPPY_HOME_DIR).' },
  machines: { run: machines, usage: 'machines [--active]', about: 'The machines of the account.' },
  sessions: { run: sessions, usage: 'sessions [--active]', about: 'All sessions of the account, newest first.' },
  get: { run: get, usage: 'get ID', about: 'One session, with what waits for an answer in it.' },
  alive: { run: alive, usage: 'alive ID', about: 'Whether its process was seen of late.' },
  spawn: { run: spawn, usage: 'spawn --machine M --directory D [--agent A] [--create-dir] [--name N]', about: 'Starts an agent (claude by default) on a machine and prints the session\'s id. M is an id or a host name.' },
  send: { run: send, usage: 'send ID TEXT [--permission-mode M] [--wait] [--timeout S]', about: 'Sends a prompt; TEXT - is read from stdin. --wait prints what the agent says until its turn ends (300 s).' },
  messages: { run: messages, usage: 'messages ID', about: 'The whole conversation.' },
  metadata: { run: metadata, usage: 'metadata ID [KEY=VALUE …] [--set JSON]', about: 'The session\'s metadata, after a change of the named keys (texts, or what --set holds); all others stay.' },
  rename: { run: rename, usage: 'rename ID NAME', about: 'Names the session, as Happy\'s apps show it.' },
  interrupt: { run: interrupt, usage: 'interrupt ID', about: 'Ends the running turn.' },
  answer: { run: answer, usage: 'answer ID REQUEST allow|allow-session|deny [--reason R] [--answer Q=A …]', about: 'Answers what an agent asks. Q is the number, head or text of a question, A an option or any text.' },
  stop: { run: stop, usage: 'stop ID', about: 'Ends the session\'s process and makes sure that it is dead.' },
  delete: { run: remove, usage: 'delete ID [--yes] [--unconfirmed]', about: 'Stops the session and deletes it from the account; with --unconfirmed also where its machine is away.' },
  wait: { run: wait, usage: 'wait ID [--idle] [--timeout S]', about: 'Waits until the last prompt is worked off, or (--idle) until it waits for a prompt (300 s).' },
  'run-task': {
    run: runTask, usage: 'run-task --machine M --directory D PROMPT [--agent A] [--create-dir] [--name N] [--permission-mode M] [--timeout S]',
    about: 'Starts an agent, sends, waits (600 s), prints what it said and stops it, whatever happens. Without --permission-mode it asks nothing (yolo). PROMPT - is read from stdin.',
  },
};

const shared = `Every verb takes [--json] (one JSON value on stdout), [--server URL] and [--allow-http] (plain http beyond this computer). An ID may be the beginning of one; -- goes before a text that begins with -.
Credentials: HAPPY_TOKEN, HAPPY_SECRET and HAPPY_SERVER_URL, else access.key and agent.key of ~/.happy (HAPPY_HOME_DIR).
`;
/** What the core says is for an editor too: here one of its ways is this command. */
function words(error: PilothouseError): string {
  const said = describeError(error).replaceAll('Sign in by link, or run: happy auth login', 'Run: pilothouse happy login');
  const told = said.includes('pilothouse happy login') || (error.code !== 'credentials_missing' && error.code !== 'authentication_failed');
  return told ? said : `${said} (here: pilothouse happy login)`;
}

const all: Verbs = {
  system: 'happy', verbs, shared,
  words, usageCodes: ['ambiguous_id'],
};
export const happyUsage = usageOfAll(all);

/** `pilothouse happy …`, as `runVerbs`. */
export const runHappy = (argv: readonly string[], io: CliIo): Promise<number> => runVerbs(all, argv, io);
