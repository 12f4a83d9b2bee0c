import { PilothouseError } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { withRuntime } from '../commands/withRuntime.ts';
import type { Services } from '../services.ts';

/** Shows a session's chat, at a row where one is given, or at the top-level row that it is within: also one that only the store has. Rejects with `not_found` where the row is gone; the chat is open then. */
export async function openRow(services: Services, key: SessionKey, row: string | null, options: { readonly beside?: boolean } = {}): Promise<void> {
  const active = services.panels.active();
  const chat = active?.key === key && options.beside !== true ? active : services.panels.open(key, options);
  if (row === null) return;
  await withRuntime(services, key, async ({ transcript }) => {
    const index = await transcript.indexOf(row);
    const found = index === null ? undefined : (await transcript.rows(index, index + 1)).rows[0];
    if (index === null || found === undefined) throw new PilothouseError('not_found', 'This is not in the transcript any more.');
    chat.tell({ type: 'go', index, row: found.key });
  });
}
