import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HappyAccount } from '../../../src/core/systems/happy/account.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { SyncedMessage } from '../../../src/core/systems/happy/sync.ts';
import { Rounds } from '../../../src/core/systems/happy/rounds.ts';
import { startHappyServer } from '../../loopback/happy/server.ts';
import type { HappyTestServer } from '../../loopback/happy/server.ts';
import type { FakeAgent } from './fakeDaemon.ts';
import { FakeDaemon } from './fakeDaemon.ts';
import { HandClock } from './handClock.ts';

/** Rounds whose questions are written down and answered as told. */
function told(): { readonly clock: HandClock; readonly rounds: Rounds; readonly asked: string[]; answer: boolean | Error; readonly failures: unknown[] } {
  const clock = new HandClock();
  const asked: string[] = [];
  const failures: unknown[] = [];
  const one = { clock, asked, failures, answer: false as boolean | Error };
  const ask = (id: string): Promise<boolean> => {
    asked.push(`${id}@${clock.monotonic() - 1_000_000}`);
    return one.answer instanceof Error ? Promise.reject(one.answer) : Promise.resolve(one.answer);
  };
  return Object.assign(one, { rounds: new Rounds(clock, { list: () => ask('list'), session: ask }, (error) => failures.push(error)) });
}

async function pass(clock: HandClock, ms: number, step = 500): Promise<void> {
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(step, left));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
const times = (asked: readonly string[], id: string): number[] => asked.filter((one) => one.startsWith(`${id}@`)).map((one) => Number(one.slice(id.length + 1)));

describe('rounds', () => {
  it('ask at most once in 5 s each, and in 10 s while nothing is new', async () => {
    const one = told();
    one.rounds.look(['s']);
    await pass(one.clock, 60_000);
    for (const id of ['list', 's']) {
      const at = times(one.asked, id);
      const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
      expect(at[0]).toBeLessThanOrEqual(5_500);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(5_000);
      expect(Math.max(...gaps)).toBeLessThanOrEqual(10_500);
      expect(gaps.at(-1)).toBeGreaterThanOrEqual(10_000);
    }
    one.answer = true;
    const before = one.asked.length;
    await pass(one.clock, 31_000);
    expect(times(one.asked.slice(before), 's').length).toBeGreaterThanOrEqual(5);
    one.rounds.dispose();
    expect(one.clock.waiting).toBe(0);
  });

  it('are none while nobody looks, and who looks away and back asks no more often', async () => {
    const one = told();
    one.rounds.look(['s']);
    await pass(one.clock, 6_000);
    for (let turn = 0; turn < 20; turn += 1) {
      one.rounds.look(null);
      await pass(one.clock, 100, 100);
      one.rounds.look(['s']);
      await pass(one.clock, 100, 100);
    }
    expect(times(one.asked, 's')).toHaveLength(1);
    one.rounds.look(null);
    await pass(one.clock, 20_000);
    one.rounds.look(['s']);
    await pass(one.clock, 500);
    expect(times(one.asked, 's')).toHaveLength(2);
    one.rounds.look(null);
    one.asked.length = 0;
    await pass(one.clock, 120_000);
    expect(one.asked).toEqual([]);
    expect(one.clock.waiting).toBe(0);
    one.rounds.look([]);
    await pass(one.clock, 30_000);
    expect(times(one.asked, 's')).toEqual([]);
    expect(times(one.asked, 'list').length).toBeGreaterThan(2);
  });

  it('wait longer while they fail, and a push puts the session’s off', async () => {
    const one = told();
    one.answer = new Error('away');
    one.rounds.look(['s']);
    await pass(one.clock, 300_000);
    expect(times(one.asked, 's').length).toBeLessThanOrEqual(10);
    expect(one.failures.length).toBe(one.asked.length);
    one.answer = false;
    await pass(one.clock, 70_000);
    one.asked.length = 0;
    for (let push = 0; push < 20; push += 1) {
      one.rounds.heard('s');
      await pass(one.clock, 1_000);
    }
    expect(times(one.asked, 's')).toEqual([]);
    await pass(one.clock, 5_000);
    expect(times(one.asked, 's').length).toBe(1);
    one.rounds.dispose();
  });
});

describe('an account whose pushes are lost', () => {
  const master = Uint8Array.from(randomBytes(32));
  let server: HappyTestServer;
  let daemon: FakeDaemon;
  let account: HappyAccount;
  let agent: FakeAgent;
  const clock = new HandClock();
  const texts: string[] = [];
  const closers: { dispose(): void }[] = [];

  beforeEach(async () => {
    server = await startHappyServer();
    daemon = new FakeDaemon(server, master, server.tokenFor(master).token);
    await daemon.online();
    agent = await daemon.start('/work');
    agent.turn = () => Promise.resolve();
    texts.length = 0;
    account = new HappyAccount({ credentials: explicitCredentials({ token: daemon.token, secret: toBase64(master) }, { serverUrl: server.url }), clock, timing: { silence: 1e9, jump: 1e9 } });
    closers.push(account.watch(() => undefined));
    await until(() => account.mirror.session(agent.id) !== null, false);
    const use = account.sync(agent.id, account.mirror.cipher(agent.id));
    closers.push(use, use.sync.onMessages.on((messages: readonly SyncedMessage[]) => texts.push(...messages.map(({ content }) => JSON.stringify(content)))));
    await use.sync.open();
  });
  afterEach(async () => {
    for (const closer of closers.splice(0)) closer.dispose();
    await account[Symbol.asyncDispose]();
    daemon.close();
    await server.close();
  });

  /** Waits for real answers while the hand moves the clock, a tenth of a second at a time; gives how far it went. */
  async function until(holds: () => boolean, moves = true): Promise<number> {
    for (let passed = 0; passed < 60_000; passed += 100) {
      if (holds()) return passed;
      if (moves) clock.advance(100);
      await new Promise((resolve) => {
        setTimeout(resolve, moves ? 5 : 20);
      });
      if (!moves && passed > 20_000) break;
    }
    throw new Error('It did not come.');
  }
  const lose = (): void => void server.faults.pushes('drop', ({ event }) => event === 'update');
  const gets = (path: RegExp): number => server.requests.filter((call) => call.method === 'GET' && path.test(call.path)).length;
  const say = (text: string): Promise<void> => agent.say({ id: randomUUID(), time: Date.now(), role: 'agent', turn: 't', ev: { t: 'text', text } });

  it('sees a lost message and a lost change of a session within ten seconds while they are looked at', async () => {
    account.setAttention({ active: true, visible: true, sessions: [agent.id] });
    lose();
    await say('A word that nobody pushed.');
    expect(await until(() => texts.some((text) => text.includes('nobody pushed')))).toBeLessThanOrEqual(11_000);
    await agent.setState({ ...agent.agentState, requests: { r: { tool: 'Bash', arguments: {}, createdAt: 1 } } });
    expect(await until(() => account.mirror.session(agent.id)?.agentState?.['requests'] !== undefined && JSON.stringify(account.mirror.session(agent.id)?.agentState).includes('Bash'))).toBeLessThanOrEqual(11_000);
  });

  it.each([['hidden', { active: false, visible: false }], ['without the focus', { active: false, visible: true }]])('asks for nothing while it is %s, and once it is looked at again', async (_, attention) => {
    account.setAttention({ ...attention, sessions: [agent.id] });
    lose();
    await say('A word that nobody pushed.');
    const before = [gets(/^\/v3\//), gets(/^\/v2\/sessions$/)];
    for (let passed = 0; passed < 30_000; passed += 1_000) {
      clock.advance(1_000);
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    expect([gets(/^\/v3\//), gets(/^\/v2\/sessions$/)]).toEqual(before);
    account.setAttention({ active: true, visible: true, sessions: [agent.id] });
    expect(await until(() => texts.some((text) => text.includes('nobody pushed')))).toBeLessThanOrEqual(5_500);
  });
});
