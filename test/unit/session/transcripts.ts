import { afterEach } from 'vitest';
import type { DeltaEntry, Entry } from '../../../src/core/model/entry.ts';
import { createTranscript } from '../../../src/core/session/transcript.ts';
import type { RowOp, TranscriptView } from '../../../src/core/session/transcript-api.ts';
import type { Logger } from '../../../src/core/model/context.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { HandClock } from './hand-clock.ts';
import { MemoryStore } from './memory-store.ts';
import { SESSION } from './properties.ts';

export const base = (row: string, order: number, more: object = {}): Pick<Entry, 'id' | 'row' | 'order' | 'rev' | 'at' | 'turn' | 'parent'> => ({ id: row, row, order: [order], rev: 0, at: order, turn: null, parent: null, ...more });
export const text = (row: string, order: number, value: string, more: object = {}): Entry => ({ ...base(row, order), kind: 'text', text: value, ...more });
export const piece = (row: string, order: number, part: number, value: string, channel: DeltaEntry['channel'] = 'text'): DeltaEntry => ({ ...base(row, order), row, kind: 'delta', id: `${row}/${part}`, channel, part, text: value });
export const call = (row: string, order: number, more: object = {}): Entry => ({ ...base(row, order), kind: 'tool', callId: row, name: 'Bash', verb: 'execute', title: 'ls', input: null, command: null, cwd: null, locations: [], diffs: [], ...more });
export const result = (row: string, order: number, output: string, more: object = {}): Entry => ({ ...base(row, order, { id: `${row}/result` }), kind: 'result', callId: row, status: 'ok', output, exitCode: 0, durationMs: 1, diffs: [], attachments: [], ...more });
export const many = (count: number, from = 0): Entry[] => Array.from({ length: count }, (_, index) => text(`row${from + index}`, from + index, `text ${from + index}`));

export interface Bench {
  readonly store: MemoryStore;
  readonly clock: HandClock;
  readonly view: TranscriptView;
  /** Changes since the last look. */
  readonly seen: () => RowOp[];
}
const open: TranscriptView[] = [];
export async function bench(options: { store?: MemoryStore; clock?: HandClock; tailRows?: number; keepRows?: number; keepChars?: number; log?: Logger } = {}): Promise<Bench> {
  const { store = new MemoryStore(), clock = new HandClock(), ...rest } = options;
  const view = await createTranscript({ store, session: SESSION, log: silentLogger, clock, ...rest });
  open.push(view);
  let ops: RowOp[] = [];
  view.onChange((more) => ops.push(...more));
  return { store, clock, view, seen: () => ops.splice(0, ops.length) };
}
afterEach(async () => {
  for (const view of open.splice(0)) await view[Symbol.asyncDispose]();
});
