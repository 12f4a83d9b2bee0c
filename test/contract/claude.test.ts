import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createClaudeBackend } from '../../src/core/systems/local/claude/backend.ts';
import { claudeEnv } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { agentProgram } from './agents.ts';
import { describeBackend } from './backend-contract.ts';
import { claudeScript } from './claudeScript.ts';
import { makeRig } from './rig.ts';
import type { Rig } from './types.ts';

async function start(): Promise<Rig> {
  const program = await agentProgram('claude');
  let api: AnthropicEndpoint | null = null;
  return makeRig({
    connectionId: 'local-claude', script: claudeScript,
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
