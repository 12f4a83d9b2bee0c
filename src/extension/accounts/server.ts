import { describeError } from '../../core/model/errors.ts';
import { isLoopback, serverAddress } from '../../core/transport/http.ts';
import { oneLine } from '../tree/text.ts';
import type { AskPerson } from './ask.ts';
import type { AccountSystem, Server } from './system.ts';

/** What is wrong with the address of a server, for the person who types it; null where it can be used. `example`: how one of that system reads. */
export function serverProblem(text: string, example: string): string | null {
  try {
    serverAddress(text.trim(), { allowPlainHttp: true, example });
    return null;
  } catch (error) {
    return describeError(error);
  }
}

/** The host of a server as it is read: `api.example.org`, with its port and path where they are its own. */
export function hostOf(serverUrl: string): string {
  return oneLine(serverUrl.replace(/^https?:\/\//, ''), 100);
}

/** True for an address that is not encrypted on its way and not of this computer. */
export function isPlain(serverUrl: string): boolean {
  const { protocol, hostname } = new URL(serverUrl);
  return protocol === 'http:' && !isLoopback(hostname);
}

/** The server by its address; asks once about plain http beyond loopback. Throws Dismissed, and what a bad address brings. */
export async function agreedServer(ask: AskPerson, { inClear, example }: Pick<AccountSystem, 'inClear' | 'example'>, text: string): Promise<Server> {
  const serverUrl = serverAddress(text.trim(), { allowPlainHttp: true, example });
  if (!isPlain(serverUrl)) return { serverUrl, allowPlainHttp: false };
  await ask.confirm(`Use ${hostOf(serverUrl)} over plain http?`, `The way to this server is not encrypted. ${inClear}`, 'Use Plain http');
  return { serverUrl, allowPlainHttp: true };
}
