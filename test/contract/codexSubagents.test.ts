import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCodexBackend } from '../../src/core/systems/local/codex/backend.ts';
import { codexEnv } from '../loopback/agent-env.ts';
import { startOpenAi } from '../loopback/openai.ts';
import type { Step } from '../loopback/script.ts';
import { scripted } from '../loopback/script.ts';
import { contextIn, Heard, temporary } from '../unit/local/codexRig.ts';
import { agentProgram } from './agents.ts';
import { shown } from './codexFacts.ts';

let place: Awaited<ReturnType<typeof temporary>>;
beforeEach(async () => {
  place = await temporary();
});
afterEach(async () => place.remove());

/** A call of the tools for subagents. */
const call = (name: string, input: Record<string, unknown>): NonNullable<Step['tools']>[number] => ({ name, namespace: 'collaboration', input });

test('what a subagent of Codex does stands in its row, and its file tells the same entries as the wire did', async () => {
  const program = await agentProgram('codex');
  // The task comes to a subagent as no prompt of a person.
  const model = await startOpenAi({
    script: ({ prompts, outcomes }) => {
      if (prompts.length > 0) return { text: 'Unexpected.' };
      return outcomes.length === 0 ? { think: 'I should look.', text: 'I look.', tools: [{ name: 'exec_command', input: { cmd: 'echo inner' } }] } : { text: 'There is one.' };
    },
  });
  try {
    const env = await codexEnv(model.url, place.path);
    const config = path.join(place.path, 'codex', 'config.toml');
    await writeFile(config, (await readFile(config, 'utf8')).replace('[features]', '[features]\nmulti_agent_v2 = true'));
    await using backend = createCodexBackend(contextIn(place.path), { path: program, env });
    const { id } = await backend.spawn({ machineId: 'this-computer', folder: await place.folder('work'), mode: 'full' });
    const handle = backend.session(id);
    const heard = new Heard(handle);
    const steps: Step[] = [{ tools: [call('spawn_agent', { message: 'Look', task_name: 'looker', fork_turns: 'none' })] }, { tools: [call('wait_agent', { timeout_ms: 20_000 })] }, { text: 'It looked.' }];
    await handle.send({ text: scripted('Ask one', ...steps), attachments: [] }, randomUUID());
    expect(await heard.turnEnd()).toMatchObject({ state: 'completed' });
    const inner = heard.of('result').find((result) => result.output === 'inner\n');
    expect(inner?.parent).toMatch(/^agent:/);
    expect(heard.of('text').filter((text) => text.parent === inner?.parent).map((text) => text.text)).toEqual(['I look.', 'There is one.']);
    expect(heard.of('result').find((result) => result.row === inner?.parent)).toMatchObject({ status: 'ok' });
    expect(shown((await handle.history({ limit: 500 })).items)).toEqual(shown(heard.entries));
    heard.dispose();
  } finally {
    await model.close();
  }
});
