import { parsed } from './args.ts';
import { common } from './hebing/common.ts';
import { connect, disconnect } from './hebing/connect.ts';
import { call, capabilities, status } from './hebing/jobs.ts';
import { mcpServer } from './hebing/mcpServer.ts';
import { worker } from './hebing/worker.ts';
import type { CliIo } from './io.ts';
import { exitOk } from './io.ts';
import { runVerbs, usageOfAll } from './verbs.ts';
import type { Verbs } from './verbs.ts';
import { ownVersion } from './version.ts';

const verbs: Verbs['verbs'] = {
  connect: {
    run: connect, usage: 'connect [--api-key K] [--yes] [--dry-run] [--target PATH] [--base-url URL]',
    about: 'Keeps a key in ~/.chaojiyuyan/credentials, K (- reads it from stdin) or one of a sign-in in the browser, and writes mcpServers.chaojiyuyan into ~/.claude/mcp.json, or into PATH such as ~/.claude.json, which Claude Code reads. Shows the change and asks, unless --yes; --dry-run only shows it.',
  },
  disconnect: { run: disconnect, usage: 'disconnect [--target PATH]', about: 'Deletes the credentials file and takes mcpServers.chaojiyuyan, and nothing else, out of ~/.claude/mcp.json and ~/.claude.json, or out of PATH.' },
  status: { run: status, usage: 'status [JOB]', about: 'The masked key and the address; with an id, that job.' },
  capabilities: { run: capabilities, usage: 'capabilities', about: 'What can be called.' },
  call: {
    run: call, usage: 'call CAP --input JSON [--wait] [--timeout S] [--idempotency-key K]',
    about: 'Makes a job; JSON - is read from stdin. --wait waits until it ends (300 s); exit code 1 where that is not success. Calls with the same K are one job.',
  },
  worker: {
    run: worker, usage: 'worker CAP [--exec CMD] [--once] [--yes]',
    about: 'Takes jobs of a capability until Ctrl+C, or with --once those that one look finds; asks before it starts. CMD runs without a shell (white space parts its words; quotes hold them together, a backslash takes the next character as it is): it gets the task as JSON on stdin, prints the output as JSON, and is ended when the job is lost. Without it the text is echoed.',
  },
  'mcp-server': { run: (args, io) => mcpServer(args, io, ownVersion()), usage: 'mcp-server', about: 'hebing\'s tools for an MCP client, on stdin and stdout.' },
  version: { run: version, usage: 'version', about: 'The version of this command.' },
};

const shared = `Every verb takes [--json] (one JSON value on stdout) and [--allow-http] (plain http beyond this computer).
Key: CHAOJIYUYAN_API_KEY, HEBING_API_KEY or NEXUS_API_KEY, else ~/.chaojiyuyan/credentials. Address: HEBING_BASE_URL, else that of the file.
`;
const all: Verbs = {
  system: 'hebing', verbs, shared,
  // Without the causes: they say the same in the words of HTTP.
  words: (error) => error.message,
};
export const hebingUsage = usageOfAll(all);

/** `pilothouse hebing …`, as `runVerbs`. */
export const runHebing = (argv: readonly string[], io: CliIo): Promise<number> => runVerbs(all, argv, io);

function version(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, common, 0);
  io.out(values.json === true ? `${JSON.stringify({ version: ownVersion() })}\n` : `${ownVersion()}\n`);
  return Promise.resolve(exitOk);
}
