import type { Entry } from '../../src/core/model/entry.ts';
import { settled } from '../unit/local/codexRig.ts';

/** What both the wire and the file tell of an entry. */
function facts(entry: Entry): unknown {
  if (entry.kind === 'tool') return [entry.kind, entry.id, entry.row, entry.parent, entry.turn, entry.name, entry.verb, entry.title, entry.command, entry.diffs];
  if (entry.kind === 'result') return [entry.kind, entry.id, entry.row, entry.turn, entry.status, entry.output, entry.exitCode];
  if (entry.kind === 'prompt') return [entry.kind, entry.id, entry.row, entry.turn, entry.text, entry.clientId, entry.attachments];
  if (entry.kind === 'text' || entry.kind === 'thinking') return [entry.kind, entry.id, entry.row, entry.turn, entry.text];
  if (entry.kind === 'turn') return [entry.kind, entry.id, entry.row, entry.turn, entry.phase, entry.state, entry.filesChanged, entry.figures];
  return [entry.kind, entry.id, entry.row, entry.turn];
}
/** What both tell of entries, in the order of their ids. */
export const shown = (entries: readonly Entry[]): unknown[] => settled(entries).filter((entry) => entry.kind !== 'usage' && entry.kind !== 'permission' && entry.kind !== 'answer').sort((a, b) => (a.id < b.id ? -1 : 1)).map(facts);
