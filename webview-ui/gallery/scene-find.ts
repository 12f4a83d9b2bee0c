import { press, seen, write } from './acts.ts';
import type { FakeHost } from './fake.ts';
import { prompt, state, text, thinking, tool, turn } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';
import type { MatchPlace } from '../src/types.ts';

const rows = [
  prompt('Move the invoice totals to the ledger, and keep what the endpoint answers.'),
  thinking('The invoice rounds each line, the report rounds the sum.'),
  tool('execute', 'npm test -- invoice', { output: ' ✓ test/invoice.test.ts (3 tests) 4ms\n ✓ test/report.test.ts (12 tests) 9ms\n' }),
  text('The totals of an **invoice** are rounded twice: `invoice.ts` rounds each line, `report.ts` the sum.\n\n| Module | Rounds |\n|--|--|\n| `invoice.ts` | each line |\n| `report.ts` | the sum |\n\nEach Invoice is an integer of cents from now on.'),
  // A long output, of which the row has both ends.
  tool('execute', 'npm run audit', { output: `${'checked a ledger line\n'.repeat(12)}…\nall invoices agree\n`, outputOmitted: 310_000 }),
  turn({ filesChanged: ['src/invoice.ts'] }),
];

/** The box with words in it, once the host has been asked for them. */
async function looked(host: FakeHost, words: string): Promise<void> {
  await seen('.log > .row');
  host.find();
  // What stands in the box is selected when the box has the focus.
  await seen('.find-text:focus');
  await write('.find-text', words);
}

/** A search as it stands, and the match that it is at. */
function finding(words: string, stands: { readonly total: number; readonly position: number | null; readonly searching?: boolean }, at: { readonly row: number } & Partial<MatchPlace> | null): Scene {
  return () => session(rows, state(), { after: async (host) => {
    await looked(host, words);
    if (at !== null) host.found(at.row, at);
    host.counted(stands.total, stands.position, stands.searching);
    await settle();
  } });
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 250));

export const find: Record<string, Scene> = {
  'find': finding('invoice', { total: 9, position: 5 }, { row: 3, ordinal: 1, of: 4 }),
  'find-none': () => session(rows, state(), { after: async (host) => {
    await looked(host, 'INVOYCE');
    await press('.find-toggle');
    await settle();
    host.counted(0, null);
    await settle();
  } }),
  'find-searching': finding('invoice', { total: 1_204, position: null, searching: true }, { row: 0 }),
  'find-empty': () => session(rows, state(), { after: (host) => looked(host, '') }),
  'find-hidden': finding('rounding', { total: 3, position: 2 }, { row: 4, part: 'output', ordinal: 0, of: 0, hiddenLine: 4_012 }),
};
