import { ForgeError } from '../../core/systems/clawdforge/errors.ts';
import { Forge } from '../../core/systems/clawdforge/client.ts';
import { proxyFromEnv } from '../../core/transport/proxy.ts';
import { flag, text } from '../args.ts';
import { untilInterrupted } from '../happy/call.ts';
import type { CliIo } from '../io.ts';
import { exitOk, UsageError } from '../io.ts';

/** Options of every verb. */
export const common = { json: flag, server: text } as const;
interface CommonValues {
  readonly json?: boolean | undefined;
  readonly server?: string | undefined;
}

/** One run of a verb on a server. */
export interface Call {
  readonly io: CliIo;
  readonly forge: Forge;
  readonly json: boolean;
  /** Aborted by Ctrl+C, unless the verb listens to that itself, and when the process is to end. */
  readonly signal: AbortSignal;
}

/** The client of `CLAWDFORGE_URL` (or `--server`) and `CLAWDFORGE_TOKEN`. Throws `credentials_missing`, `invalid_argument`. */
function clientOf(values: CommonValues, { env }: Pick<CliIo, 'env'>): Forge {
  const baseUrl = (values.server ?? env['CLAWDFORGE_URL'] ?? '').trim();
  const token = (env['CLAWDFORGE_TOKEN'] ?? '').trim();
  const missing = [
    ...(baseUrl === '' ? ['CLAWDFORGE_URL in the environment, or give --server: the server\'s address, such as http://192.168.0.5:8800.'] : []),
    ...(token === '' ? ['CLAWDFORGE_TOKEN in the environment: an app token of the server (cf_…).'] : []),
  ];
  if (missing.length > 0) throw new ForgeError('credentials_missing', missing.map((one) => `Set ${one}`).join(' '), { personMustAct: true });
  return new Forge({ baseUrl, token, proxy: () => proxyFromEnv(env) });
}

/** Does a verb's work on the server of the environment, and ends every connection. Gives its exit code, 0 where it gives none; rejects with what failed. */
export function onServer(values: CommonValues, io: CliIo, work: (call: Call) => Promise<number | undefined>): Promise<number> {
  return untilInterrupted(io, async (signal) => {
    await using forge = clientOf(values, io);
    return (await work({ io, forge, json: values.json === true, signal })) ?? exitOk;
  });
}

/** Whole seconds of an option; undefined where it is not given. Throws UsageError. */
export function wholeSeconds(value: string | undefined, option: string): number | undefined {
  if (value === undefined) return undefined;
  if (!/^[1-9]\d{0,6}$/.test(value.trim())) throw new UsageError(`${option} takes a whole number of seconds, not ${JSON.stringify(value)}.`);
  return Number(value);
}
