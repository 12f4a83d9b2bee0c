import { describe, expect, it } from 'vitest';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { settle } from './hand-clock.ts';
import { applyOps } from './properties.ts';
import { bench, call, many, result, text } from './transcripts.ts';

describe('rows that are not in memory', () => {
  it('are let go of far above the end, and read when they are asked for', async () => {
    const { view, seen } = await bench();
    const entries = many(5_000);
    view.add(entries);
    await view.flush();
    seen();
    expect(view.tail.length).toBeLessThanOrEqual(2_000);
    expect([view.start + view.tail.length, view.total]).toEqual([5_000, 5_000]);
    expect((await view.rows(0, 5_000)).rows).toEqual(viewOf(entries));
    expect(await view.row('row7')).toMatchObject({ text: 'text 7' });
    expect(await view.row('nothing')).toBeNull();
    view.add(many(1, 5_000));
    expect(seen()).toMatchObject([{ op: 'splice', at: 5_000, remove: 0, rows: [{ key: 'row5000' }] }]);
  });

  it('change where they stand', async () => {
    const { view, seen } = await bench({ tailRows: 10, keepRows: 20 });
    view.add([...many(100), call('tool', 20.5)]);
    await view.flush();
    seen();
    view.add([result('tool', 20.6, 'late'), text('row30', 30, 'again', { rev: 1 }), text('between', 40.5, 'b')]);
    await view.flush();
    expect(seen()).toMatchObject([
      { op: 'update', at: 21, row: { key: 'tool', status: 'ok', output: 'late' } }, { op: 'update', at: 31, row: { key: 'row30', text: 'again' } },
      { op: 'splice', at: 42, remove: 0, rows: [{ key: 'between' }] },
    ]);
    expect([view.total, view.start + view.tail.length]).toEqual([102, 102]);
  });

  it('come in at the beginning, page by page, as a history is read', async () => {
    const { view, seen } = await bench({ keepRows: 40 });
    const entries = many(400);
    const mirror: Row[] = [];
    view.onChange((ops) => applyOps(mirror, ops));
    for (let end = 400; end > 0; end -= 50) {
      seen();
      view.add(entries.slice(end - 50, end));
      await view.flush();
      expect(seen()).toMatchObject([{ op: 'splice', at: 0, remove: 0 }]);
    }
    expect(mirror).toEqual(viewOf(entries));
  });

  it('leave memory when those after them hold much text, but for the last few, and are read from the store', async () => {
    const { view } = await bench({ keepChars: 5_000 });
    const entries = Array.from({ length: 40 }, (_, index) => text(`row${index}`, index, `${index} `.repeat(500)));
    view.add(entries);
    await view.flush();
    expect([view.total, view.start, view.tail.length]).toEqual([40, 28, 12]);
    expect((await view.rows(0, 40)).rows).toEqual(viewOf(entries));
    const { view: short } = await bench({ keepChars: 40_000 });
    short.add(many(40));
    await short.flush();
    expect([short.start, short.tail.length]).toEqual([0, 40]);
  });

  it('of an agent that left memory take in what still happens in it', async () => {
    const { view, seen } = await bench({ tailRows: 5, keepRows: 10 });
    view.add([call('agent', 1), ...many(50, 2)]);
    await view.flush();
    seen();
    view.add([text('inside', 100, 'still at work', { parent: 'agent' })]);
    expect(seen()).toEqual([]);
    await view.flush();
    expect(seen()).toMatchObject([{ op: 'update', at: 0, row: { key: 'agent', children: [{ key: 'inside' }] } }]);
    expect([view.total, (await view.row('inside'))?.key]).toEqual([51, 'inside']);
  });

  it('take in rows that stood at the top until their agent came', async () => {
    const { view } = await bench({ tailRows: 5, keepRows: 10 });
    view.add([...many(50), text('inside', 10.5, 'early', { parent: 'agent' }), text('inside too', 49.5, 'late', { parent: 'agent' })]);
    await view.flush();
    expect(view.total).toBe(52);
    const mirror = [...(await view.rows(0, 52)).rows];
    view.onChange((ops) => applyOps(mirror, ops));
    view.add([call('agent', 10.2)]);
    await view.flush();
    expect(view.total).toBe(51);
    expect(mirror).toEqual((await view.rows(0, 51)).rows);
    expect(mirror[11]).toMatchObject({ key: 'agent', children: [{ key: 'inside' }, { key: 'inside too' }] });
  });

  it('give their whole output, from memory or the store', async () => {
    const { view } = await bench({ tailRows: 1, keepRows: 3 });
    const output = 'line\n'.repeat(10_000);
    view.add([call('early', 1), result('early', 1.1, output), ...many(10, 2), call('late', 90), result('late', 91, output)]);
    await view.flush();
    for (const key of ['early', 'late']) {
      expect(await view.output(key)).toBe(output);
      expect((await view.row(key)) as Row & { outputOmitted: number }).toMatchObject({ outputOmitted: output.length - 16 * 1024 });
    }
    expect(await view.output('row5')).toBeNull();
    expect(await view.output('nothing')).toBeNull();
  });

  it('are not read for one who does not want them any more', async () => {
    const { view, store, clock } = await bench({ keepRows: 10 });
    view.add(many(100));
    await view.flush();
    const rows = store.rows.bind(store);
    store.rows = () => new Promise(() => undefined);
    const abort = new AbortController();
    const reading = view.rows(0, 10, { signal: abort.signal });
    await settle();
    abort.abort();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    const stuck = view.rows(0, 10);
    await settle();
    clock.advance(30_000);
    await expect(stuck).rejects.toMatchObject({ code: 'store_slow' });
    store.rows = rows;
    expect((await view.rows(0, 1)).rows).toHaveLength(1);
  });
});
