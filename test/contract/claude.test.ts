import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createClaudeBackend } from '../../src/core/systems/local/claude/backend.ts';
import { claudeEnv } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { scripted } from '../loopback/script.ts';
import { agentProgram } from './agents.ts';
import { describeBackend } from './backend-contract.ts';
import { makeRig } from './rig.ts';
import type { Rig, Script } from './types.ts';

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

async function start(): Promise<Rig> {
  const program = await agentProgram('claude');
  let api: AnthropicEndpoint | null = null;
  return makeRig({
    connectionId: 'local-claude', script,
    async prepare(world) {
      api = await startAnthropic({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
      const folder = await world.folder('workspace');
      await writeFile(path.join(folder, 'notes.txt'), 'one\ntwo\nthree\n');
      return folder;
    },
    async create(context, world) {
      const env = await claudeEnv(api?.url ?? '', await world.folder('agent'));
      return createClaudeBackend(context, { path: program, env });
    },
    async dispose() {
      await api?.close();
    },
  });
}

describeBackend('Claude Code', start, { record: 'system', namesFiles: true, questions: true, modes: true, processes: true, ownProcess: true });
