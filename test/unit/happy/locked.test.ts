import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { wholeHistory } from '../../contract/helpers.ts';
import type { HappyWindow } from './backendWorld.ts';
import { HappyWorld } from './backendWorld.ts';
import type { FakeAgent } from './fakeDaemon.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 2, alive: false });
  await world.daemon.online();
});
afterEach(() => world[Symbol.asyncDispose]());

const say = (agent: FakeAgent, text: string): Promise<void> => agent.say({ id: randomUUID(), time: Date.now(), role: 'agent', turn: 't', ev: { t: 'text', text } });
const read = async (window: HappyWindow, id: string): Promise<readonly Row[]> => viewOf(await wholeHistory(window.backend, id));
const stranger = (): Uint8Array => Uint8Array.from(randomBytes(32));

it('a session that no key opens is one notice, however many messages it has and get, and says what would help', async () => {
  const agent = await world.daemon.start('/work');
  const other = dataKeyCipher(stranger());
  for (let count = 0; count < 250; count += 1) world.server.append(agent.id, other.seal({ count }), randomUUID());
  const window = await world.connected({ secret: stranger() });
  const live: Entry[] = [];
  const watching = window.backend.session(agent.id).live((event) => {
    if (event.type === 'entries') live.push(...event.entries);
  });
  await say(agent, 'before it was read');
  await sleep(200);
  const rows = await read(window, agent.id);
  expect(rows).toMatchObject([{ kind: 'notice', code: 'session_locked', level: 'warning', text: expect.stringMatching(/^This account’s key does not open this session\. /) as string, remedy: expect.stringMatching(/Sign In…/) as string }]);
  await say(agent, 'after it was read');
  await sleep(200);
  expect(live).toEqual([]);
  expect((await window.all()).find(({ id }) => id === agent.id)).toMatchObject({ title: 'Cannot be decrypted', locked: expect.stringMatching(/^This account’s key does not open/) as string });
  watching.dispose();
});

it('is read as if nothing had been when a key comes', async () => {
  const agent = await world.daemon.start('/work');
  await say(agent, 'Hello.');
  const poor = await world.connected({ secret: stranger() });
  const before = await wholeHistory(poor.backend, agent.id);
  expect(viewOf(before)).toMatchObject([{ code: 'session_locked' }]);
  await poor.backend[Symbol.asyncDispose]();
  const rich = await world.connected({ after: poor });
  const after = await wholeHistory(rich.backend, agent.id);
  expect(viewOf([...before, ...after]).map((row) => (row.kind === 'text' ? row.text : row.kind))).toEqual(['Hello.']);
  expect((await rich.all()).find(({ id }) => id === agent.id)?.locked).toBeUndefined();
});

it('one bad message among good ones is a row of its own and costs nothing else', async () => {
  const agent = await world.daemon.start('/work');
  await say(agent, 'one');
  world.server.append(agent.id, dataKeyCipher(stranger()).seal('bad'), randomUUID());
  await say(agent, 'two');
  const window = await world.connected();
  expect((await read(window, agent.id)).map((row) => (row.kind === 'text' ? row.text : row.kind === 'notice' ? row.code : row.kind))).toEqual(['one', 'cannot_decrypt', 'two']);
  expect((await window.all()).find(({ id }) => id === agent.id)?.locked).toBeUndefined();
});

it('a record that cannot be read does not hide messages that can', async () => {
  const agent = await world.daemon.start('/work');
  await say(agent, 'one');
  const answer = (await agent.socket.timeout(2_000).emitWithAck('update-metadata', { sid: agent.id, metadata: 'bm90IG91cnM=', expectedVersion: 0 })) as { result: string };
  expect(answer.result).toBe('success');
  const window = await world.connected();
  expect(await read(window, agent.id)).toMatchObject([{ kind: 'text', text: 'one' }]);
  expect((await window.all()).find(({ id }) => id === agent.id)?.locked).toBeUndefined();
});
