import type { CommandName } from '../contributions.ts';
import { Groups } from '../search/groups.ts';
import { resultsText } from '../search/documents.ts';
import { copyLink } from '../search/links.ts';
import { openRow } from '../search/openRow.ts';
import { SearchPicker } from '../search/picker.ts';
import { requestOf } from '../search/request.ts';
import type { Services } from '../services.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { sessionFor } from './pick.ts';
import { cancellable } from './progress.ts';

/** Rows that the document holds of one session, and of all. */
const MOST_OF_SESSION = 1_000;
const MOST = 10_000;

async function searchSessions(services: Services, target: unknown): Promise<void> {
  const text = typeof target === 'object' && target !== null && 'text' in target && typeof target.text === 'string' ? target.text : '';
  const picker = new SearchPicker(services, text);
  let chosen;
  try {
    chosen = await picker.choose();
  } finally {
    picker.dispose();
  }
  if (chosen === null) throw new Dismissed();
  if ('open' in chosen) await openRow(services, chosen.open, chosen.row);
  else await showAll(services, chosen.all, chosen.archived);
}

/** Shows everything that is found as a document; what was found until then, where the person does not wait. */
async function showAll(services: Services, text: string, archived: boolean): Promise<void> {
  const groups = new Groups(services.fleet, MOST_OF_SESSION);
  const note = await cancellable('Searching all sessions', async (signal, report) => {
    try {
      for await (const update of services.search.search(requestOf(services, text, { archived, mostOfSession: MOST_OF_SESSION, most: MOST }), signal)) {
        groups.take(update);
        report(`${update.done.toLocaleString()} of ${update.all.toLocaleString()}, ${groups.rows.toLocaleString()} found`);
        if (update.ended === 'full') return `These are the first ${MOST.toLocaleString()}: more words find less.`;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      return 'The search was ended before it was through.';
    }
    return '';
  });
  await services.searchDocuments.show(resultsText(text, [...groups.groups.values()], note));
}

export const searchCommands = {
  searchSessions,
  copySessionLink: async (services, target) => {
    const { key } = await sessionFor(services, target, 'Copy a link to which session?');
    await copyLink(services, key, null);
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
