import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createClaudeBackend } from '../../src/core/systems/local/claude/backend.ts';
import { mentionOf } from '../../src/protocol/mention.ts';
import { claudeEnv } from '../loopback/agent-env.ts';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { agentProgram } from './agents.ts';
import { machineId } from './helpers.ts';
import { Observer } from './observer.ts';
import { World } from './world.ts';

let claude = '';
let model: AnthropicEndpoint;
let world: World;
beforeAll(async () => {
  claude = await agentProgram('claude');
  model = await startAnthropic({ script: () => ({ text: 'I have read them.' }) });
  world = await World.make();
}, 600_000);
afterAll(async () => {
  await model?.close();
  await world?.dispose();
});

test('Claude Code itself reads every file that a message names with @, and of lines only those', async () => {
  const files = ['src/plain.ts', 'my notes.md', 'app/[id]/page (1).tsx', 'it’s, really.md', 'größe', '@types/node.d.ts'];
  const work = await world.folder('workspace');
  await mkdir(path.join(work, '.git'));
  for (const [place, file] of files.entries()) {
    await mkdir(path.dirname(path.join(work, file)), { recursive: true });
    await writeFile(path.join(work, file), `first ${place} line\nwanted ${place} line\nlast ${place} line\n`);
  }
  const window = await world.window('local-claude');
  const backend = createClaudeBackend(window.context, { path: claude, env: await claudeEnv(model.url, await world.folder('agent')) });
  const one = new Observer(backend, (await backend.spawn({ machineId, folder: work })).id);
  try {
    await one.handle.send({ text: `Look at ${files.map((file, place) => mentionOf(file, place % 2 === 1 ? '#L2' : '')).join(' and ')}.`, attachments: [] }, crypto.randomUUID());
    await one.until('the turn to end', () => one.ends().length > 0, 60_000);
    const asked = JSON.stringify(model.requests.map((request) => request.body));
    for (const place of files.keys()) {
      expect(asked, files[place]).toContain(`wanted ${place} line`);
      expect(asked.includes(`first ${place} line`), files[place]).toBe(place % 2 === 0);
    }
  } finally {
    one.dispose();
    await backend[Symbol.asyncDispose]();
    window.end();
  }
}, 90_000);
