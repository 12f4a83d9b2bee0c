import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SessionBackend, SessionHandle } from '../../src/core/model/backend.ts';
import type { Clock } from '../../src/core/model/context.ts';
import { happyConnection } from '../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { systemClock } from '../../src/core/transport/clock.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { Phone } from '../loopback/happy/phone.ts';
import type { HappyTestServer } from '../loopback/happy/server.ts';
import { startHappyServer } from '../loopback/happy/server.ts';
import { code } from './helpers.ts';
import type { HappyDaemon } from './happyDaemon.ts';
import { startHappyDaemon } from './happyDaemon.ts';
import { World } from './world.ts';

/** Waits of the client are over twice as soon. */
const clock: Clock = { now: () => systemClock.now(), monotonic: () => systemClock.monotonic() * 2, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / 2) };
/** As the session's process of the real happy presents itself. */
const PROCESS = 'cli-coding-session/1.2.5';

let world: World;
let server: HappyTestServer;
let model: AnthropicEndpoint;
let phone: Phone;
let daemon: HappyDaemon;
let backend: SessionBackend;
beforeAll(async () => {
  world = await World.make();
  server = await startHappyServer();
  model = await startAnthropic({ script: ({ prompts }) => ({ text: `You said: ${prompts.at(-1) ?? ''}` }) });
  phone = await Phone.signIn(server.url);
  daemon = await startHappyDaemon({ url: server.url, accessKey: await phone.linkTerminal(), modelUrl: model.url, dir: world.root });
  const { context } = await world.window('happy');
  const credentials = explicitCredentials({ token: phone.token, secret: toBase64(phone.master) }, { serverUrl: server.url });
  backend = happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl: server.url, credentials, allowPlainHttp: false }).create({ ...context, clock });
  await backend.connect();
}, 120_000);
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  await daemon.stop();
  phone.close();
  await server.close();
  await model.close();
  await world.dispose();
}, 60_000);

const send = (handle: SessionHandle, text: string): Promise<void> => handle.send({ text, attachments: [] }, randomUUID());
const asked = (text: string): boolean => model.requests.some(({ body }) => JSON.stringify(body).includes(text));

it('the real process of a session that was resumed skips what it reads while it catches up: a prompt among that is told as not taken up, and is taken up when it goes again', async () => {
  const session = await backend.spawn({ machineId: daemon.machineId, folder: await world.folder('work') });
  const handle = backend.session(session.id);
  await send(handle, 'First of all');
  await expect.poll(() => asked('First of all'), { timeout: 60_000 }).toBe(true);
  await expect.poll(() => server.pushes.filter(({ sessionId, kind }) => sessionId === session.id && kind === 'done').length, { timeout: 60_000 }).toBe(1);
  await handle.stop();
  for (let count = 0; count < 250; count += 1) server.append(session.id, 'AAAA', randomUUID());

  // Three pages, each late by more than the client waits for all: its own questions are answered at once.
  const late = server.faults.http({ method: 'GET', path: `/v3/sessions/${session.id}/messages`, client: PROCESS }, { kind: 'delay', ms: 3_000, when: 'before' }, 3);
  expect(await code(send(handle, 'Lost among the old'))).toBe('not_taken_up');
  expect(late.hits).toBe(3);
  expect(asked('Lost among the old')).toBe(false);
  await send(handle, 'Sent again');
  await expect.poll(() => asked('Sent again'), { timeout: 60_000 }).toBe(true);
  expect(asked('Lost among the old')).toBe(false);

  await expect.poll(() => server.pushes.filter(({ sessionId, kind }) => sessionId === session.id && kind === 'done').length, { timeout: 60_000 }).toBe(2);
  await handle.stop();
  await send(handle, 'Once more');
  await expect.poll(() => asked('Once more'), { timeout: 60_000 }).toBe(true);
  await handle.stop();
}, 240_000);
