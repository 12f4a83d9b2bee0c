import { readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from 'vitest';
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
import type { HappyDaemon } from './happyDaemon.ts';
import { startHappyDaemon } from './happyDaemon.ts';
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
    tidy: kill,
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
