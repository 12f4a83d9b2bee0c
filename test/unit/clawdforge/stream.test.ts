import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { formOf, readStream } from '../../../src/core/systems/clawdforge/stream.ts';
import type { ForgeEvent } from '../../../src/core/systems/clawdforge/types.ts';
import { closesStream } from '../../../src/core/systems/clawdforge/wire.ts';
import { spoken } from '../../loopback/clawdforge/script.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { rejection } from '../../contract/helpers.ts';

async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    await Promise.resolve();
    yield part;
  }
}
async function readAll(form: 'events' | 'lines', ...parts: readonly Uint8Array[]): Promise<{ readonly events: readonly ForgeEvent[]; readonly closing: unknown }> {
  const events: ForgeEvent[] = [];
  const closing = await readStream(form, chunks(...parts), (event) => events.push(event));
  return { events, closing };
}

const items = [{ type: 'text', content: 'Zürich 🌊' }, { type: 'tool_call', name: 'Bash', ok: true }, { type: 'weather', degrees: [1, { a: null }] }, { type: 'thinking', content: 'two\nlines' }];
const closing = { ok: true, turn_index: 3, stop_reason: 'end_turn', duration_ms: 9 };
const wires = {
  events: `: hello\r\nretry: 10\r\n\r\n${[...items, closing].map((item, index) => `event: message\nid: ${index}\ndata: ${JSON.stringify(item)}\n\n`).join('')}`,
  lines: `${[...items, closing].map((item) => JSON.stringify(item)).join('\r\n')}\n`,
} as const;

describe.each(['events', 'lines'] as const)('a stream of %s', (form) => {
  const bytes = new TextEncoder().encode(wires[form]);

  it('reads the same wherever it is cut into pieces, also within a letter', async () => {
    const whole = await readAll(form, bytes);
    expect(whole).toEqual({ events: items, closing });
    for (let at = 0; at <= bytes.length; at += 1) expect(await readAll(form, bytes.subarray(0, at), bytes.subarray(at)), `cut at ${at}`).toEqual(whole);
    expect(await readAll(form, ...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  it('that ends anywhere before its last item closes has told a beginning of its events, each whole, and no end', async () => {
    const last = new TextEncoder().encode(wires[form].slice(0, wires[form].lastIndexOf('}'))).length;
    for (let at = 0; at <= last; at += 1) {
      const { events, closing: end } = await readAll(form, bytes.subarray(0, at));
      expect(end, `ended at ${at}`).toBeNull();
      // What was cut within an item is kept as the text that it is.
      const sound = events.filter((event) => event.type !== 'unknown');
      expect(sound).toEqual(items.slice(0, sound.length));
      expect(events.length - sound.length).toBeLessThanOrEqual(1);
    }
  });

  it('needs no line break behind its last item, and takes nothing behind it', async () => {
    expect((await readAll(form, new TextEncoder().encode(wires[form].trimEnd()))).closing).toEqual(closing);
    const more = form === 'events' ? 'data: {"type":"text","content":"late"}\n\n' : '{"type":"text","content":"late"}\n';
    expect((await readAll(form, bytes, new TextEncoder().encode(more))).events).toEqual(items);
  });

  it('keeps what it cannot read', async () => {
    const wire = form === 'events' ? 'data: {nonsense\n\ndata: 7\n\ndata: {"content":"untyped"}\n\ndata: [DONE]\n\n' : '{nonsense\n7\n\n{"content":"untyped"}\n[DONE]\n';
    expect((await readAll(form, new TextEncoder().encode(wire))).events).toEqual([{ type: 'unknown', content: '{nonsense' }, { type: 'unknown', content: 7 }, { type: 'unknown', content: 'untyped' }]);
  });

  it('looks at a long item once, in however many pieces it comes', async () => {
    // Looked at anew with each piece, it would take minutes.
    const piece = new TextEncoder().encode('y'.repeat(1024));
    const [head, tail] = form === 'events' ? ['data: {"type":"text","content":"', '"}\n\n'] : ['{"type":"text","content":"', '"}\n'];
    const { events } = await readAll(form, new TextEncoder().encode(head), ...Array.from({ length: 12_000 }, () => piece), new TextEncoder().encode(tail));
    expect(events.map(({ content }) => (content as string).length)).toEqual([12_000 * 1024]);
  });

  it('gives up an item beyond all bounds', async () => {
    const piece = new TextEncoder().encode('x'.repeat(1024 * 1024));
    expect(await rejection(readAll(form, new TextEncoder().encode(form === 'events' ? 'data: ' : ''), ...Array.from({ length: 18 }, () => piece)))).toMatchObject({ code: 'bad_answer' });
  });
});

it('takes the name of an event for its type, where it says none itself', async () => {
  const wire = 'event: text\ndata: {"content":"named"}\n\nevent: text\ndata: {"type":"thinking","content":"own"}\n\nevent: done\ndata: {"ok":true}\n\n';
  expect(await readAll('events', new TextEncoder().encode(wire))).toEqual({ events: [{ type: 'text', content: 'named' }, { type: 'thinking', content: 'own' }], closing: { ok: true } });
});

it('tells an event from the item that closes a stream', () => {
  for (const item of [closing, { ok: false }, { turn_index: 1 }, { stop_reason: null }, { type: 'turn_end', ok: true, turn_index: 1 }]) expect(closesStream(item), JSON.stringify(item)).toBe(true);
  for (const item of [{ type: 'tool_result', ok: true }, { type: 'text', content: '', turn_index: 1 }, { content: 'x' }, 'ok', null, [closing]]) expect(closesStream(item), JSON.stringify(item)).toBe(false);
});

it('knows the kinds of answers by their content type', () => {
  expect(['text/event-stream; charset=utf-8', 'TEXT/Event-Stream', 'application/x-ndjson', 'application/json', '', undefined].map((type) => formOf(type))).toEqual(['events', 'events', 'lines', 'whole', 'whole', 'whole']);
});

describe('a turn', () => {
  let server: ForgeTestServer;
  let forge: Forge;
  beforeEach(async () => {
    server = await new ForgeTestServer().start();
    forge = new Forge({ baseUrl: server.url, token: server.token(), retryBaseMs: 1 });
  });
  afterEach(async () => {
    await forge.close();
    await server.close();
  });

  const played = [...spoken('one two '), { type: 'tool_call', content: 'Bash' }, { type: 'weather', degrees: 3 }, ...spoken('three')];

  it.each(['events', 'lines', 'whole'] as const)('answered as %s: each event once, in order, and the same result', async (form) => {
    server.form = form;
    server.script = () => ({ events: played, stepMs: 2 });
    const told: ForgeEvent[] = [];
    const result = await (await forge.session()).turn('x', { onEvent: (event) => told.push(event) });
    expect(told).toEqual(played);
    expect({ ...result, text: result.text() }).toMatchObject({ ok: true, turnIndex: 1, events: played, stopReason: 'end_turn', durationMs: 34, costHint: 'kept', text: 'one two three' });
    expect(server.requests.at(-1)?.accept).toBe('text/event-stream, application/json');
  });

  it.each(['events', 'lines'] as const)('answered as %s tells an event when it arrives, not at the end', async (form) => {
    server.form = form;
    let first = false;
    let seen: boolean | null = null;
    server.script = () => ({
      events: [{ type: 'text', content: 'now' }, { toJSON: () => {
        // Made when the second event is sent: by then the first is told.
        seen = first;
        return { type: 'text', content: 'then' };
      } }],
      stepMs: 60,
    });
    await (await forge.session()).turn('x', { onEvent: () => (first = true) });
    expect(seen).toBe(true);
  });

  it.each(['events', 'lines', 'whole'] as const)('answered as %s and cut, in every place: a transport error, after the events that came, once', async (form) => {
    server.form = form;
    const session = await forge.session();
    for (let after = 0; after <= played.length; after += 1) {
      server.script = () => ({ events: played, cut: { after } });
      const told: ForgeEvent[] = [];
      const error = await rejection(session.turn('x', { onEvent: (event) => told.push(event) }));
      expect(error, `cut after ${after}`).toMatchObject({ name: 'ForgeTransportError', code: 'connection_lost', reached: 'cut' });
      expect(told).toEqual(form === 'whole' ? [] : played.slice(0, after));
      expect(server.prompts()).toHaveLength(after + 1);
      expect((await session.state()).turnCount).toBe(after + 1);
    }
    server.script = () => ({ events: played, cut: { after: 'nothing', work: 'given up' } });
    expect(await rejection(session.turn('x'))).toMatchObject({ code: 'connection_failed', reached: 'unanswered' });
    expect((await session.state()).turnCount).toBe(played.length + 1);
  });

  it('is not broken off by what its listener throws: that comes out when the turn is over', async () => {
    server.script = () => ({ events: played });
    const session = await forge.session();
    let told = 0;
    const error = await rejection(session.turn('x', { onEvent: () => {
      told += 1;
      throw new RangeError(`event ${told}`);
    } }));
    expect(error).toMatchObject({ name: 'RangeError', message: 'event 1' });
    expect(told).toBe(played.length);
    expect((await session.state()).turnCount).toBe(1);
  });

  it('that is aborted rejects with the reason, and the session goes on', async () => {
    const session = await forge.session();
    const abort = new AbortController();
    const reason = new Error('the person left');
    const turn = rejection(session.turn('slowly', { signal: abort.signal, onEvent: () => abort.abort(reason) }));
    expect(await turn).toBe(reason);
    await expect.poll(() => [...server.sessions.values()].some(({ busy }) => busy)).toBe(false);
    expect((await session.turn('again')).text()).toContain('again');
  });

  it('says what its server says of how it went', async () => {
    server.script = () => ({ events: [{ type: 'text', content: { not: 'text' } }, { type: 'thinking', content: 'hm' }], ok: false, stopReason: 'timeout' });
    const result = await (await forge.session()).turn('x');
    expect(result).toMatchObject({ ok: false, stopReason: 'timeout' });
    expect(result.text()).toBe('');
  });
});
