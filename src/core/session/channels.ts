import type { DeltaEntry, Entry } from '../model/entry.ts';

export type Channel = DeltaEntry['channel'];

/** Channel whose pieces that entry takes the place of. A tool call whose input is still on its way leaves them be. */
export function endsChannel(entry: Entry): Channel | null {
  switch (entry.kind) {
    case 'text':
    case 'thinking': return entry.kind;
    case 'result': return 'output';
    case 'tool': return entry.stage === 'streaming' ? null : 'input';
    default: return null;
  }
}
