import { describeError, PilothouseError } from '../../core/model/errors.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { JsonValue } from '../../core/model/json.ts';
import { Worker } from '../../core/systems/hebing/worker.ts';
import type { JobHandler } from '../../core/systems/hebing/workLoop.ts';
import { flag, parsed, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitOk, LineReader, plainLine, UsageError } from '../io.ts';
import { commandOf, runCommand } from './exec.ts';

const options = { json: flag, 'allow-http': flag, exec: text, once: flag, yes: flag } as const;

/** `pilothouse hebing worker CAP`: takes jobs of a capability until Ctrl+C, which lets the one under way end; a second one gives it up. Asks before it starts, unless `--yes` says so. */
export async function worker(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, options, 1, 'A command goes in quotes: --exec "…".');
  const capabilityKey = (positionals[0] ?? '').trim();
  if (capabilityKey === '') throw new UsageError('The capability is missing.');
  const command = values.exec === undefined ? null : await commandOf(values.exec, io);
  if (values.yes !== true && !io.interactive) throw new UsageError('A worker takes jobs of others and holds them: say that it may with --yes.');
  await using own = Worker.fromEnv({ env: io.env, allowPlainHttp: values['allow-http'] === true });
  const what = command === null ? 'the built-in echo' : [command.program, ...command.args].join(' ');
  if (values.yes !== true && !(await agreed(io, `Take jobs of ${plainLine(capabilityKey)} from ${own.baseUrl} and answer them with ${plainLine(what)}? [y/N] `))) {
    io.err('Nothing was started.\n');
    return exitOk;
  }
  const handle: JobHandler = command === null ? ({ input }) => echo(input) : (task, { signal }) => runCommand(command, task, io, signal);
  own.handler(capabilityKey, (task, call) => {
    io.err(`${plainLine(task.jobId)}: begun\n`);
    return handle(task, call);
  });
  const interrupts = io.onInterrupt(() => {
    io.err('No more jobs are taken. Ctrl+C again gives up the one under way.\n');
    own.stop();
  });
  try {
    io.err(`Waiting for jobs of ${plainLine(capabilityKey)} at ${own.baseUrl}. Ctrl+C ends it.\n`);
    await own.run({
      once: values.once === true, signal: io.ending,
      onError: (error, job) => io.err(`${plainLine(`${job === null ? 'poll' : job.jobId}: ${error instanceof PilothouseError ? `${error.code}: ` : ''}${describeError(error)}`)}\n`),
      onSubmitted: ({ jobId, capabilityKey: key }, answer) => io.out(values.json === true ? `${JSON.stringify({ jobId, capabilityKey: key, answer })}\n` : `${plainLine(jobId)}: submitted\n`),
    });
    return exitOk;
  } finally {
    interrupts.dispose();
  }
}

/** The source's demo: `{"echo": <the input's text>}`. */
function echo(input: JsonValue): JsonValue {
  return { echo: (isJsonObject(input) ? input['text'] : undefined) ?? '' };
}

async function agreed(io: CliIo, question: string): Promise<boolean> {
  const lines = new LineReader(io.stdin);
  try {
    io.err(question);
    return /^y(?:es)?$/i.test((await lines.next(io.ending))?.trim() ?? '');
  } finally {
    lines.close();
  }
}
