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

/** What the model endpoint plays: markers in the prompts, and without one what it remembers. `folder` is where Edit finds its file. */
function scriptIn(folder: () => string): Script {
  return {
    say: () => ({ prompt: scripted('Good evening', { think: 'A guest.', text: 'The ferry leaves at eight.', chunkMs: 60 }), answer: /leaves at eight/ }),
    slow: () => ({ prompt: scripted('Tell me of the sea', { text: 'The sea is wide. '.repeat(60), chunkMs: 50 }), answer: /The sea is wide/ }),
    run: (command) => ({ prompt: scripted('Run it', { text: 'I run it.', tools: [{ name: 'Bash', input: { command: `bash -c '${command.replaceAll("'", `'\\''`)}'`, description: 'as asked' } }] }, { text: 'That was it.' }), answer: /That was it/ }),
    edit: (file, before, after) => {
      const whole = path.join(folder(), file);
      return {
        prompt: scripted('Edit it', { tools: [{ name: 'Read', input: { file_path: whole } }] }, { tools: [{ name: 'Edit', input: { file_path: whole, old_string: before, new_string: after } }] }, { text: 'Edited.' }),
        answer: /Edited/,
      };
    },
    ask: {
      prompt: scripted('Ask me', { tools: [{ name: 'AskUserQuestion', input: { questions: [{ question: 'Which pier?', header: 'Pier', multiSelect: false, options: [{ label: 'North', description: 'n' }, { label: 'South', description: 's' }] }] } }] }, { text: 'So be it.' }),
      answers: (questions) => Object.fromEntries(questions.map((question) => [question.id, [question.options[1]?.label ?? '']])),
      answer: /So be it/,
    },
    remember: () => ({ first: { prompt: 'The password is lighthouse.', answer: /lighthouse/ }, second: { prompt: 'What is it?', answer: /Earlier: .*The password is lighthouse\./ } }),
  };
}

async function start(): Promise<Rig> {
  const program = await agentProgram('claude');
  let api: AnthropicEndpoint | null = null;
  let workspace = '';
  return makeRig({
    connectionId: 'local-claude', script: scriptIn(() => workspace),
    async prepare(world) {
      api = await startAnthropic({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
      workspace = await world.folder('workspace');
      await writeFile(path.join(workspace, 'notes.txt'), 'one\ntwo\nthree\n');
      return workspace;
    },
    async create(context, world) {
      return createClaudeBackend(context, { path: program, env: await claudeEnv(api?.url ?? '', await world.folder('agent')) });
    },
    async dispose() {
      await api?.close();
    },
  });
}

describeBackend('Claude Code', start, { record: 'system', namesFiles: true, ownProcess: true });
