import * as vscode from 'vscode';
import type { SessionKey } from '../../core/model/session.ts';
import { parseSessionKey, sessionKey } from '../../core/model/session.ts';
import { describeError, PilothouseError } from '../../core/model/errors.ts';
import type { Services } from '../services.ts';
import { failureText } from '../tree/text.ts';
import { openRow } from './openRow.ts';

const PATH = '/session';

/** A link that opens a session's chat in a VS Code of this person, at a row where one is given. It holds ids and nothing of what was said. */
function linkTo(extension: string, key: SessionKey, row: string | null): vscode.Uri {
  const session = parseSessionKey(key) ?? { connectionId: '', id: key };
  const query = new URLSearchParams({ connection: session.connectionId, session: session.id, ...(row === null ? {} : { row }) });
  return vscode.Uri.from({ scheme: vscode.env.uriScheme, authority: extension, path: PATH, query: query.toString() });
}

/** Copies it. */
export async function copyLink(services: Services, key: SessionKey, row: string | null): Promise<void> {
  await vscode.env.clipboard.writeText(linkTo(services.extensionId, key, row).toString());
  vscode.window.setStatusBarMessage('Pilothouse: link copied', 3_000);
}

/** Opens what links name. It shows a chat and does nothing else, so that nobody has to be asked; a session that is not known is told. */
export function openLinks(services: Services): vscode.Disposable {
  return vscode.window.registerUriHandler({
    handleUri: async (uri) => {
      try {
        await services.ready;
        await open(services, uri);
      } catch (error) {
        services.log.warn('a link could not be opened', { error: describeError(error) });
        void vscode.window.showErrorMessage(failureText(error));
      }
    },
  });
}

async function open(services: Services, uri: vscode.Uri): Promise<void> {
  const query = new URLSearchParams(uri.query);
  const [connectionId, id] = [query.get('connection'), query.get('session')];
  if (uri.path !== PATH || connectionId === null || id === null) throw new PilothouseError('bad_link', 'This link is none of a session. Copy it again with Copy Session Link.');
  const key = sessionKey({ connectionId, id });
  if (services.fleet.session(key) === null) throw new PilothouseError('session_not_found', 'The session of this link is not known here. Add the connection that it is of, or open the link where it was copied.');
  await openRow(services, key, query.get('row'));
}
