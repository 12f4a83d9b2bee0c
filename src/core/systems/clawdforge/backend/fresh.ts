import type { CallOptions } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { ForgeSession } from '../session.ts';
import type { ForgeDesk } from './desk.ts';
import { addNotice } from './ledger.ts';
import type { ForgeRecord } from './records.ts';

/** Makes a session of the server, named so that other clients of the token know whose it is. Once: a second one would be another. What failed is judged. */
export async function makeSession(desk: ForgeDesk, agent: string, title: string, more: JsonObject, options: CallOptions): Promise<ForgeSession> {
  try {
    return await desk.forge.createSession({ agent, meta: { caller: 'pilothouse', ...(title === '' ? {} : { name: title }), ...more }, ...options });
  } catch (error) {
    desk.judge(error);
    throw error;
  }
}

/** Another session of the server for one that is closed there. It knows nothing: the next prompt takes along what was said. Gives the notice that says so. */
export async function goOnFresh(desk: ForgeDesk, record: ForgeRecord, options: CallOptions): Promise<readonly Entry[]> {
  const made = await makeSession(desk, record.agent, record.title, { continues: record.id }, options);
  const row = await desk.read(made.sessionId, options).catch(() => null);
  await desk.records.change(record.id, (one) => ({
    forgeId: made.sessionId, past: [...one.past, one.forgeId], stopped: false, counted: 0, doubt: null, carry: one.parts > 0, error: null, folder: row?.cwd ?? one.folder,
  }));
  return addNotice(desk, record.id, {
    name: `fresh:${made.sessionId}`, level: 'info', code: 'fresh_session', text: 'The session before this one is closed on the server: this goes on in a fresh one.',
    remedy: record.parts > 0 ? 'What was said so far goes along with your next prompt.' : null,
  });
}
