import { describe, expect, it } from 'vitest';
import { Draft } from '../../../webview-ui/src/chrome/draft.ts';
import { ChatPage } from '../../../webview-ui/src/page.ts';
import type { Attachment, HostMessage, PageMessage, ReplyValue, Row } from '../../../webview-ui/src/types.ts';

const prompt = (key: string, text: string, clientId: string | null = null): Row => ({ key, at: null, turn: null, kind: 'prompt', text, attachments: [], clientId });
const text = (key: string): Row => ({ key, at: null, turn: null, kind: 'text', text: key, streaming: false });

/** A page on a session of these rows, of which it has the last `held`; the host has pages of `most` prompts and answers in a moment, or not at all while `silent`. */
function session(rows: readonly Row[], held: number, options: { readonly most?: number; readonly outbox?: readonly string[]; readonly silent?: boolean } = {}) {
  let tell: (message: HostMessage) => void = () => undefined;
  const posted: PageMessage[] = [];
  const asked: (string | null)[] = [];
  const page = new ChatPage({
    onMessage: (listener) => void (tell = listener), load: () => null, keep: () => undefined,
    post: (message) => {
      posted.push(message);
      if (message.type !== 'request' || options.silent === true) return;
      let value: ReplyValue = { kind: 'done', message: null };
      if (message.body.ask === 'prompts') {
        const { before } = message.body;
        asked.push(before);
        const above = rows.slice(0, before === null ? rows.length : rows.findIndex((row) => row.key === before)).filter((row) => row.kind === 'prompt').reverse();
        const given = above.slice(0, options.most ?? 100);
        value = { kind: 'prompts', prompts: given.map((row) => row.text), next: given.length < above.length ? (given.at(-1)?.key ?? null) : null };
      }
      queueMicrotask(() => tell({ type: 'reply', request: message.request, ok: true, value }));
    },
  });
  const draft = new Draft(page);
  const outbox = (options.outbox ?? []).map((each) => ({ clientId: `c-${each}`, text: each, attachments: [], delivery: 'pending', error: null, steer: false }));
  tell({ type: 'snapshot', session: 'k', generation: 1, total: rows.length, start: rows.length - held, rows: rows.slice(rows.length - held), state: { canRun: true, state: 'idle', traits: {}, outbox } as never, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' });
  const up = async (times: number): Promise<string[]> => {
    const shown: string[] = [];
    for (let time = 0; time < times; time += 1) await draft.recall(1, (each) => shown.push(each));
    return shown;
  };
  return { draft, posted, asked, up, tell: (message: HostMessage) => tell(message) };
}

function world() {
  let tell: (message: HostMessage) => void = () => undefined;
  const posted: PageMessage[] = [];
  const page = new ChatPage({ post: (message) => void posted.push(message), onMessage: (listener) => void (tell = listener), load: () => null, keep: () => undefined });
  const draft = new Draft(page);
  tell({ type: 'snapshot', session: 'k', generation: 1, total: 0, start: 0, rows: [], state: { canRun: true, state: 'idle', traits: {} } as never, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' });
  return { draft, posted, tell: (message: HostMessage) => tell(message) };
}
const file = (name: string): Attachment => ({ name, mediaType: 'text/plain', size: 1, data: 'YQ==', path: null });

describe('a message that the host refuses', () => {
  it('comes back as it was', async () => {
    const { draft, tell } = world();
    draft.set(' first ');
    draft.addFile(file('a.txt'));
    const sending = draft.send('send');
    expect([draft.text.value, draft.files.value]).toEqual(['', []]);
    tell({ type: 'reply', request: 1, ok: false, code: 'too_large', message: 'It is too large.' });
    await sending;
    expect([draft.text.value, draft.files.value.map(({ name }) => name)]).toEqual([' first ', ['a.txt']]);
  });

  it('is not lost when something else was written meanwhile', async () => {
    const { draft, posted, tell } = world();
    draft.set('first');
    draft.addFile(file('a.txt'));
    const sending = draft.send('send');
    draft.set('second');
    draft.addFile(file('b.txt'));
    tell({ type: 'reply', request: 1, ok: false, code: 'too_large', message: 'It is too large.' });
    await sending;
    expect([draft.text.value, draft.files.value.map(({ name }) => name)]).toEqual(['first\n\nsecond', ['a.txt', 'b.txt']]);
    draft.flush();
    expect(posted.at(-1)).toMatchObject({ type: 'draft', session: 'k', text: 'first\n\nsecond', files: [{ name: 'a.txt' }, { name: 'b.txt' }] });
  });
});

describe('earlier messages', () => {
  const long = Array.from({ length: 1_000 }, (_, place) => (place % 100 === 0 ? prompt(`p${place}`, `asked ${place}`) : text(`t${place}`)));

  it('are all reached, also those far above the page, a page at a time', async () => {
    const { up, asked, draft } = session(long, 200, { most: 3 });
    expect(await up(12)).toEqual([900, 800, 700, 600, 500, 400, 300, 200, 100, 0].map((place) => `asked ${place}`));
    expect(draft.text.value).toBe('asked 0');
    expect(asked).toEqual(['p800', 'p500', 'p200']);
  });

  it('are asked for from the end where the last rows are not here', async () => {
    const { up, asked } = session(long, 0);
    expect((await up(2))).toEqual(['asked 900', 'asked 800']);
    expect(asked).toEqual([null]);
  });

  it('are there each once in a row, and what is queued or on its way is not there twice', async () => {
    const rows = [prompt('a', 'go'), prompt('b', 'stop'), text('t'), prompt('c', 'go'), prompt('d', 'go'), prompt('e', 'on its way', 'c-on its way'), prompt('f', '  ')];
    const { draft, up } = session(rows, rows.length, { outbox: ['on its way', 'queued'] });
    draft.set('sent');
    await draft.send('send');
    draft.set('queued');
    await draft.send('queue');
    expect(await up(9)).toEqual(['sent', 'queued', 'on its way', 'go', 'stop', 'go']);
  });

  it('give the draft back behind the newest, and never take its place where it is kept', async () => {
    const { draft, up, posted } = session(long, 200);
    draft.set('half a sent');
    draft.flush();
    await up(2);
    expect(draft.text.value).toBe('asked 800');
    draft.flush();
    expect(posted.filter((message) => message.type === 'draft').map((message) => message.text)).toEqual(['half a sent']);
    const down: string[] = [];
    for (let time = 0; time < 3; time += 1) await draft.recall(-1, (each) => down.push(each));
    expect(down).toEqual(['asked 900', 'half a sent']);
    expect([draft.text.value, draft.recalling]).toEqual(['half a sent', false]);
  });

  it('that are sent again leave the draft in the box; one that is changed leaves it in the history', async () => {
    const { draft, up, posted } = session(long, 200);
    draft.set('half a sent');
    await up(1);
    await draft.send('send');
    expect(posted.find((message) => message.type === 'request' && message.body.ask === 'send')).toMatchObject({ body: { text: 'asked 900' } });
    expect(draft.text.value).toBe('half a sent');
    await up(1);
    draft.set('asked 900, changed');
    expect(await up(1)).toEqual(['half a sent']);
  });

  it('that come late are not shown to somebody who writes on, and do not move who stands among them', async () => {
    const { draft, tell } = session(long, 50, { silent: true });
    const shown: string[] = [];
    const late = draft.recall(1, (each) => shown.push(each));
    draft.set('written meanwhile');
    tell({ type: 'reply', request: 1, ok: true, value: { kind: 'prompts', prompts: ['asked 900'], next: null } });
    await late;
    expect([draft.text.value, shown]).toEqual(['written meanwhile', []]);
    const other = session(long, 200);
    await other.up(1);
    other.tell({ type: 'patch', generation: 1, seq: 1, total: 1_001, ops: [{ op: 'splice', at: 1_000, remove: 0, rows: [prompt('new', 'from the phone')] }] });
    expect(await other.up(1)).toEqual(['asked 800']);
  });
});
