import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createCodexBackend } from '../../src/core/systems/local/codex/backend.ts';
import { codexEnv } from '../loopback/agent-env.ts';
import type { OpenAiEndpoint } from '../loopback/openai.ts';
import { startOpenAi } from '../loopback/openai.ts';
import { scripted } from '../loopback/script.ts';
import { agentProgram } from './agents.ts';
import { describeBackend } from './backend-contract.ts';
import { makeRig } from './rig.ts';
import type { Rig, Script } from './types.ts';

/** What the model endpoint plays: markers in the prompts, and without one what it remembers. */
const script: Script = {
  say: () => ({ prompt: scripted('Good evening', { text: 'The ferry leaves at eight.', chunkMs: 40 }), answer: /leaves at eight/ }),
  slow: () => ({ prompt: scripted('Tell me of the sea', { text: 'The sea is wide. '.repeat(60), chunkMs: 50 }), answer: /The sea is wide/ }),
  run: (command) => ({
    prompt: scripted('Run it', { text: 'I run it.', tools: [{ name: 'exec_command', input: { cmd: command, sandbox_permissions: 'require_escalated', justification: 'May I?', yield_time_ms: 30_000 } }] }, { text: 'That was it.' }),
    answer: /That was it/,
  }),
  edit: (file, before, after) => ({
    prompt: scripted('Edit it', { tools: [{ name: 'apply_patch', input: `*** Begin Patch\n*** Update File: ${file}\n@@\n-${before}\n+${after}\n*** End Patch\n` }] }, { text: 'Edited.' }),
    answer: /Edited/,
  }),
  ask: null,
  remember: () => ({ first: { prompt: 'The password is lighthouse.', answer: /lighthouse/ }, second: { prompt: 'What is it?', answer: /Earlier: The password is lighthouse\./ } }),
};

async function start(): Promise<Rig> {
  const program = await agentProgram('codex');
  let api: OpenAiEndpoint | null = null;
  return makeRig({
    connectionId: 'local-codex', script,
    async prepare(world) {
      api = await startOpenAi({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
      const folder = await world.folder('workspace');
      await writeFile(path.join(folder, 'notes.txt'), 'one\ntwo\nthree\n');
      return folder;
    },
    async create(context, world) {
      const env = await codexEnv(api?.url ?? '', await world.folder('agent'));
      return createCodexBackend(context, { path: program, env });
    },
    async dispose() {
      await api?.close();
    },
  });
}

describeBackend('Codex', start, { record: 'system', namesFiles: true, questions: false, modes: true, processes: true, ownProcess: true });
