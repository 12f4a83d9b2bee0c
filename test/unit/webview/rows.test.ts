import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildItems, GAP_ROWS } from '../../../webview-ui/src/model/items.ts';
import { besideCommand, isStreaming, shownInput } from '../../../webview-ui/src/model/input.ts';
import { noChanges, RowModel } from '../../../webview-ui/src/model/rows.ts';
import type { PatchOp, PermissionRow, Row, ToolRow } from '../../../webview-ui/src/types.ts';

let made = 0;
function text(words: string): Row {
  made += 1;
  return { kind: 'text', key: `t${made}`, at: null, turn: null, text: words, streaming: false };
}
function tool(verb: 'read' | 'search' | 'edit' | 'execute', extra: Partial<ToolRow> = {}): Row {
  made += 1;
  return {
    kind: 'tool', key: `c${made}`, at: null, turn: null, name: verb, verb, title: `${verb} ${made}`, status: 'ok', input: {}, command: null, cwd: null, locations: [], diffs: [], output: '', outputOmitted: 0,
    exitCode: null, durationMs: 100, attachments: [], children: [], ...extra,
  };
}
function thinking(): Row {
  made += 1;
  return { kind: 'thinking', key: `k${made}`, at: null, turn: null, text: 'hm', streaming: false };
}

/** What the host holds, changed by the same operations in the plainest way. */
class Host {
  rows: Row[];
  constructor(rows: Row[]) {
    this.rows = rows;
  }
  apply(op: PatchOp): void {
    if (op.op === 'splice') this.rows.splice(op.at, op.remove, ...op.rows);
    else if (op.op === 'update') this.rows[op.at] = op.row;
    else {
      const row = this.rows[op.at];
      if (row?.kind === 'text') this.rows[op.at] = { ...row, text: row.text + op.text };
    }
  }
}

const step = fc.record({
  what: fc.constantFrom('splice', 'splice', 'update', 'append', 'append', 'fill', 'keep'), at: fc.nat(1_000), remove: fc.nat(4), add: fc.nat(5), words: fc.string({ maxLength: 5 }),
});

describe('the page\'s window onto the rows', () => {
  it('holds, after any patches and pages, what the host holds', () => {
    fc.assert(fc.property(fc.nat(300), fc.nat(60), fc.array(step, { maxLength: 40 }), (size, held, steps) => {
      const host = new Host(Array.from({ length: size }, (_, place) => text(`row ${place}`)));
      const model = new RowModel();
      const start = Math.max(0, size - held);
      model.reset({ generation: 3, total: size, start, rows: host.rows.slice(start) });
      let seq = 0;
      for (const each of steps) {
        const { length } = host.rows;
        if (each.what === 'fill') {
          const from = each.at % (length + 1);
          const rows = host.rows.slice(from, from + each.add * 20);
          expect(model.takePage({ start: from, total: length, generation: 3, rows })).toBe(true);
        } else if (each.what === 'keep') model.keepOnly(each.at % (length + 1), (each.at % (length + 1)) + 30, 10);
        else {
          const at = each.what === 'splice' ? each.at % (length + 1) : each.at % Math.max(1, length);
          const row = host.rows[at];
          let op: PatchOp;
          if (each.what === 'splice') op = { op: 'splice', at, remove: Math.min(each.remove, length - at), rows: Array.from({ length: each.add }, () => text(each.words)) };
          else if (row?.kind !== 'text') continue;
          else if (each.what === 'update') op = { op: 'update', at, row: { ...row, text: each.words } };
          else op = { op: 'append', at, key: row.key, field: 'text', from: row.text.length, text: each.words };
          host.apply(op);
          seq += 1;
          expect(model.apply({ type: 'patch', generation: 3, seq, total: host.rows.length, ops: [op] }, noChanges())).toBeNull();
        }
        expect(model.total).toBe(host.rows.length);
        let before = -1;
        for (const span of model.spans) {
          expect(span.start).toBeGreaterThan(before);
          expect(span.rows).toEqual(host.rows.slice(span.start, span.start + span.rows.length));
          expect(span.rows.length).toBeGreaterThan(0);
          before = span.start + span.rows.length;
        }
      }
      model.takePage({ start: 0, total: host.rows.length, generation: 3, rows: host.rows });
      expect(model.held).toBe(host.rows.length);
      const covered = buildItems(model.spans, model.total, { thinking: 'collapsed' }).filter((item) => item.type === 'gap');
      expect(covered).toEqual([]);
    }), { numRuns: 400 });
  });

  it('asks for a snapshot when a patch is missing, of another row, or does not add up', () => {
    const fresh = (): RowModel => {
      const model = new RowModel();
      model.reset({ generation: 1, total: 3, start: 1, rows: [text('a'), text('b')] });
      return model;
    };
    const key = (model: RowModel): string => model.at(2)?.key ?? '';
    const patch = (model: RowModel, seq: number, total: number, ...ops: PatchOp[]): string | null => model.apply({ type: 'patch', generation: 1, seq, total, ops }, noChanges());
    const gap = fresh();
    expect(patch(gap, 2, 3)).toContain('after 0');
    const other = fresh();
    expect(patch(other, 1, 3, { op: 'append', at: 2, key: 'nobody', field: 'text', from: 1, text: 'x' })).toContain('another row');
    const late = fresh();
    expect(patch(late, 1, 3, { op: 'append', at: 2, key: key(late), field: 'text', from: 4, text: 'x' })).toContain('at 4 to 1');
    const twice = fresh();
    expect(patch(twice, 1, 3, { op: 'append', at: 2, key: key(twice), field: 'text', from: 0, text: 'b' })).toBeNull();
    expect(twice.at(2)).toMatchObject({ text: 'b' });
    const count = fresh();
    expect(patch(count, 1, 7)).toContain('the host has 7');
    const elsewhere = fresh();
    expect(patch(elsewhere, 1, 3, { op: 'update', at: 0, row: text('not here') })).toBeNull();
    expect(elsewhere.at(0)).toBeNull();
    const older = fresh();
    expect(older.apply({ type: 'patch', generation: 0, seq: 9, total: 9, ops: [] }, noChanges())).toBeNull();
  });

  it('refuses a page of another time', () => {
    const model = new RowModel();
    model.reset({ generation: 1, total: 5, start: 4, rows: [text('e')] });
    expect(model.takePage({ start: 0, total: 6, generation: 1, rows: [text('a')] })).toBe(false);
    expect(model.takePage({ start: 0, total: 5, generation: 2, rows: [text('a')] })).toBe(false);
    expect(model.takePage({ start: 0, total: 5, generation: 1, rows: [text('a')] })).toBe(true);
    expect(model.held).toBe(2);
  });
});

it('the first request that waits is known, however much came behind it', () => {
  const asks = (key: string, outcome: 'allowed' | null): Row => ({
    kind: 'permission', key, at: null, turn: null, requestId: key, ask: 'tool', tool: 'Bash', title: 'ls', reason: null, input: null, command: 'ls', cwd: null, diffs: [], plan: null, questions: [], options: [],
    takesReason: false, outcome, answerReason: null, answers: {},
  });
  const model = new RowModel();
  model.reset({ generation: 1, total: 500, start: 300, rows: [text('a'), asks('done', 'allowed'), asks('one', null), ...Array.from({ length: 196 }, () => text('b')), asks('two', null)] });
  expect(model.waiting()[0]).toMatchObject({ key: 'one', index: 302 });
  model.apply({ generation: 1, seq: 1, total: 500, ops: [{ op: 'update', at: 302, row: asks('one', 'allowed') }, { op: 'update', at: 499, row: asks('two', 'allowed') }] } as never, noChanges());
  expect(model.waiting()).toEqual([]);
});

describe('what the list shows', () => {
  it('covers every row once, in order, with gaps for what is not here', () => {
    fc.assert(fc.property(fc.nat(2_000), fc.array(fc.tuple(fc.nat(2_000), fc.nat(50)), { maxLength: 6 }), (total, parts) => {
      const model = new RowModel();
      model.reset({ generation: 0, total, start: 0, rows: [] });
      for (const [start, length] of parts) {
        const count = Math.max(0, Math.min(length, total - start));
        model.takePage({ start, total, generation: 0, rows: Array.from({ length: count }, (_, place) => (place % 3 === 0 ? tool('read') : place % 7 === 0 ? text('x') : tool('search'))) });
      }
      const items = buildItems(model.spans, total, { thinking: 'collapsed' });
      let at = 0;
      for (const item of items) {
        expect(item.index).toBe(at);
        if (item.type === 'gap') expect(item.count).toBeLessThanOrEqual(GAP_ROWS);
        at += item.type === 'gap' ? item.count : item.type === 'group' ? item.rows.length : 1;
      }
      expect(at).toBe(total);
      expect(new Set(items.map((item) => item.key)).size).toBe(items.length);
    }), { numRuns: 300 });
  });

  it('folds quiet tools that follow each other, with the thinking between them, and nothing else', () => {
    const rows = [tool('read'), thinking(), tool('search'), tool('read'), thinking(), text('so'), tool('read'), tool('edit'), tool('search'), tool('read', { status: 'denied' }), tool('execute')];
    const items = buildItems([{ start: 0, rows }], rows.length, { thinking: 'collapsed' });
    expect(items.map((item) => (item.type === 'group' ? item.rows.length : item.type))).toEqual([4, 'row', 'row', 'row', 'row', 'row', 'row', 'row']);
    expect(items[0]?.key).toBe(`group:${rows[0]?.key ?? ''}`);
    const open = buildItems([{ start: 0, rows }], rows.length, { thinking: 'expanded' });
    expect(open.map((item) => (item.type === 'group' ? item.rows.length : item.type)).slice(0, 4)).toEqual(['row', 'row', 2, 'row']);
    const hidden = buildItems([{ start: 0, rows }], rows.length, { thinking: 'hidden' });
    expect(hidden.map((item) => (item.type === 'group' ? item.rows.length : item.type)).slice(0, 2)).toEqual([3, 'row']);
  });
});

describe('a tool whose permission waits', () => {
  const asked = (extra: Partial<PermissionRow> = {}): PermissionRow => ({ key: 'ask', at: 0, turn: null, kind: 'permission', callId: 'c1', requestId: 'q', outcome: null, ...extra }) as PermissionRow;
  const statuses = (...rows: Row[]): unknown[] => buildItems([{ start: 0, rows }], rows.length, { thinking: 'collapsed' }).map((item) => (item.type === 'row' && item.row.kind === 'tool' ? item.row.status : item.type));

  it('has not begun, and no other waits with it', () => {
    const mine = tool('execute', { callId: 'c1', status: 'running' });
    const other = tool('execute', { callId: 'c2', status: 'running' });
    const nameless = tool('execute', { status: 'running' });
    expect(statuses(mine, other, nameless, asked())).toEqual(['waiting', 'running', 'running', 'row']);
    expect(statuses(mine, asked({ outcome: 'allowed' }))).toEqual(['running', 'row']);
    expect(statuses(tool('execute', { callId: 'c1', status: 'ok' }), asked())).toEqual(['ok', 'row']);
    expect(statuses(tool('read', { callId: 'c1', status: 'running' }), tool('read', { callId: 'c2', status: 'running' }), asked())).toEqual(['waiting', 'running', 'row']);
  });

  it('is the same row each time, so that it is drawn once', () => {
    const rows = [tool('execute', { callId: 'c1', status: 'running' }), asked()];
    const [first, second] = [0, 1].map(() => buildItems([{ start: 0, rows }], 2, { thinking: 'collapsed' })[0]);
    expect(first?.type === 'row' && second?.type === 'row' && first.row === second.row).toBe(true);
  });
});

describe('what a tool was called with', () => {
  it('is shown once its JSON is whole, never in pieces', () => {
    const whole = JSON.stringify({ file_path: 'notes/plan.md', content: 'A "plan"\n', list: [1, { deep: null }] });
    for (let length = 1; length <= whole.length; length += 1) {
      const row = { input: whole.slice(0, length), status: 'running' as const };
      expect([isStreaming(row), shownInput(row)]).toEqual([true, null]);
    }
    expect(shownInput({ input: { state: 'open' }, status: 'running' })).toEqual({ state: 'open' });
    expect(shownInput({ input: '*** Begin Patch', status: 'running' })).toBe('*** Begin Patch');
    expect(shownInput({ input: '{ echo hi; }', status: 'ok' })).toBe('{ echo hi; }');
    for (const input of [null, '', {}, []]) expect(shownInput({ input, status: 'running' })).toBeNull();
  });
});

describe('what is asked along with a command', () => {
  const beside = (input: PermissionRow['input'], command: string | null = 'git status') => besideCommand({ command, cwd: '/home/ada', input });

  it('is all that its card does not show otherwise, and that would change what is run', () => {
    const additionalPermissions = { network: { enabled: true } };
    expect(beside({ command: 'git status', cwd: '/home/ada', additionalPermissions })).toEqual({ additionalPermissions });
    expect(beside({ command: 'git status', description: 'Look', timeout: 5, dangerouslyDisableSandbox: true, run_in_background: false })).toEqual({ dangerouslyDisableSandbox: true });
    expect(beside({ command: 'git status', workdir: '/tmp' })).toEqual({ workdir: '/tmp' });
    expect(beside({ command: 'git status', cmd: 'rm -rf ~' })).toEqual({ command: 'git status', cmd: 'rm -rf ~' });
  });

  it('is nothing for most, and for what is no command', () => {
    for (const input of [null, 'git status', ['git'], { command: ['git', 'status'], description: 'Look', cwd: '/home/ada', workdir: '', network: null, cmd: null }]) expect(beside(input)).toBeNull();
    expect(beside({ url: 'https://example.org' }, null)).toBeNull();
  });
});
