import { PilothouseError } from '../../core/model/errors.ts';
import type { SearchRequest } from '../../core/session/search/wire.ts';
import type { Services } from '../services.ts';

/** What was typed, without what says nothing. */
export function wordOf(text: string): string {
  return text.replaceAll(/["“”\s]+/gu, ' ').trim();
}

/** A search in all sessions that can be opened: those of this window's connections, also of the dormant ones. Throws `search_unavailable` where the store is in memory: no other thread can read it. */
export function requestOf({ fleet, settings, store }: Services, text: string, most: Pick<SearchRequest, 'archived' | 'most' | 'mostOfSession'>): SearchRequest {
  if (store.health.status === 'memory') throw new PilothouseError('search_unavailable', `Stored transcripts can’t be searched in this window (${store.health.reason}). Find in Chat searches an open chat.`);
  return { text, connections: fleet.connections().map(({ connectionId }) => connectionId), thinking: settings.get('chat.thinking') !== 'hidden', ...most };
}
