import type { ConnectionSpec } from '../core/fleet/connection.ts';
import type { Logger } from '../core/model/context.ts';
import { describeError } from '../core/model/errors.ts';
import { isLoopback } from '../core/transport/http.ts';

/** `npm start` names the folder with the key of its demo fleet in this variable, for the VS Code that it opens alone. */
const VARIABLE = 'PILOTHOUSE_DEMO_FLEET';

/**
 * The connection of the demo fleet that `npm start` runs beside this VS Code: a Happy account on loopback, made up and gone with it, so that nothing of it is
 * kept. None where nobody named one, where it has ended, and for a server beyond this computer. What Happy needs is loaded only for one. Never rejects.
 */
export async function demoFleet(env: NodeJS.ProcessEnv, log: Logger): Promise<readonly ConnectionSpec[]> {
  const folder = (env[VARIABLE] ?? '').trim();
  if (folder === '') return [];
  try {
    const { credentialsFromHome, happyConnection } = await import('../core/systems/happy/index.ts');
    const credentials = credentialsFromHome({ happyHome: folder, env: {} });
    const { serverUrl } = credentials;
    if (!isLoopback(new URL(serverUrl).hostname)) throw new Error('its server is not of this computer');
    return [happyConnection({ connectionId: 'demo-fleet', name: 'Demo Fleet', serverUrl, credentials, allowPlainHttp: false, client: 'pilothouse-vscode/0' })];
  } catch (error) {
    log.warn('the demo fleet was left out', { error: describeError(error) });
    return [];
  }
}
