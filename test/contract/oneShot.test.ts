import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Entry } from '../../src/core/model/entry.ts';
import type { AgentSession, Sandbox } from '../../src/core/systems/local/one-shot/index.ts';
import { makeSession } from '../../src/core/systems/local/one-shot/index.ts';
import { claudeEnv, codexEnv } from '../loopback/agent-env.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { startOpenAi } from '../loopback/openai.ts';
import type { Step } from '../loopback/script.ts';
import { scripted } from '../loopback/script.ts';
import { agentProgram } from './agents.ts';
import { temporary } from '../unit/local/codexRig.ts';

/** The real agents against models on loopback, a process a turn. */
let bins: { readonly claude: string; readonly codex: string };
let anthropic: Awaited<ReturnType<typeof startAnthropic>>;
let openai: Awaited<ReturnType<typeof startOpenAi>>;
let place: Awaited<ReturnType<typeof temporary>>;
let work = '';

beforeAll(async () => {
  bins = { claude: await agentProgram('claude'), codex: await agentProgram('codex') };
  [anthropic, openai] = await Promise.all([startAnthropic(), startOpenAi()]);
}, 600_000);
afterAll(async () => {
  await Promise.all([anthropic.close(), openai.close()]);
});
beforeEach(async () => {
  place = await temporary();
  work = path.join(place.path, 'new', 'work');
});
afterEach(async () => place.remove());

async function session(backend: 'claude' | 'codex', options: { readonly sandbox?: Sandbox; readonly sessionId?: string } = {}): Promise<AgentSession> {
  const env = backend === 'claude' ? await claudeEnv(anthropic.url, place.path) : await codexEnv(openai.url, place.path);
  return makeSession({ cwd: work, backend, timeoutSec: 60, extraEnv: { ...env, PATH: `${path.dirname(bins[backend])}${path.delimiter}${env['PATH'] ?? ''}` }, ...options });
}
/** One call of the agent's shell. */
function shell(backend: string, command: string): Step {
  return backend === 'claude' ? { tools: [{ name: 'Bash', input: { command, description: 'runs' } }] } : { tools: [{ name: 'exec_command', input: { cmd: command } }] };
}
async function running(marker: string): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.startsWith(`sleep\0${marker}\0`)).length;
}

describe.each(['claude', 'codex'] as const)('%s', (backend) => {
  test('works in a folder that it makes, says what it changed, and goes on with the same session', async () => {
    await using agent = await session(backend);
    expect([agent.backend, agent.sessionId, agent.turnCount, existsSync(work)]).toEqual([backend, null, 0, true]);
    await mkdir(path.join(work, '__pycache__'));
    await writeFile(path.join(work, 'old.txt'), 'old');
    await writeFile(path.join(work, 'same.txt'), 'same');
    const first = await agent.send(scripted('Write', shell(backend, 'mkdir -p sub && echo hi > sub/made.txt && echo more >> old.txt && echo x > __pycache__/x.pyc'), { text: 'Written.' }));
    expect(first).toMatchObject({ ok: true, exitCode: 0, finalMessage: 'Written.', backend, filesCreated: ['__pycache__/x.pyc', 'sub/made.txt'], filesModified: ['old.txt'] });
    expect(first.sessionId).toMatch(/^[0-9a-f-]{36}$/);
    expect(first.cmd[0]).toContain(backend);
    expect(first.durationSec).toBeGreaterThan(0);
    const entries: Entry[] = [];
    const second = await agent.send('And what did I say first?', { onEntry: (entry) => entries.push(entry) });
    expect(second).toMatchObject({ ok: true, sessionId: first.sessionId, filesCreated: [], filesModified: [] });
    expect(agent.turnCount).toBe(2);
    const conversation = JSON.stringify((backend === 'claude' ? anthropic : openai).requests.filter((request) => request.kind === 'turn').at(-1)?.body);
    expect(conversation).toContain('Write');
    expect(entries.filter((entry) => entry.kind === 'text').map((entry) => entry.text)).toEqual([second.finalMessage]);
    expect(entries.at(-1)).toMatchObject({ kind: 'turn', phase: 'end', state: 'completed' });
    await using resumed = await session(backend, { sessionId: first.sessionId ?? '' });
    expect(await resumed.send('Once more')).toMatchObject({ ok: true, sessionId: first.sessionId });
  });

  test('in the read-only sandbox it writes nothing, and the next turn may write again', async () => {
    await using agent = await session(backend, { sandbox: 'read-only' });
    const writes: readonly Step[] = backend === 'claude' ? [{ tools: [{ name: 'Write', input: { file_path: path.join(work, 'no.txt'), content: 'x' } }] }, shell(backend, 'touch no.sh')] : [shell(backend, 'touch no.sh')];
    const refused = await agent.send(scripted('Try', ...writes, { text: 'Tried.' }));
    expect(refused).toMatchObject({ ok: true, filesCreated: [], filesModified: [], finalMessage: 'Tried.' });
    const allowed = await agent.send(scripted('Now', shell(backend, 'touch yes.sh'), { text: 'Did.' }), { sandbox: 'workspace-write' });
    expect(allowed).toMatchObject({ ok: true, filesCreated: ['yes.sh'], sessionId: refused.sessionId });
  });

  test('a time-out says so and leaves nothing running', async () => {
    await using agent = await session(backend);
    const marker = backend === 'claude' ? '8811' : '8822';
    const late = await agent.send(scripted('Wait', shell(backend, `touch begun; sleep ${marker}`), { text: 'no' }), { timeoutSec: 5 });
    expect(late).toMatchObject({ ok: false, exitCode: -1, filesCreated: ['begun'] });
    expect(late.stderr).toContain('timed out after 5 s');
    expect(await running(marker)).toBe(0);
    expect(await agent.send('Still there?')).toMatchObject({ ok: true });
  });

  test("an abort ends it, and a model's refusal is a failed turn", async () => {
    await using agent = await session(backend);
    const marker = backend === 'claude' ? '8833' : '8844';
    const abort = new AbortController();
    const reason = new Error('enough');
    const turn = agent.send(scripted('Wait', shell(backend, `touch begun; sleep ${marker}`), { text: 'no' }), { signal: abort.signal });
    await expect.poll(() => running(marker), { timeout: 15_000 }).toBe(1);
    await expect(agent.send('Another')).rejects.toMatchObject({ code: 'busy' });
    abort.abort(reason);
    await expect(turn).rejects.toBe(reason);
    expect(await running(marker)).toBe(0);
    const failed = await agent.send(scripted('Fail', { error: { status: 400, message: 'That was no good.' } }));
    expect(failed.ok).toBe(false);
    expect(failed.finalMessage).toContain('That was no good.');
  });

  test('a session that is not there is a failed turn in the agent\'s words', async () => {
    await using agent = await session(backend, { sessionId: '01a1f9d6-7206-74c2-bfbf-000000000000' });
    const result = await agent.send('Hello');
    expect(result).toMatchObject({ ok: false, exitCode: 1 });
    expect(result.stderr + result.finalMessage).toMatch(/no rollout found|No conversation found/);
  });
});
