import { describe, expect, it } from 'vitest';
import type { Row } from '../../../src/core/model/row.ts';
import type { Session } from '../../../src/core/model/session.ts';
import type { TaskLook } from '../../../src/core/fleet/task.ts';
import { taskEnd, untilTaskEnds } from '../../../src/core/fleet/task.ts';
import { HandClock } from '../session/hand-clock.ts';

const session = (state: Session['state'], error: string | null = null): Session => ({ state, error }) as unknown as Session;
const turn = (state: 'running' | 'completed' | 'failed' | 'cancelled', error: string | null = null): Row => ({ kind: 'turn', key: 't', state, error }) as unknown as Row;
const text: Row = { kind: 'text', key: 'x', text: 'Done.' } as unknown as Row;
const look = (part: Partial<TaskLook>): TaskLook => ({ session: session('idle'), sending: false, rows: [], undelivered: null, ...part });

async function pass(clock: HandClock, ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 500) {
    clock.advance(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the end of a task', () => {
  it('is what its turn says, once the session rests', () => {
    expect(taskEnd(look({ rows: [turn('completed')] }), 3_000)).toEqual({ how: 'completed', error: null });
    expect(taskEnd(look({ rows: [turn('failed', 'no credit')] }), 3_000)).toEqual({ how: 'failed', error: 'no credit' });
    expect(taskEnd(look({ rows: [turn('cancelled')] }), 3_000)).toEqual({ how: 'stopped', error: null });
    expect(taskEnd(look({ rows: [turn('completed')] }), 1_000)).toBeNull();
    expect(taskEnd(look({ rows: [turn('completed')], sending: true }), 3_000)).toBeNull();
  });

  it('is seen where no end is told, but not before the agent has said something', () => {
    expect(taskEnd(look({}), 60_000)).toBeNull();
    expect(taskEnd(look({ rows: [text] }), 3_000)).toEqual({ how: 'completed', error: null });
    expect(taskEnd(look({ session: session('failed', 'it died'), rows: [] }), 3_000)).toEqual({ how: 'failed', error: 'it died' });
    expect(taskEnd(look({ session: null }), 0)?.how).toBe('stopped');
    expect(taskEnd(look({ undelivered: 'The machine is away.' }), 0)).toEqual({ how: 'failed', error: 'The machine is away.' });
  });

  it('is waited for while the session works, and the wait can be given up', async () => {
    const clock = new HandClock();
    let now = look({ session: session('running'), rows: [turn('running')] });
    const ended = untilTaskEnds(() => now, clock, new AbortController().signal);
    await pass(clock, 20_000);
    now = look({ rows: [turn('completed')] });
    await pass(clock, 4_000);
    await expect(ended).resolves.toEqual({ how: 'completed', error: null });
    const stop = new AbortController();
    const given = untilTaskEnds(() => look({ session: session('waiting') }), clock, stop.signal);
    stop.abort(new DOMException('enough', 'AbortError'));
    await expect(given).rejects.toThrow('enough');
  });
});
