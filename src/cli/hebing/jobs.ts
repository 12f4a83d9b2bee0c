import { randomUUID } from 'node:crypto';
import type { JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import { isTerminal } from '../../core/systems/hebing/client.ts';
import { findCredentials } from '../../core/systems/hebing/credentials.ts';
import { HebingError, JobTimeout } from '../../core/systems/hebing/errors.ts';
import type { Job } from '../../core/systems/hebing/wire.ts';
import { isUnanswered } from '../../core/systems/hebing/workerErrors.ts';
import { flag, parsed, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitFailed, exitOk, plainLine, plainText, readAll, UsageError } from '../io.ts';
import { common, interruptible, show, withClient } from './common.ts';

/** `status`: the masked key and the address; with an id, that job. */
export function status(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, common, 1, 'One id is enough.');
  const [id] = positionals;
  if (id === undefined) {
    return interruptible(io, values, (call) => {
      const { masked, baseUrl, source } = findCredentials({ env: io.env, allowPlainHttp: values['allow-http'] === true });
      show(call, { key: masked, baseUrl, source }, `key\t${masked}\naddress\t${plainLine(baseUrl)}\nfrom\t${plainLine(source)}`);
      return Promise.resolve(exitOk);
    });
  }
  if (id.trim() === '') throw new UsageError('The job\'s id is empty.');
  return withClient(io, values, async (client, call) => {
    const job = await client.getJob(id, { signal: call.signal });
    show(call, job, jobText(job));
  });
}

/** `capabilities`: the catalogue. */
export function capabilities(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, common, 0);
  return withClient(io, values, async (client, call) => {
    const all = await client.capabilities({ signal: call.signal });
    const lines = all.map(({ capabilityKey, name, description }) => [capabilityKey, name, description ?? ''].map(plainLine).join('\t').trimEnd());
    show(call, all, all.length === 0 ? 'No capabilities.' : lines.join('\n'));
  });
}

/** `call`: makes a job, and with `--wait` waits for its end; exit code 1 where that is not success. */
export function call(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, input: text, wait: flag, timeout: text, 'idempotency-key': text }, 1, 'The input goes into --input.');
  const [capability] = positionals;
  if (capability === undefined || capability.trim() === '') throw new UsageError('The capability is missing: pilothouse hebing capabilities lists them.');
  if (values.input === undefined) throw new UsageError('--input is missing: the input as a JSON object, or - to read it from stdin.');
  if (values.timeout !== undefined && values.wait !== true) throw new UsageError('--timeout goes with --wait.');
  const timeout = secondsOf(values.timeout);
  const idempotencyKey = values['idempotency-key'] ?? randomUUID();
  // Before a key is looked for, where it can be.
  const given = values.input === '-' ? null : inputOf(values.input);
  return withClient(io, values, async (client, current) => {
    const input = given ?? inputOf(await readAll(io.stdin));
    const made = await client.call(capability.trim(), input, { idempotencyKey, signal: current.signal }).catch((error: unknown) => {
      // A second call without the key would be a second job, and would be paid for.
      const unknown = `It is not known whether the job was made: with --idempotency-key ${idempotencyKey} it is made once.`;
      if (error instanceof HebingError && isUnanswered(error)) throw new HebingError(error.code, `${error.message} ${unknown}`, { cause: error, personMustAct: error.personMustAct });
      if (current.signal.aborted) io.err(`${plainLine(unknown)}\n`);
      throw error;
    });
    if (values.wait !== true) return show(current, made, jobText(made));
    if (!isTerminal(made)) io.err(`${plainLine(made.id)}: ${plainLine(made.status)}\n`);
    const done = await client.wait(made.id, { ...timeout, signal: current.signal }).catch((error: unknown) => {
      // What was begun is found again by its id.
      if (!(error instanceof JobTimeout)) io.err(`Job ${plainLine(made.id)} goes on.\n`);
      throw error;
    });
    show(current, done, jobText(done));
    return done.status === 'succeeded' ? exitOk : exitFailed;
  });
}

function inputOf(given: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(given) as JsonValue;
  } catch {
    throw new UsageError('--input is not valid JSON. Put it in single quotes: --input \'{"text": "hi"}\'.');
  }
  if (!isJsonObject(value)) throw new UsageError('--input is not a JSON object.');
  return value;
}

function secondsOf(value: string | undefined): { readonly timeout?: number } {
  if (value === undefined) return {};
  const timeout = Number(value);
  if (value.trim() === '' || !Number.isFinite(timeout) || timeout <= 0) throw new UsageError(`--timeout takes a number of seconds, not ${JSON.stringify(plainLine(value))}.`);
  return { timeout };
}

function jobText(job: Job): string {
  const part = (name: string, value: JsonValue): string[] => (value === null ? [] : [`${name}\t${plainText(typeof value === 'string' ? value : JSON.stringify(value))}`]);
  return [
    `job\t${plainLine(job.id)}`, `status\t${plainLine(job.status)}`, `capability\t${plainLine(job.capabilityKey)}`, ...part('output', job.output), ...part('error', job.error),
    ...job.artifacts.flatMap((artifact) => part('artifact', artifact)),
  ].join('\n');
}
