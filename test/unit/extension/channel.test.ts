import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Row, TextRow } from '../../../src/core/model/row.ts';
import type { RowOp, TranscriptView } from '../../../src/core/session/transcript-api.ts';
import { ChatChannel } from '../../../src/extension/chat/channel.ts';
import type { ChatState, HostMessage } from '../../../src/protocol/chat.ts';

const row = (key: string, text = ''): TextRow => ({ kind: 'text', key, at: null, turn: null, text, streaming: false });

/** A transcript whose rows and changes the test makes by hand. */
class FakeTranscript implements TranscriptView {
  rowsNow: Row[] = [];
  before = 0;
  private listener: ((ops: readonly RowOp[]) => void) | null = null;
  get total(): number { return this.before + this.rowsNow.length; }
  get start(): number { return this.before; }
  get tail(): readonly Row[] { return this.rowsNow; }
  add(): void { throw new Error('not used here'); }
  rows(): Promise<never> { return Promise.reject(new Error('not used here')); }
  row(): Promise<null> { return Promise.resolve(null); }
  indexOf(): Promise<null> { return Promise.resolve(null); }
  output(): Promise<null> { return Promise.resolve(null); }
  callId(): Promise<null> { return Promise.resolve(null); }
  onChange(listener: (ops: readonly RowOp[]) => void) {
    this.listener = listener;
    return { dispose: () => { this.listener = null; } };
  }
  fire(...ops: RowOp[]): void { this.listener?.(ops); }
  flush(): Promise<void> { return Promise.resolve(); }
  [Symbol.asyncDispose](): Promise<void> { return Promise.resolve(); }
}

function rig() {
  const transcript = new FakeTranscript();
  const posted: HostMessage[] = [];
  let title = 'one';
  const channel = new ChatChannel({
    session: 'k', transcript, draft: () => 'a draft', config: () => ({ enterKey: 'send', thinking: 'collapsed' }),
    state: () => ({ title }) as unknown as ChatState,
  }, (message) => posted.push(message));
  return { transcript, posted, channel, setTitle: (value: string) => { title = value; } };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the chat channel', () => {
  it('sends nothing before the page is ready and visible, then one snapshot of the last 200 rows', () => {
    const { transcript, posted, channel } = rig();
    transcript.before = 1_000;
    transcript.rowsNow = Array.from({ length: 500 }, (_, index) => row(`r${index}`));
    channel.setVisible(true);
    transcript.fire({ op: 'update', at: 0, row: row('x') });
    vi.runAllTimers();
    expect(posted).toEqual([]);
    channel.pageReady();
    expect(posted).toHaveLength(1);
    expect(posted[0]).toMatchObject({ type: 'snapshot', session: 'k', generation: 1, total: 1_500, start: 1_300, draft: 'a draft' });
    expect(posted[0]?.type === 'snapshot' && posted[0].rows).toHaveLength(200);
  });

  it('joins appends to one row within a frame and keeps the order of other changes', () => {
    const { transcript, posted, channel } = rig();
    channel.setVisible(true);
    channel.pageReady();
    for (let index = 0; index < 100; index += 1) transcript.fire({ op: 'append', at: 0, key: 'a', field: 'text', from: index, text: 'x' });
    transcript.fire({ op: 'splice', at: 1, remove: 0, rows: [row('b')] });
    transcript.fire({ op: 'append', at: 0, key: 'a', field: 'text', from: 100, text: 'y' });
    vi.advanceTimersByTime(50);
    expect(posted).toHaveLength(2);
    expect(posted[1]).toMatchObject({
      type: 'patch', generation: 1, seq: 1,
      ops: [{ op: 'append', from: 0, text: 'x'.repeat(100) }, { op: 'splice', at: 1 }, { op: 'append', from: 100, text: 'y' }],
    });
  });

  it('sends at most one patch a frame, with seq counting from 1 in each generation', () => {
    const { transcript, posted, channel } = rig();
    channel.setVisible(true);
    channel.pageReady();
    const patches = () => posted.filter((message) => message.type === 'patch');
    for (let frame = 0; frame < 5; frame += 1) {
      for (let index = 0; index < 20; index += 1) transcript.fire({ op: 'update', at: index, row: row(`r${index}`) });
      vi.advanceTimersByTime(17);
    }
    expect(patches().map((message) => message.seq)).toEqual([1, 2, 3, 4, 5]);
    channel.resync(1);
    transcript.fire({ op: 'update', at: 0, row: row('z') });
    vi.advanceTimersByTime(17);
    expect(patches().at(-1)).toMatchObject({ generation: 2, seq: 1 });
  });

  it('answers one complaint a generation with one snapshot', () => {
    const { posted, channel } = rig();
    channel.setVisible(true);
    channel.pageReady();
    channel.resync(1);
    channel.resync(1);
    channel.resync(1);
    expect(posted.filter((message) => message.type === 'snapshot')).toHaveLength(2);
  });

  it('gives a hidden page nothing and one snapshot when it is shown, whether it is ready or seen first', () => {
    const { transcript, posted, channel } = rig();
    channel.setVisible(true);
    channel.pageReady();
    transcript.fire({ op: 'update', at: 0, row: row('a') });
    channel.setVisible(false);
    transcript.fire({ op: 'update', at: 0, row: row('b') });
    channel.stateChanged();
    vi.runAllTimers();
    expect(posted).toHaveLength(1);
    channel.setVisible(true);
    transcript.fire({ op: 'update', at: 0, row: row('c') });
    vi.runAllTimers();
    expect(posted).toHaveLength(1);
    channel.pageReady();
    expect(posted.slice(1)).toMatchObject([{ type: 'snapshot', generation: 2 }]);
    channel.setVisible(false);
    channel.pageReady();
    expect(posted).toHaveLength(2);
    channel.setVisible(true);
    expect(posted.slice(2)).toMatchObject([{ type: 'snapshot', generation: 3 }]);
  });

  it('sends a snapshot in place of thousands of changes', () => {
    const { transcript, posted, channel } = rig();
    channel.setVisible(true);
    channel.pageReady();
    for (let index = 0; index < 2_500; index += 1) transcript.fire({ op: 'update', at: index, row: row(`r${index}`) });
    vi.advanceTimersByTime(20);
    expect(posted.at(-1)).toMatchObject({ type: 'snapshot', generation: 2 });
    transcript.fire({ op: 'update', at: 1, row: row('q') });
    vi.advanceTimersByTime(20);
    expect(posted.at(-1)).toMatchObject({ type: 'patch', generation: 2, seq: 1 });
  });

  it('tells changed fields of the state at once, before rows that wait', () => {
    const { transcript, posted, channel, setTitle } = rig();
    channel.setVisible(true);
    channel.pageReady();
    transcript.fire({ op: 'update', at: 0, row: row('a') });
    setTitle('two');
    channel.stateChanged();
    channel.stateChanged();
    expect(posted.slice(1)).toEqual([{ type: 'state', generation: 1, state: { title: 'two' } }]);
  });
});
