import path from 'node:path';
import { afterAll } from 'vitest';
import { codexVariables } from '../loopback/agent-env.ts';
import { startOpenAi } from '../loopback/openai.ts';
import { scripted } from '../loopback/script.ts';
import { agentProgram } from './agents.ts';
import { describeBackend } from './backend-contract.ts';
import { HappyStage } from './happyRig.ts';
import type { Script } from './types.ts';

/** What the model endpoint plays: markers in the prompts, and without one what it remembers. */
const script: Script = {
  say: () => ({ prompt: scripted('Good evening', { text: 'The ferry leaves at eight.', chunkMs: 40 }), answer: /leaves at eight/ }),
  slow: () => ({ prompt: scripted('Tell me of the sea', { text: 'The sea is wide. '.repeat(60), chunkMs: 50 }), answer: /The sea is wide/ }),
  run: (command) => ({
    prompt: scripted('Run it', { text: 'I run it.', tools: [{ name: 'exec_command', input: { cmd: command, yield_time_ms: 30_000 } }] }, { text: 'That was it.' }),
    answer: /That was it/,
  }),
  edit: (file, before, after) => ({
    prompt: scripted('Edit it', { tools: [{ name: 'apply_patch', input: `*** Begin Patch\n*** Update File: ${file}\n@@\n-${before}\n+${after}\n*** End Patch\n` }] }, { text: 'Edited.' }),
    answer: /Edited/,
  }),
  ask: null,
  remember: () => ({ first: { prompt: 'The password is lighthouse.', answer: /lighthouse/ }, second: { prompt: 'What is it?', answer: /Earlier: The password is lighthouse\./ } }),
};

let staged: Promise<HappyStage> | null = null;

function stage(): Promise<HappyStage> {
  staged ??= HappyStage.make(async (dir) => {
    const api = await startOpenAi({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
    // Claude runs on the same machine, and is not spoken to.
    return { modelUrl: api.url, env: await codexVariables(api.url, dir), programs: [path.dirname(await agentProgram('codex'))], close: () => api.close() };
  });
  return staged;
}

afterAll(async () => {
  await (await staged?.catch(() => null))?.dispose();
}, 60_000);

describeBackend('Codex on a machine of Happy', async () => (await stage()).rig(script, { agent: 'codex', mode: 'default' }), {
  part: 'agent', record: 'system', namesFiles: false, questions: false, modes: true, processes: true, ownProcess: true,
  hosted: { answers: 'whole', turns: 'hints', outputs: 'fetched', windows: 'every', deaths: 'silent', interrupts: 'ends', commands: 'stay' },
});
