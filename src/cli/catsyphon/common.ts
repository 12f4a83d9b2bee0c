import { CollectorClient } from '../../core/systems/catsyphon/client.ts';
import { CredentialStore } from '../../core/systems/catsyphon/credentials.ts';
import { CredentialError } from '../../core/systems/catsyphon/errors.ts';
import { CATSYPHON_URL } from '../../core/systems/catsyphon/paths.ts';
import { flag, text } from '../args.ts';
import type { HebingCall } from '../hebing/common.ts';
import { interruptible } from '../hebing/common.ts';
import type { CliIo } from '../io.ts';
import { exitOk, UsageError } from '../io.ts';

/** Options of every verb. */
export const common = { json: flag, 'allow-http': flag } as const;
/** Those that say which collector. */
export const places = { server: text, workspace: text, profile: text } as const;
interface Values {
  readonly json?: boolean | undefined;
  readonly 'allow-http'?: boolean | undefined;
  readonly server?: string | undefined;
  readonly workspace?: string | undefined;
  readonly profile?: string | undefined;
}

/** Does a verb's work as the collector of this computer. Gives the exit code that it gives, 0 where it gives none. */
export function withCollector(io: CliIo, values: Values, work: (client: CollectorClient, call: HebingCall) => Promise<number | void>): Promise<number> {
  return interruptible(io, values, async (call) => {
    await using client = await collectorOf(io, values);
    return (await work(client, call)) ?? exitOk;
  });
}

/** The collector that the environment names, else the one of the credentials file that fits what is given. */
async function collectorOf(io: CliIo, values: Values): Promise<CollectorClient> {
  const { env } = io;
  const set = (name: string): string | undefined => ((env[name] ?? '').trim() === '' ? undefined : env[name]);
  const [collectorId, apiKey] = [set('CATSYPHON_COLLECTOR_ID'), set('CATSYPHON_API_KEY')];
  const shared = { env, allowPlainHttp: values['allow-http'] === true };
  const serverUrl = values.server ?? set('CATSYPHON_URL');
  if (collectorId !== undefined && apiKey !== undefined) return new CollectorClient({ ...shared, serverUrl: serverUrl ?? CATSYPHON_URL, collectorId, apiKey });
  if (collectorId !== undefined || apiKey !== undefined) {
    throw new CredentialError('credentials_missing', `CATSYPHON_COLLECTOR_ID and CATSYPHON_API_KEY go together: ${collectorId === undefined ? 'the first' : 'the second'} is not set.`);
  }
  const store = new CredentialStore(undefined, env);
  const workspaceId = values.workspace ?? set('CATSYPHON_WORKSPACE_ID');
  if (serverUrl !== undefined && workspaceId !== undefined) return CollectorClient.fromStored({ ...shared, serverUrl, workspaceId, profile: values.profile, store });
  const fitting = (await store.listProfiles()).filter((one) => (
    (serverUrl === undefined || one.serverUrl.replace(/\/+$/, '') === serverUrl.trim().replace(/\/+$/, '')) && (workspaceId === undefined || one.workspaceId === workspaceId) && (values.profile === undefined || one.profile === values.profile)
  ));
  const [found, ...more] = fitting;
  if (found === undefined) throw new CredentialError('credentials_missing', `${store.path} has no collector that fits, and CATSYPHON_COLLECTOR_ID is not set. Register one: pilothouse catsyphon register --server URL --workspace ID`);
  if (more.length > 0) throw new UsageError(`${store.path} has ${fitting.length} collectors that fit: say which with --server, --workspace and --profile. pilothouse catsyphon profiles lists them.`);
  return new CollectorClient({ ...shared, serverUrl: found.serverUrl, collectorId: found.collectorId, apiKey: found.apiKey });
}
