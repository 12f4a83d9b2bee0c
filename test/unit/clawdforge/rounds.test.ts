import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BackendEvent } from '../../../src/core/model/backend.ts';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { Rounds } from '../../../src/core/systems/clawdforge/backend/rounds.ts';
import { HandClock, settle } from '../session/hand-clock.ts';
import { Stage } from './stage.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.make();
});
afterEach(() => stage.dispose());

it('asks as often as somebody looks, one round at a time, and less often where rounds fail', async () => {
  const clock = new HandClock();
  const asked: number[] = [];
  let fails = false;
  const failures: unknown[] = [];
  const rounds = new Rounds(clock, () => {
    asked.push(clock.monotonic());
    return fails ? Promise.reject(new Error('away')) : Promise.resolve();
  }, (error) => failures.push(error));
  const begin = clock.monotonic();
  const pass = async (seconds: number): Promise<void> => {
    for (let passed = 0; passed < seconds; passed += 1) {
      clock.advance(1_000);
      await settle();
    }
  };
  const since = (): readonly number[] => asked.splice(0).map((at) => Math.round((at - begin) / 1_000));
  await pass(60);
  expect(since()).toEqual([]);
  rounds.start();
  rounds.start();
  await pass(60);
  expect(since()).toEqual([90, 120]);
  rounds.look('near');
  await pass(22);
  expect(since()).toEqual([121, 131, 141]);
  rounds.look('away');
  await pass(120);
  // The one that was waited for already, then every two minutes.
  expect(since()).toEqual([151]);
  rounds.look('near');
  fails = true;
  await pass(120);
  expect(since()).toEqual([263, 283, 323]);
  expect(failures).toHaveLength(3);
  rounds.dispose();
  await pass(600);
  expect(since()).toEqual([]);
});

it('what happens on the server without us is told of: sessions of others, ends, and a server that goes and comes back', async () => {
  const clock = new HandClock();
  const { backend } = await stage.window(stage.token, (context) => ({ ...context, clock }));
  await backend.connect();
  await backend.sessions({ limit: 9 });
  const events: BackendEvent[] = [];
  backend.watch((event) => events.push(event));
  const round = async (): Promise<readonly BackendEvent[]> => {
    const before = stage.server.count('GET', /^\/sessions$|healthz/);
    // A round that begins must not have its own deadlines pass in the same step.
    await expect.poll(() => {
      if (stage.server.count('GET', /^\/sessions$|healthz/) === before) clock.advance(10_000);
      return stage.server.count('GET', /^\/sessions$|healthz/);
    }).toBeGreaterThan(before);
    await expect.poll(() => {
      const count = events.length;
      return new Promise((resolve) => {
        setTimeout(() => resolve(events.length === count), 60);
      });
    }).toBe(true);
    return events.splice(0);
  };
  await using other = new Forge({ baseUrl: stage.server.url, token: stage.token });
  const made = await other.createSession({ meta: { name: 'Cron' } });
  expect(await round()).toEqual([{ type: 'session', session: expect.objectContaining({ id: made.sessionId, title: 'Cron', state: 'idle' }) as never }]);
  expect(await round()).toEqual([]);
  await made.close();
  expect(await round()).toEqual([{ type: 'session', session: expect.objectContaining({ id: made.sessionId, state: 'stopped' }) as never }]);
  stage.server.faults.push({ method: 'GET', path: /./, status: 401, times: 1 });
  expect((await round()).map((event) => (event.type === 'connection' ? event.state.status : event.type))).toEqual(['machine', 'needs-sign-in']);
  expect((await round()).map((event) => (event.type === 'connection' ? event.state.status : event.type))).toEqual(['machine', 'ready', 'session']);
  stage.server.sessions.delete(made.sessionId);
  expect(await round()).toEqual([{ type: 'session-removed', sessionId: made.sessionId }]);
});
