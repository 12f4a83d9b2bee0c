import { expect, it } from 'vitest';
import type { UsageNames } from '../../../src/core/fleet/usage.ts';
import { usageCsv, usageFrom, usageReport } from '../../../src/core/fleet/usage.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { UsageRow } from '../../../src/core/session/store-api.ts';
import { ceiling, costNote, dayWords, money, tokens } from '../../../webview-ui/usage/words.ts';
import { sessionRecord } from '../store/support.ts';

const NOW = new Date(2026, 7, 5, 16, 30).getTime();
const sessions = new Map<string, Session>([
  [sessionKey({ connectionId: 'claude', id: 'a' }), sessionRecord('a', { connectionId: 'claude', title: '=HYPERLINK("http://x")' })],
  [sessionKey({ connectionId: 'claude', id: 'b' }), sessionRecord('b', { connectionId: 'claude', title: 'Fees, "weekly"\nand more' })],
  [sessionKey({ connectionId: 'codex', id: 'c' }), sessionRecord('c', { connectionId: 'codex', agent: 'codex', title: '\t-1+1' })],
]);
const names: UsageNames = {
  session: (key) => sessions.get(key) ?? null, title: ({ title }) => title, agent: ({ agent }) => agent, connection: (id) => ({ claude: 'Claude Code', codex: '@Codex' })[id] ?? null,
};
const row = (connectionId: string, id: string, day: string, over: Partial<UsageRow> = {}): UsageRow => ({
  session: sessionKey({ connectionId, id }), day, turns: 1, input: null, output: null, cached: null, written: null, cost: null, costTurns: 0, ...over,
});
const rows = [
  row('claude', 'a', '2026-08-05', { input: 100, output: 10, cached: 60, cost: 0.5, costTurns: 1 }), row('claude', 'a', '2026-08-04', { input: 1, turns: 2 }), row('claude', 'b', '2026-08-04', { input: 50, output: 5 }),
  row('codex', 'c', '2026-07-31', { input: 500, output: 1 }), row('gone', 'd', '2026-08-05', { output: 3 }), row('codex', 'c', '2026-07-29', { input: 9_999 }),
];

it('sums by day, agent, connection and session, every day of the range, what used most first', () => {
  const report = usageReport(rows, names, [], 7, NOW);
  expect(usageFrom(7, NOW)).toBe(new Date(2026, 6, 30).getTime());
  expect(report.days.map(({ day, input, turns }) => [day, input, turns])).toEqual([
    ['2026-07-30', null, 0], ['2026-07-31', 500, 1], ['2026-08-01', null, 0], ['2026-08-02', null, 0], ['2026-08-03', null, 0], ['2026-08-04', 51, 3], ['2026-08-05', 100, 2],
  ]);
  expect(report.total).toEqual({ turns: 6, input: 651, output: 19, cached: 60, written: null, cost: 0.5, costTurns: 1 });
  expect(report.agents.map(({ label, input, cost }) => [label, input, cost])).toEqual([['claude', 151, 0.5], ['codex', 500, null], ['Agent not known', null, null]]);
  expect(report.connections.map(({ label }) => label)).toEqual(['Claude Code', '@Codex', 'Removed connection']);
  expect(report.sessions.map(({ label, detail, opens }) => [label, detail, opens])).toEqual([
    ['=HYPERLINK("http://x")', 'claude · Claude Code', true], ['\t-1+1', 'codex · @Codex', true], ['Fees, "weekly"\nand more', 'claude · Claude Code', true], ['Removed session', 'Removed connection', false],
  ]);
});

it('goes over the change of the clocks by days, not by hours', () => {
  const spring = new Date(2026, 2, 30, 0, 30).getTime();
  expect(usageReport([], names, [], 30, spring).days.map(({ day }) => day)).toEqual(Array.from({ length: 30 }, (_, index) => (index === 0 ? '2026-03-01' : `2026-03-${String(index + 1).padStart(2, '0')}`)));
});

it('is written as RFC 4180 has it, with nothing that a spreadsheet would run', () => {
  const csv = usageCsv(rows.slice(0, 5), names);
  expect(csv.split('\r\n')[0]).toBe('day,agent,connection,session,session_id,turns,input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,cost_usd,turns_with_cost');
  expect(csv).toBe([
    csv.split('\r\n')[0], "2026-07-31,codex,'@Codex,'\t-1+1,c,1,500,,,1,,", `2026-08-04,claude,Claude Code,"'=HYPERLINK(""http://x"")",a,2,1,,,,,`, '2026-08-04,claude,Claude Code,"Fees, ""weekly""\nand more",b,1,50,,,5,,',
    `2026-08-05,claude,Claude Code,"'=HYPERLINK(""http://x"")",a,1,100,60,,10,0.5,1`, '2026-08-05,,,,d,1,,,,3,,', '',
  ].join('\r\n'));
});

it('invents no figure in words either', () => {
  expect([tokens(null), money(null), tokens(0), money(0)]).toEqual(['—', '—', '0', '$0.00']);
  expect(money(0.0123)).toMatch(/^\$0[.,]0123$/);
  const totals = { turns: 40, input: 1, output: 1, cached: null, written: null };
  expect([costNote({ ...totals, cost: 1, costTurns: 12 }), costNote({ ...totals, cost: 1, costTurns: 40 }), costNote({ ...totals, cost: null, costTurns: 0 })]).toEqual(['of 12 of 40 turns', '', '']);
  expect(dayWords('2026-08-05')).toMatch(/5/);
  expect([0, 7, 21, 240, 1_000].map(ceiling)).toEqual([1, 10, 25, 250, 1_000]);
});
