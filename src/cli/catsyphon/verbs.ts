import { CollectorClient } from '../../core/systems/catsyphon/client.ts';
import { CredentialStore } from '../../core/systems/catsyphon/credentials.ts';
import { CatsyphonNotFoundError, CredentialError } from '../../core/systems/catsyphon/errors.ts';
import { flag, parsed, text } from '../args.ts';
import { interruptible, show } from '../hebing/common.ts';
import type { CliIo } from '../io.ts';
import { asCalled, exitOk, plainLine, UsageError } from '../io.ts';
import { ownVersion } from '../version.ts';
import { common, places, withCollector } from './common.ts';

/** `register`: makes a collector and keeps its key. Where there is one already, only with `--again`: keys cannot be taken back. */
export function register(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, ...places, type: text, hostname: text, again: flag }, 0);
  const serverUrl = values.server ?? io.env['CATSYPHON_URL'] ?? '';
  const workspaceId = values.workspace ?? io.env['CATSYPHON_WORKSPACE_ID'] ?? '';
  if (serverUrl.trim() === '') throw new UsageError('--server is missing: the address of the CatSyphon, such as https://catsyphon.example.org/api.');
  if (workspaceId.trim() === '') throw new UsageError('--workspace is missing: the id of a workspace of that server.');
  return interruptible(io, values, async (call) => {
    const store = new CredentialStore(undefined, io.env);
    const { profile = 'default' } = values;
    const before = values.again === true ? null : await store.get(serverUrl, workspaceId, { profile });
    if (before !== null) {
      throw new CredentialError('already_registered', `${store.path} has collector ${before.collectorId} for this server and workspace already. Use it, give another --profile, or --again makes another one, whose key takes the place of this one's.`);
    }
    await using client = await CollectorClient.register({
      serverUrl, workspaceId, profile, store, env: io.env, allowPlainHttp: values['allow-http'] === true, collectorType: values.type ?? 'pilothouse', collectorVersion: ownVersion(), hostname: values.hostname, signal: call.signal,
    });
    const made = { collectorId: client.collectorId, serverUrl: client.serverUrl, workspaceId, profile, file: store.path };
    show(call, made, `Collector ${plainLine(made.collectorId)} of ${plainLine(made.serverUrl)} is kept in ${plainLine(store.path)} (profile ${plainLine(profile)}).`);
    return exitOk;
  });
}

/** `profiles`: the collectors that the credentials file has, without their keys. */
export function profiles(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, common, 0);
  return interruptible(io, values, async (call) => {
    const all = await new CredentialStore(undefined, io.env).listProfiles();
    const lines = all.map((one) => [one.profile, one.serverUrl, one.workspaceId, one.collectorId, `${one.apiKeyPrefix}…`].map(plainLine).join('\t'));
    show(call, all, all.length === 0 ? asCalled('No collectors. Register one: pilothouse catsyphon register --server URL --workspace ID', io) : lines.join('\n'));
    return exitOk;
  });
}

/** `status`: what the server has of a session. */
export function status(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, ...places }, 1, 'One session is enough.');
  const [session] = positionals;
  if (session === undefined || session.trim() === '') throw new UsageError('The session is missing: its id at CatSyphon.');
  return withCollector(io, values, async (client, call) => {
    const found = await client.getSessionStatus(session, { signal: call.signal }).catch((error: unknown) => {
      if (error instanceof CatsyphonNotFoundError) throw new CatsyphonNotFoundError(404, { detail: `It never got an event of session ${plainLine(session)}.` }, { cause: error });
      throw error;
    });
    const { sessionId, conversationId, status: state, eventCount, firstEventAt, lastEventAt } = found;
    const rows = [['session', sessionId], ['conversation', conversationId], ['status', state], ['events', String(eventCount)], ['first', firstEventAt ?? ''], ['last', lastEventAt ?? '']];
    show(call, found, rows.filter(([, value]) => value !== '').map(([name = '', value = '']) => `${name}\t${plainLine(value)}`).join('\n'));
  });
}
