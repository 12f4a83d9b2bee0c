import { describe, expect, it, vi } from 'vitest';
import { openWay } from '../../../webview-ui/src/find/folds.ts';
import { Jumps } from '../../../webview-ui/src/find/jump.ts';
import { ChatPage } from '../../../webview-ui/src/page.ts';
import type { HostMessage, PageMessage, PageRequest, ReplyValue, Row, ToolRow } from '../../../webview-ui/src/types.ts';

const base = (key: string) => ({ key, at: null, turn: null });
const text = (key: string): Row => ({ ...base(key), kind: 'text', text: key, streaming: false });
const prompt = (key: string): Row => ({ ...base(key), kind: 'prompt', text: `asked ${key}`, attachments: [], clientId: null });
const tool = (key: string, more: Partial<ToolRow> = {}): ToolRow => ({
  ...base(key), kind: 'tool', name: 'Read', verb: 'read', title: key, status: 'ok', input: null, command: null, cwd: null, locations: [], diffs: [], output: 'x', outputOmitted: 0, exitCode: null, durationMs: 1, attachments: [],
  children: [], ...more,
});

/** A page on a session of these rows, of which it has the last `held`; the host answers from all of them. */
function pageOf(rows: readonly Row[], held: number) {
  let tell: (message: HostMessage) => void = () => undefined;
  const asked: PageRequest[] = [];
  let all = rows;
  const answer = (body: PageRequest): ReplyValue => {
    if (body.ask === 'rows') return { kind: 'rows', start: body.start, total: all.length, generation: 1, rows: all.slice(body.start, body.end) };
    if (body.ask === 'place') {
      const index = all.findIndex((row) => row.key === body.row);
      return { kind: 'place', index: Math.max(0, index), row: index < 0 ? null : body.row };
    }
    if (body.ask !== 'prompt') return { kind: 'done', message: null };
    for (let index = body.from + body.step; index >= 0 && index < all.length; index += body.step) {
      const row = all[index];
      if (row?.kind === 'prompt') return { kind: 'place', index, row: row.key };
    }
    return { kind: 'place', index: 0, row: null };
  };
  const post = (message: PageMessage): void => {
    if (message.type !== 'request') return;
    asked.push(message.body);
    queueMicrotask(() => tell({ type: 'reply', request: message.request, ok: true, value: answer(message.body) }));
  };
  const page = new ChatPage({ post, onMessage: (listener) => void (tell = listener), load: () => null, keep: () => undefined });
  const state = { canRun: true, state: 'idle', traits: {} };
  tell({ type: 'snapshot', session: 'k', generation: 1, total: rows.length, start: rows.length - held, rows: rows.slice(rows.length - held), state: state as never, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' });
  return { page, asked, tell: (message: HostMessage) => tell(message), become: (next: readonly Row[]) => void (all = next) };
}

/** A list that only remembers where it was told to stand. */
function listAt(top: { index: number; offset: number }) {
  const stood: { key: string; index: number }[] = [];
  const element = { scrollTop: 0 };
  const list = { element, top: () => ({ key: 'top', ...top }), stand: (anchor: { key: string; index: number }) => void stood.push({ key: anchor.key, index: anchor.index }) };
  return { stood, element, list };
}

describe('the way to a match', () => {
  const opened = (row: Row, path: readonly string[], part: string): string[] => {
    const { page } = pageOf([row], 1);
    const set = vi.spyOn(page, 'setOpen');
    openWay(page, row, { path, part });
    const drawn = set.mock.calls.length > 0 ? 1 : 0;
    expect(page.opens.value).toBe(drawn);
    // What is open is drawn no more.
    const calls = [...set.mock.calls];
    openWay(page, row, { path, part });
    expect(page.opens.value).toBe(drawn);
    return calls.map(([key, open, byDefault]) => `${key} ${String(open)}${byDefault === true ? ' default' : ''}`);
  };
  const diff = { path: 'a', change: 'modify', oldPath: null, patch: '', added: 1, removed: 0, before: null, after: null } as const;

  it('is opened down to what holds it, and no further', () => {
    expect(opened(tool('t'), ['t'], 'output')).toEqual(['t true', 't:output true']);
    expect(opened(tool('t'), ['t'], 'line')).toEqual([]);
    expect(opened(tool('t', { diffs: [diff, diff] }), ['t'], 'diff:1')).toEqual(['t true default', 't:diff:1 true']);
    expect(opened({ ...base('h'), kind: 'thinking', text: 'x', streaming: false }, ['h'], 'text')).toEqual(['h true']);
    expect(opened(prompt('p'), ['p'], 'text')).toEqual(['p:all true']);
    expect(opened(text('a'), ['a'], 'text')).toEqual([]);
    expect(opened({ ...base('e'), kind: 'turn', state: 'failed', durationMs: 1, figures: null, filesChanged: ['a'], error: 'x' }, ['e'], 'files')).toEqual(['e true']);
    expect(opened({ ...base('e'), kind: 'turn', state: 'failed', durationMs: 1, figures: null, filesChanged: ['a'], error: 'x' }, ['e'], 'text')).toEqual([]);
  });

  it('leads through subagents and what is folded within them', () => {
    const agent = tool('agent', { verb: 'agent', children: [text('a'), tool('one'), tool('two'), text('b'), tool('inner', { verb: 'agent', children: [tool('deep')] })] });
    expect(opened(agent, ['agent', 'two'], 'output')).toEqual(['agent true', 'agent:earlier true', 'group:one true', 'two true', 'two:output true']);
    expect(opened(agent, ['agent', 'inner', 'deep'], 'line')).toEqual(['agent true', 'agent:earlier true', 'inner true', 'inner:earlier true']);
    expect(opened(agent, ['agent', 'gone', 'deep'], 'line').slice(2)).toEqual([]);
  });
});

describe('going to a row', () => {
  const rows = Array.from({ length: 1_000 }, (_, index) => (index % 10 === 0 ? prompt(`p${index}`) : text(`r${index}`)));

  it('asks for what is not here, with rows about it', async () => {
    const { page, asked } = pageOf(rows, 200);
    const { stood, list } = listAt({ index: 990, offset: 0 });
    const jumps = new Jumps(page, () => list);
    expect(await jumps.toRow(500, 'p500')).toBe(true);
    expect(asked).toEqual([{ ask: 'rows', start: 460, end: 540 }]);
    expect(stood).toEqual([{ key: 'p500', index: 500 }]);
    expect(page.announcement.value).toBe('Prompt: asked p500');
    expect(await jumps.toRow(900, 'p900')).toBe(true);
    expect(asked).toHaveLength(1);
  });

  it('finds one that moved meanwhile, and says when it is gone', async () => {
    const { page, become, tell } = pageOf(rows, 200);
    const { stood, list } = listAt({ index: 990, offset: 0 });
    const jumps = new Jumps(page, () => list);
    const older = [text('older1'), text('older2'), ...rows];
    become(older);
    tell({ type: 'patch', generation: 1, seq: 1, total: older.length, ops: [{ op: 'splice', at: 0, remove: 0, rows: older.slice(0, 2) }] });
    expect(await jumps.toRow(500, 'p500')).toBe(true);
    expect(stood).toEqual([{ key: 'p500', index: 502 }]);
    expect(await jumps.toRow(500, 'never')).toBe(false);
  });

  it('is ended by the next one', async () => {
    const { page } = pageOf(rows, 200);
    const { stood, list } = listAt({ index: 990, offset: 0 });
    const jumps = new Jumps(page, () => list);
    expect(await Promise.all([jumps.toRow(300, 'p300'), jumps.toRow(400, 'p400')])).toEqual([false, true]);
    expect(stood).toEqual([{ key: 'p400', index: 400 }]);
  });
});

describe('going from prompt to prompt', () => {
  const rows = Array.from({ length: 1_000 }, (_, index) => (index % 300 === 0 ? prompt(`p${index}`) : text(`r${index}`)));
  const from = async (top: { index: number; offset: number }, ...steps: (1 | -1)[]) => {
    const { page, asked } = pageOf(rows, 200);
    const { stood, element, list } = listAt(top);
    const jumps = new Jumps(page, () => list);
    for (const step of steps) await jumps.toPrompt(step);
    return { keys: stood.map((anchor) => anchor.key), asked, element, page, jumps };
  };

  it('goes by the rows that are here, and by the host’s where they are not', async () => {
    expect((await from({ index: 950, offset: 0 }, -1)).keys).toEqual(['p900']);
    const far = await from({ index: 850, offset: 0 }, -1);
    expect(far.keys).toEqual(['p600']);
    expect(far.asked[0]).toEqual({ ask: 'prompt', from: 850, step: -1 });
  });

  it('goes to the prompt that it stands in first, and on from where it went when the view could not follow', async () => {
    expect((await from({ index: 900, offset: 30 }, -1)).keys).toEqual(['p900']);
    expect((await from({ index: 900, offset: 0 }, -1)).keys).toEqual(['p600']);
    expect((await from({ index: 850, offset: 0 }, -1, -1, 1)).keys).toEqual(['p600', 'p300', 'p600']);
  });

  it('says when there is none', async () => {
    const { keys, page } = await from({ index: 950, offset: 0 }, 1);
    expect([keys, page.announcement.value]).toEqual([[], 'No later prompt.']);
  });
});
