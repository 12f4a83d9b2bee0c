import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAcpBackend } from '../../src/core/systems/local/acp/backend.ts';
import { describeBackend } from './backend-contract.ts';
import { makeRig } from './rig.ts';
import type { Rig, Script } from './types.ts';

const program = fileURLToPath(new URL('../demo/agent.ts', import.meta.url));

/** The demo agent answers by rules: prompts are what a person would write. */
const script: Script = {
  say: () => ({ prompt: 'thanks', answer: /welcome/ }),
  slow: () => ({ prompt: 'write 400 words at 40 words per second', answer: /\w/ }),
  run: (command) => ({ prompt: `run ${command}`, answer: /ended|failed|not run/ }),
  edit: (file, before, after) => ({ prompt: `replace \`${before}\` with \`${after}\` in \`${file}\``, answer: /\w/ }),
  ask: {
    prompt: 'ask me something',
    answers: (questions) => Object.fromEntries(questions.map((question) => [question.id, [question.options[0]?.label ?? 'The tide is out.']])),
    answer: /overview[\s\S]*The tide is out/,
  },
  remember: () => ({ first: { prompt: 'show `notes.txt`', answer: /three/ }, second: { prompt: 'explain it', answer: /notes\.txt/ } }),
};

async function start(): Promise<Rig> {
  return makeRig({
    connectionId: 'local-acp-demo', script,
    async prepare(world) {
      const folder = await world.folder('workspace');
      await writeFile(path.join(folder, 'notes.txt'), 'one\ntwo\nthree\n');
      return folder;
    },
    async create(context, world) {
      const env = { ...process.env, HOME: world.root, PILOTHOUSE_DEMO_STATE: await world.folder('demo') };
      return createAcpBackend(context, { name: 'Demo', command: process.execPath, args: [program], env });
    },
  });
}

describeBackend('an ACP agent', start, { record: 'ours', namesFiles: false, questions: true, modes: true, processes: true, ownProcess: true });
