import { isJsonObject } from '../../../model/json.ts';
import type { ForgeSessionState } from '../types.ts';
import { timeOf } from '../wire.ts';
import { oneLine } from './outcome.ts';
import type { ForgeRecord } from './records.ts';
import { freshRecord } from './records.ts';

/** A session that only the server knows, as a record of ours: another client of the token made it, or another store of ours. `now` in milliseconds since the epoch. */
export function recordOfRow(row: ForgeSessionState, now: number): ForgeRecord {
  const createdAt = timeOf(row.createdAt) ?? timeOf(row.lastTurnAt) ?? now;
  const title = titleOf(row);
  return {
    ...freshRecord({ id: row.sessionId, agent: row.agent, folder: row.cwd ?? '', title, titleBy: title === '' ? 'nobody' : 'server', createdAt, updatedAt: timeOf(row.lastTurnAt) ?? createdAt }),
    stopped: row.closedAt !== null,
  };
}

/** The name that whoever made it gave it. */
function titleOf({ meta }: ForgeSessionState): string {
  if (!isJsonObject(meta)) return '';
  const named = [meta['name'], meta['title']].find((each) => typeof each === 'string' && each.trim() !== '');
  return typeof named === 'string' ? oneLine(named, 120) : '';
}
