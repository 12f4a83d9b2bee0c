import type { FakeSession } from './fake.ts';
import type { ChatState, Mention, Row } from '../src/types.ts';
import { state } from './make.ts';

const MENTIONS: readonly Mention[] = [
  { kind: 'selection', insert: '@src/report.ts#L12-18 ', label: 'Selection', detail: 'src/report.ts#L12-18' },
  ...['src/report.ts', 'src/invoice.ts', 'test/report.test.ts', 'docs/reports/2026/overview.md'].map((path): Mention => ({ kind: 'file', insert: `@${path} `, label: path.slice(path.lastIndexOf('/') + 1), detail: path.slice(0, path.lastIndexOf('/')) })),
  { kind: 'symbol', insert: '@src/report.ts#L40-61 ', label: 'reportTotals', detail: 'Report · report.ts' },
];

/** A state of the page that the gallery shows. */
export type Scene = () => FakeSession;

/** A session that holds just these rows. */
export function session(rows: readonly Row[], now: ChatState = state(), extra: Partial<FakeSession> = {}): FakeSession {
  return {
    row: (index) => {
      const row = rows[index];
      if (row === undefined) throw new Error(`no row ${index}`);
      return row;
    },
    total: rows.length,
    state: now,
    answer: (body) => (body.ask === 'mentions' ? { kind: 'mentions', mentions: MENTIONS.filter(({ insert }) => insert.includes(body.query)) } : null),
    ...extra,
  };
}
