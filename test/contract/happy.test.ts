import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { happyConnection } from '../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { Phone } from '../loopback/happy/phone.ts';
import type { HappyTestServer } from '../loopback/happy/server.ts';
import { startHappyServer } from '../loopback/happy/server.ts';
import { scripted } from '../loopback/script.ts';
import { describeBackend } from './backend-contract.ts';
import { code } from './helpers.ts';
import type { HappyDaemon } from './happyDaemon.ts';
import { startHappyDaemon } from './happyDaemon.ts';
import { Observer, rowsOf } from './observer.ts';
import type { Rig, Script } from './types.ts';
import { isGone, World } from './world.ts';

const question = { question: 'Which harbour?', header: 'Harbour', multiSelect: false, options: [{ label: 'North', description: 'Nearer' }, { label: 'South', description: 'Warmer' }] };

/** What the model endpoint plays: markers in the prompts, and without one what it remembers. */
const script: Script = {
  say: () => ({ prompt: scripted('Good evening', { text: 'The ferry leaves at eight.', chunkMs: 40 }), answer: /leaves at eight/ }),
  slow: () => ({ prompt: scripted('Tell me of the sea', { text: 'The sea is wide. '.repeat(60), chunkMs: 50 }), answer: /The sea is wide/ }),
  run: (command) => ({
    prompt: scripted('Run it', { text: 'I run it.', tools: [{ name: 'Bash', input: { command, description: 'Run it' } }] }, { text: 'That was it.' }),
    answer: /That was it/,
  }),
  edit: (file, before, after) => ({
    prompt: scripted('Edit it', { tools: [{ name: 'Read', input: { file_path: file } }] }, { tools: [{ name: 'Edit', input: { file_path: file, old_string: before, new_string: after } }] }, { text: 'Edited.' }),
    answer: /Edited/,
  }),
  ask: {
    prompt: scripted('Ask me', { tools: [{ name: 'AskUserQuestion', input: { questions: [question] } }] }, { text: 'South it is.' }),
    answers: (questions) => Object.fromEntries(questions.map((one) => [one.id, ['South']])),
    answer: /South it is/,
  },
  remember: () => ({ first: { prompt: 'The password is lighthouse.', answer: /lighthouse/ }, second: { prompt: 'What is it?', answer: /Earlier: The password is lighthouse\./ } }),
};

/** One server, one model and one machine with the real daemon, for all rigs: what they make they end, and each has windows of its own. */
interface Stage {
  readonly world: World;
  readonly server: HappyTestServer;
  readonly model: AnthropicEndpoint;
  readonly phone: Phone;
  readonly daemon: HappyDaemon;
}
let staged: Promise<Stage> | null = null;

async function stage(): Promise<Stage> {
  const world = await World.make();
  const server = await startHappyServer();
  const model = await startAnthropic({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
  const phone = await Phone.signIn(server.url);
  const daemon = await startHappyDaemon({ url: server.url, accessKey: await phone.linkTerminal(), modelUrl: model.url, dir: world.root });
  return { world, server, model, phone, daemon };
}

afterAll(async () => {
  const there = await staged?.catch(() => null);
  if (there == null) return;
  await there.daemon.stop();
  there.phone.close();
  await there.server.close();
  await there.model.close();
  await there.world.dispose();
}, 60_000);

let rigs = 0;

async function start(): Promise<Rig> {
  const { server, phone, daemon, world: base } = await (staged ??= stage());
  const world = await World.make();
  rigs += 1;
  const folder = await base.folder(`workspace-${rigs}`);
  await writeFile(path.join(folder, 'notes.txt'), 'one\ntwo\nthree\n');
  const credentials = explicitCredentials({ token: phone.token, secret: toBase64(phone.master) }, { serverUrl: server.url });
  const open = async (): Promise<{ readonly backend: Rig['backend']; close(): Promise<void> }> => {
    const window = await world.window('happy');
    const backend = happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl: server.url, credentials, allowPlainHttp: false }).create(window.context);
    return {
      backend,
      async close() {
        await backend[Symbol.asyncDispose]();
        window.end();
      },
    };
  };
  const first = await open();
  const windows = [first];
  // Sessions and their agents run in their folder; other rigs have theirs on the same machine.
  const alive = async (): Promise<readonly number[]> => {
    const all = await Promise.all((await daemon.processes()).map(async (pid) => ((await readlink(`/proc/${pid}/cwd`).catch(() => '')) === folder ? [pid] : [])));
    return all.flat();
  };
  const kill = async (): Promise<void> => {
    for (const until = Date.now() + 5_000; Date.now() < until;) {
      const pids = await alive();
      if (pids.length === 0) return;
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself meanwhile.
        }
      }
      await sleep(30);
    }
  };
  return {
    backend: first.backend, machineId: daemon.machineId, folder, script,
    processes: { alive, gone: (pid) => isGone(pid), kill },
    async restart() {
      await windows.shift()?.close();
      const next = await open();
      windows.unshift(next);
      return next.backend;
    },
    async second() {
      const next = await open();
      windows.push(next);
      return next.backend;
    },
    async dispose() {
      await Promise.all(windows.splice(0).map((one) => one.close()));
      await kill();
      await world.dispose();
    },
    log: () => world.lines.slice(-60).join('\n'),
  };
}

describeBackend('Happy', start, {
  record: 'system', namesFiles: false, questions: true, modes: true, processes: true, ownProcess: true,
  hosted: { answers: 'whole', turns: 'hints', outputs: 'fetched', windows: 'every', deaths: 'silent' },
});

describe('Happy, on the machine of the real daemon', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await start();
    await rig.backend.connect();
  });
  afterAll(() => rig.dispose());

  it('lists agents and folders, and makes a folder only when it may', async () => {
    const { places } = rig.backend;
    expect((await places?.agents(rig.machineId))?.map(({ id }) => id)).toContain('claude');
    const home = await places?.folders(rig.machineId, null);
    expect(home?.path).toMatch(/\/home$/);
    const above = path.dirname(rig.folder);
    expect((await places?.folders(rig.machineId, above))?.folders).toContain(path.basename(rig.folder));
    expect(await code(places?.folders(rig.machineId, path.join(rig.folder, 'nowhere')) ?? Promise.resolve())).toBe('folder_missing');
    const folder = path.join(rig.folder, 'made');
    expect(await code(rig.backend.spawn({ machineId: rig.machineId, folder }))).toBe('folder_missing');
    expect(existsSync(folder)).toBe(false);
    const made = await rig.backend.spawn({ machineId: rig.machineId, folder, createFolder: true });
    expect(made).toMatchObject({ folder, agent: 'claude', machineId: rig.machineId });
    expect(existsSync(folder)).toBe(true);
    await rig.backend.session(made.id).stop();
  });

  it('reads files in pieces that its connection survives, and sends images to the agent', async () => {
    const { model } = await (staged ??= stage());
    const chat = new Observer(rig.backend, (await rig.backend.spawn({ machineId: rig.machineId, folder: rig.folder })).id, 'hints');
    const bytes = randomBytes(700_000);
    const file = path.join(rig.folder, 'it’s "large".bin');
    await writeFile(file, bytes);
    expect(Buffer.from((await chat.handle.readFile?.(file)) ?? []).equals(bytes)).toBe(true);
    expect(await code(chat.handle.readFile?.(path.join(rig.folder, 'gone')) ?? Promise.resolve())).toBe('file_not_found');
    await truncate(file, 20_000_000);
    expect(await code(chat.handle.readFile?.(file) ?? Promise.resolve())).toBe('too_large');
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    await chat.handle.send({ text: 'What is this?', attachments: [{ name: 'dot.png', mediaType: 'image/png', size: null, data: png, path: null }] }, randomUUID());
    await chat.until('the answer', () => chat.said() !== '');
    expect(model.requests.some(({ body }) => JSON.stringify(body).includes(png))).toBe(true);
    await chat.until('the image', () => rowsOf(chat.rows, 'file').some((row) => row.file.data === png));
    chat.dispose();
  });
});
