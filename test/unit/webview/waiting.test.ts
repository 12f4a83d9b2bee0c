import { describe, expect, it } from 'vitest';
import { buildItems } from '../../../webview-ui/src/model/items.ts';
import { aboveWords, elsewhere, waitingAbove } from '../../../webview-ui/src/model/waiting.ts';
import { ChatPage } from '../../../webview-ui/src/page.ts';
import type { HostMessage, PermissionRow, Row, ToolRow } from '../../../webview-ui/src/types.ts';

const base = (key: string) => ({ key, at: null, turn: null });
const text = (key: string): Row => ({ ...base(key), kind: 'text', text: key, streaming: false });
const ask = (key: string, outcome: PermissionRow['outcome'] = null): PermissionRow => ({
  ...base(key), kind: 'permission', requestId: `id ${key}`, ask: 'tool', tool: 'Bash', title: 'ls', reason: null, input: null, command: 'ls', cwd: null, diffs: [], plan: null, questions: [], options: [], takesReason: false, outcome,
  answerReason: null, answers: {},
});
const agent = (key: string, children: readonly Row[]): ToolRow => ({
  ...base(key), kind: 'tool', name: 'Task', verb: 'agent', title: key, status: 'running', input: null, command: null, cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0, exitCode: null, durationMs: null, attachments: [], children,
});
const request = (id: string) => ({ requestId: id, ask: 'tool' as const });

describe('what waits where the page has no row of it', () => {
  it('is all that has none, neither open nor answered, nor within another', () => {
    const spans = [{ start: 0, rows: [text('a'), ask('b')] }, { start: 90, rows: [agent('c', [agent('d', [ask('e')])]), ask('f', 'allowed')] }];
    expect(elsewhere(['id b', 'id far', 'id e', 'id f'].map(request), spans)).toEqual(['id far']);
    expect(elsewhere([], spans)).toEqual([]);
  });

  it('is above somebody at the end, with what stands before the row at the top', () => {
    const here = [{ index: 3, requestId: 'x' }, { index: 40, requestId: 'y' }];
    expect(waitingAbove(here, ['far'], 40, true)).toEqual(['far', 'x']);
    expect(waitingAbove(here, ['far'], 3, false)).toEqual([]);
    expect([1, 3].map(aboveWords)).toEqual(['Waiting for you above', '3 waiting for you above']);
  });

  it('is known from the snapshot on, and no longer once its row was fetched or it was answered', async () => {
    let tell: (message: HostMessage) => void = () => undefined;
    const all = [ask('first'), ...Array.from({ length: 400 }, (_, place) => text(`t${place}`))];
    const page = new ChatPage({ post: () => undefined, onMessage: (listener) => void (tell = listener), load: () => null, keep: () => undefined });
    const waiting = [request('id first')];
    tell({ type: 'snapshot', session: 'k', generation: 1, total: 401, start: 201, rows: all.slice(201), state: { canRun: true, state: 'waiting', traits: {}, problem: null, usage: null, waiting } as never, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' });
    expect([page.elsewhere.value, page.asking.value]).toEqual([['id first'], []]);
    page.rows.takePage({ start: 0, total: 401, generation: 1, rows: all.slice(0, 100) });
    expect([page.elsewhere.value, page.asking.value]).toEqual([[], ['id first']]);
    page.rows.keepOnly(300, 401, 100);
    expect([page.elsewhere.value, page.asking.value]).toEqual([['id first'], []]);
    tell({ type: 'state', generation: 1, state: { waiting: [] } });
    expect(page.elsewhere.value).toEqual([]);
  });
});

describe('a tool that waits for a permission', () => {
  const items = (rows: readonly Row[]): Row[] => buildItems([{ start: 0, rows }], rows.length, { thinking: 'collapsed' }).flatMap((item) => (item.type === 'row' ? [item.row] : []));
  const called = (key: string, callId: string, children: readonly Row[] = []): ToolRow => ({ ...agent(key, children), callId });
  const statuses = (row: Row | undefined): readonly string[] => (row?.kind === 'tool' ? [row.status, ...row.children.flatMap(statuses)] : []);

  it('says so also within a subagent whose permission stands beside it, and is the same row each time', () => {
    const rows = [called('task', 'c1', [called('inner', 'c2'), called('other', 'c3')]), { ...ask('p'), callId: 'c2' }];
    const [first] = items(rows);
    expect(statuses(first)).toEqual(['running', 'waiting', 'running']);
    expect(items(rows)[0]).toBe(first);
    const [answered] = items([rows[0] ?? text(''), { ...ask('p', 'allowed'), callId: 'c2' }]);
    expect(answered).toBe(rows[0]);
  });
});
