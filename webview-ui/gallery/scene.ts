import type { FakeSession } from './fake.ts';
import type { ChatState, Row } from '../src/types.ts';
import { state } from './make.ts';

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
    answer: (body) => (body.ask === 'files' ? { kind: 'files', paths: ['src/report.ts', 'src/invoice.ts', 'test/report.test.ts', 'docs/reports/2026/overview.md'].filter((path) => path.includes(body.query)) } : null),
    ...extra,
  };
}
