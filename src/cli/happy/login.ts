import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { renderUnicodeCompact } from 'uqr';
import { describeError } from '../../core/model/errors.ts';
import type { JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import { HappyClient } from '../../core/systems/happy/client.ts';
import type { Credentials } from '../../core/systems/happy/credentials.ts';
import { credentialsFromHome, HAPPY_SERVER, happyHomeOf } from '../../core/systems/happy/credentials.ts';
import { HappyError } from '../../core/systems/happy/errors.ts';
import { serverAddress } from '../../core/transport/http.ts';
import { proxyFromEnv } from '../../core/transport/proxy.ts';
import { parsed, text } from '../args.ts';
import type { CliIo } from '../io.ts';
import { exitOk, plainLine } from '../io.ts';
import { CLIENT, common, secondsOf, show, untilInterrupted } from './call.ts';

/** Signs in by link, and keeps the account's key where Happy's own agent keeps it. */
export async function login(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, timeout: text }, 0);
  const options = secondsOf(values.timeout);
  const allowPlainHttp = values['allow-http'] === true;
  const home = happyHomeOf(io.env);
  const serverUrl = serverAddress(values.server ?? ((io.env['HAPPY_SERVER_URL'] ?? '').trim() || (await serverOfSettings(home)) || HAPPY_SERVER), { allowPlainHttp });
  const file = path.join(home, 'agent.key');
  const standing = await readFile(file, 'utf8').catch(() => null);
  return untilInterrupted(io, async (signal) => {
    const credentials = await HappyClient.login({
      serverUrl, allowPlainHttp, client: CLIENT, proxy: () => proxyFromEnv(io.env), ...options, signal,
      onCode: ({ link }) => io.err([
        `Sign in to Happy on ${plainLine(serverUrl)}`, '',
        '1. Open the Happy app on a device that is signed in to the account.', '2. Choose Settings, Account, Link New Device.', '3. Scan this code, or paste the link below it.', '',
        qrCode(link, io), '', link, '',
        `The account's key will be kept in ${file}, readable by you alone, where Happy's own agent looks for it too.${standing === null ? '' : ' It takes the place of the key that is there.'}`,
        'Waiting. Ctrl+C gives up, and keeps nothing.', '',
      ].join('\n')),
    });
    await save(file, credentials);
    show({ io, json: values.json === true }, { serverUrl, accountId: credentials.accountId, file, reads: credentials.describe() }, `Signed in to ${plainLine(serverUrl)}. ${credentials.describe()}`);
    tellWhatCounts(home, credentials, io);
    return exitOk;
  });
}

/** Light on dark, as a camera wants it, in terminals of any colours; where no person looks, nothing but the blocks. */
function qrCode(link: string, io: CliIo): string {
  const code = renderUnicodeCompact(link, { ecc: 'M', border: 2 });
  return io.interactive && io.env['TERM'] !== 'dumb' ? code.split('\n').map((line) => `\u001B[97;40m${line}\u001B[0m`).join('\n') : code;
}

/** The folder may be Happy's own: only this one file is written, whole or not at all. It also names the server, which Happy's own agent passes over. */
async function save(file: string, { token, secret, serverUrl }: Credentials): Promise<void> {
  const part = `${file}.${process.pid}.part`;
  try {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(part, JSON.stringify({ token, secret, serverUrl }), { mode: 0o600 });
    await chmod(part, 0o600);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw new HappyError('not_saved', `You are signed in, but the key could not be kept in ${file}: ${describeError(error)}`, { personMustAct: true });
  }
}

/** Other credentials that go before the ones that were just made. */
function tellWhatCounts(home: string, made: Credentials, io: CliIo): void {
  const set = ['HAPPY_TOKEN', 'HAPPY_SECRET'].filter((name) => (io.env[name] ?? '').trim() !== '');
  if (set.length > 0) io.err(`${set.join(', ')} of the environment ${set.length === 1 ? 'goes' : 'go'} before this key.\n`);
  try {
    const read = credentialsFromHome({ happyHome: home, serverUrl: made.serverUrl, env: {}, allowPlainHttp: true });
    for (const remark of read.remarks) io.err(`${plainLine(remark)} To use the account you signed in to, move the access.key of that folder away.\n`);
  } catch (error) {
    io.err(`${plainLine(describeError(error))}\n`);
  }
}

async function serverOfSettings(home: string): Promise<string> {
  try {
    const settings = JSON.parse(await readFile(path.join(home, 'settings.json'), 'utf8')) as JsonValue;
    const url = isJsonObject(settings) ? settings['serverUrl'] : null;
    return typeof url === 'string' ? url.trim() : '';
  } catch {
    return '';
  }
}
