import { beforeEach, describe, expect, it } from 'vitest';
import type { Capability, Job, JobEvent } from '../../../../src/core/systems/hebing/index.ts';
import type { JobSource } from '../../../../src/extension/hebing/board.ts';
import { JobBoard } from '../../../../src/extension/hebing/board.ts';
import { HandClock, settle } from '../../session/hand-clock.ts';
import { recordingLog } from '../../store/support.ts';
import { capability, job } from './samples.ts';

/** An account whose answers a test sets; it counts what it is asked. */
class FakeSource implements JobSource {
  rejected = false;
  list: readonly Job[] = [];
  trouble: Error | null = null;
  readonly asked = { jobs: 0, capabilities: 0, events: 0 };

  jobs(): Promise<readonly Job[]> {
    this.asked.jobs += 1;
    return this.trouble === null ? Promise.resolve(this.list) : Promise.reject(this.trouble);
  }
  capabilities(): Promise<readonly Capability[]> {
    this.asked.capabilities += 1;
    return Promise.resolve([capability('media.echo.v1', 'Echo')]);
  }
  events(): Promise<readonly JobEvent[]> {
    this.asked.events += 1;
    return Promise.resolve([{ seq: this.asked.events, type: 'job_created', createdAt: null, data: null }]);
  }
}

let clock: HandClock;
let source: FakeSource;
let board: JobBoard;
let changes: number;
beforeEach(() => {
  clock = new HandClock();
  source = new FakeSource();
  changes = 0;
  board = new JobBoard({ clock, log: recordingLog().log, changed: () => (changes += 1) });
});

/** Moves on second by second, as time does. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    clock.advance(1_000);
    await settle();
  }
}

describe('a board of jobs', () => {
  it('asks for nothing while nobody looks', async () => {
    board.use(source);
    await pass(3_600);
    expect(source.asked).toEqual({ jobs: 0, capabilities: 0, events: 0 });
    expect(board.state).toMatchObject({ access: 'in', loaded: false });
    board.setVisible(true);
    await settle();
    expect(source.asked).toEqual({ jobs: 1, capabilities: 1, events: 0 });
    board.setVisible(false);
    await pass(3_600);
    expect(source.asked.jobs).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it('looks often while a job is under way, less often as long as nothing changes, and once a minute else', async () => {
    source.list = [job('a', 'running')];
    board.use(source);
    board.setVisible(true);
    await settle();
    await pass(60);
    // 2, 3, 4.5, 6.75, 10.1 and then every 15 seconds.
    expect(source.asked.jobs).toBe(8);
    source.list = [job('a', 'succeeded', { updatedAt: 'later' })];
    await pass(15);
    expect(board.state.jobs.map(({ status }) => status)).toEqual(['succeeded']);
    const before = source.asked.jobs;
    await pass(240);
    expect(source.asked.jobs - before).toBe(4);
    expect(source.asked.capabilities).toBe(1);
    await pass(600);
    expect(source.asked.capabilities).toBe(2);
  });

  it('begins anew with a quick pace when something changed', async () => {
    source.list = [job('a', 'running')];
    board.use(source);
    board.setVisible(true);
    await settle();
    await pass(120);
    board.put(job('b', 'queued', { createdAt: '2026-01-02T00:00:00Z' }));
    source.list = [job('b', 'queued', { createdAt: '2026-01-02T00:00:00Z' }), job('a', 'running')];
    const before = source.asked.jobs;
    await pass(2);
    expect(source.asked.jobs - before).toBe(1);
    expect(board.state.jobs.map(({ id }) => id)).toEqual(['b', 'a']);
  });

  it('waits longer after each failure, as long as the server asks, says why, and keeps what it knew', async () => {
    source.list = [job('a', 'running')];
    board.use(source);
    board.setVisible(true);
    await settle();
    source.trouble = new Error('nothing answers there');
    await pass(2);
    expect(board.state).toMatchObject({ problem: 'nothing answers there', jobs: [{ id: 'a' }], access: 'in' });
    const before = source.asked.jobs;
    await pass(34);
    // After 5, 10 and 20 seconds.
    expect(source.asked.jobs - before).toBe(2);
    source.trouble = Object.assign(new Error('slow down'), { retryAfterMs: 300_000 });
    await pass(10);
    const asked = source.asked.jobs;
    await pass(290);
    expect(source.asked.jobs).toBe(asked);
    source.trouble = null;
    await pass(15);
    expect(board.state.problem).toBeNull();
  });

  it('does not send a key again that was refused, and loses nothing until another one is there', async () => {
    source.list = [job('a', 'succeeded')];
    board.use(source);
    board.setVisible(true);
    await settle();
    source.trouble = new Error('401');
    source.rejected = true;
    await board.refresh();
    const asked = source.asked.jobs;
    await pass(7_200);
    expect(source.asked.jobs).toBe(asked);
    expect(board.state).toMatchObject({ access: 'rejected', jobs: [{ id: 'a' }] });
    const other = new FakeSource();
    other.list = source.list;
    board.use(other);
    expect(board.state).toMatchObject({ access: 'in', jobs: [{ id: 'a' }], problem: null });
    await settle();
    expect(other.asked.jobs).toBe(1);
    board.use(null);
    expect(board.state).toMatchObject({ access: 'out', jobs: [], capabilities: [] });
  });

  it('hears nothing any more of an account that was left', async () => {
    const late = Promise.withResolvers<readonly Job[]>();
    source.jobs = () => late.promise;
    board.use(source);
    board.setVisible(true);
    const other = new FakeSource();
    other.list = [job('other', 'running')];
    board.use(other);
    await settle();
    late.resolve([job('mine', 'running')]);
    await settle();
    expect(board.state.jobs.map(({ id }) => id)).toEqual(['other']);
  });

  it('reads the events of a job that is open again when it changed, and of one that is folded no more', async () => {
    source.list = [job('a', 'running')];
    board.use(source);
    board.setVisible(true);
    await settle();
    await board.readEvents('a');
    source.list = [job('a', 'running', { updatedAt: 'later' })];
    await pass(4);
    expect(source.asked.events).toBe(2);
    expect(board.state.events.get('a')).toMatchObject([{ seq: 2 }]);
    board.dropEvents('a');
    source.list = [job('a', 'succeeded', { updatedAt: 'last' })];
    await pass(15);
    expect(source.asked.events).toBe(2);
  });

  it('tells of nothing while nothing changes, and jobs that are as they were stay the same objects', async () => {
    source.list = [job('a', 'running')];
    board.use(source);
    board.setVisible(true);
    await settle();
    const [first] = board.state.jobs;
    const before = changes;
    source.list = [job('a', 'running')];
    await pass(30);
    expect(changes).toBe(before);
    expect(board.state.jobs[0]).toBe(first);
  });
});
