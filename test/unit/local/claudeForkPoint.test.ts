import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkStart } from '../../../src/core/systems/local/claude/forkPoint.ts';
import { launchArgs } from '../../../src/core/systems/local/claude/launch.ts';
import { promptOf } from '../../../src/core/systems/local/claude/normalise.ts';
import { tempFolder } from './processScripts.ts';

let temp: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  temp = await tempFolder();
});
afterAll(() => temp.remove());

const line = (value: object): string => `${JSON.stringify({ isSidechain: false, sessionId: 's', timestamp: '2026-01-01T00:00:00Z', ...value })}\n`;
const prompt = (uuid: string, parentUuid: string | null, text = uuid): string => line({ parentUuid, type: 'user', uuid, message: { role: 'user', content: text } });
const answer = (uuid: string, parentUuid: string, id = uuid): string => line({ parentUuid, type: 'assistant', uuid, message: { id, role: 'assistant', model: 'm', content: [{ type: 'text', text: `said after ${parentUuid}` }] } });
const note = (uuid: string, parentUuid: string): string => line({ parentUuid, attachment: { type: 'hook_success', hookName: 'x' }, type: 'attachment', uuid });

async function transcript(...lines: string[]): Promise<{ readonly file: string; readonly offset: (uuid: string) => number }> {
  const file = path.join(temp.path, `${crypto.randomUUID()}.jsonl`);
  const text = lines.join('');
  await writeFile(file, text);
  return { file, offset: (uuid) => text.split('\n').slice(0, lines.findIndex((each) => each.includes(`"uuid":"${uuid}"`))).reduce((sum, each) => sum + each.length + 1, 0) };
}

describe('the place in a transcript at which a fork begins', () => {
  it('is the prompt’s line, after the last message before it', async () => {
    const { file, offset } = await transcript(prompt('p1', null), answer('a1', 'p1', 'm1'), answer('a2', 'a1', 'm1'), prompt('p2', 'a2'), answer('a3', 'p2'), prompt('p3', 'a3'));
    expect(await forkStart(file, 'p2')).toEqual({ size: offset('p2'), upTo: 'a2' });
    expect(await forkStart(file, 'p3')).toEqual({ size: offset('p3'), upTo: 'a3' });
    expect(await forkStart(file, 'p1')).toEqual({ size: 0, upTo: null });
  });

  it('passes over what is no message, and follows the chain of the prompt alone', async () => {
    const { file, offset } = await transcript(prompt('p1', null), answer('a1', 'p1'), answer('side', 'p1'), note('n1', 'a1'), note('n2', 'n1'), prompt('p2', 'n2'), answer('a2', 'p2'));
    expect(await forkStart(file, 'p2')).toEqual({ size: offset('p2'), upTo: 'a1' });
  });

  it('is none for what is no prompt that began a turn', async () => {
    const result = line({ parentUuid: 'a1', type: 'user', uuid: 'r1', message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'x' }] } });
    const { file } = await transcript(prompt('p1', null), answer('a1', 'p1'), result, answer('a2', 'r1'));
    for (const uuid of ['r1', 'a1', 'nothing', '']) expect(await forkStart(file, uuid)).toBeNull();
    await expect(forkStart(file, 'p1', AbortSignal.abort())).rejects.toThrow();
  });

  it('has no past where the chain begins outside of the file', async () => {
    const { file } = await transcript(prompt('p2', 'gone'), answer('a2', 'p2'));
    expect(await forkStart(file, 'p2')).toEqual({ size: 0, upTo: null });
  });

  it('is told to the agent, and found by its row', () => {
    const args = launchArgs({ path: 'claude', version: '2.1.0', help: '' }, { mode: 'default', model: null, effort: null, session: { is: 'forked', id: 'i', from: 'f', upTo: 'a2' } });
    expect(args.join(' ')).toContain('--resume f --fork-session --session-id i --resume-session-at a2');
    expect([promptOf('p:u1'), promptOf('t:call')]).toEqual(['u1', '']);
  });
});
