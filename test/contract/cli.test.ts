import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { localConnections } from '../../src/core/systems/local/index.ts';
import { claudeVariables, codexEnv } from '../loopback/agent-env.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { startOpenAi } from '../loopback/openai.ts';
import type { Step } from '../loopback/script.ts';
import { scripted } from '../loopback/script.ts';
import { contextIn, Heard, temporary } from '../unit/local/codexRig.ts';
import { agentProgram } from './agents.ts';

/** The command itself, as a process, over the real agents. */
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
let bins: { readonly claude: string; readonly codex: string };
let anthropic: Awaited<ReturnType<typeof startAnthropic>>;
let openai: Awaited<ReturnType<typeof startOpenAi>>;
let place: Awaited<ReturnType<typeof temporary>>;
let env: NodeJS.ProcessEnv;
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
  work = await place.folder('work');
  const both = { ...(await codexEnv(openai.url, place.path)), ...(await claudeVariables(anthropic.url, place.path)) };
  env = { ...both, PATH: [path.dirname(bins.claude), path.dirname(bins.codex), both['PATH'] ?? ''].join(path.delimiter) };
});
afterEach(async () => place.remove());

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** Runs `pilothouse local …`; each cue is a text to wait for and the line to type then. */
function pilothouse(args: readonly string[], cues: readonly (readonly [string, string])[] = []): Promise<Ran> {
  const child = spawn(process.execPath, [main, 'local', ...args], { cwd: work, env });
  const left = [...cues];
  let stdout = '';
  let stderr = '';
  const look = (): void => {
    const [next] = left;
    if (next === undefined || !(stdout + stderr).includes(next[0])) return;
    left.shift();
    child.stdin.write(`${next[1]}\n`);
    if (left.length === 0) child.stdin.end();
  };
  child.stdout.on('data', (part: Buffer) => {
    stdout += part.toString('utf8');
    look();
  });
  child.stderr.on('data', (part: Buffer) => {
    stderr += part.toString('utf8');
    look();
  });
  if (cues.length === 0) child.stdin.end();
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}
/** One call of the agent's shell; `asking` for more than the mode allows. */
function command(agent: string, line: string, asking = false): Step {
  if (agent === 'claude') return { tools: [{ name: 'Bash', input: { command: line, description: 'runs' } }] };
  return { tools: [{ name: 'exec_command', input: { cmd: line, ...(asking ? { sandbox_permissions: 'require_escalated', justification: 'please' } : {}) } }] };
}

describe('pilothouse local', () => {
  test('agents are ready', async () => {
    const { code, stdout } = await pilothouse(['agents', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ agent: 'claude', status: 'ready' }, { agent: 'codex', status: 'ready' }]);
  });

  test.each(['claude', 'codex'])('send with %s', async (backend) => {
    const sent = await pilothouse(['send', scripted('Write', command(backend, 'echo hi > made.txt'), { text: 'Written.' }), '--backend', backend, '--sandbox', 'danger-full-access', '--json']);
    expect(sent).toMatchObject({ code: 0, stderr: '' });
    const result = JSON.parse(sent.stdout) as { readonly sessionId: string };
    expect(result).toMatchObject({ ok: true, finalMessage: 'Written.', filesCreated: ['made.txt'] });
    const again = await pilothouse(['send', 'And again', '--backend', backend, '--resume', result.sessionId]);
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('You said: And again');
  });

  test.each(['claude', 'codex'])('chat with %s asks and streams', async (agent) => {
    const ran = await pilothouse(['chat', '--agent', agent], [
      ['Session ', scripted('Do it', { text: 'I will.', ...command(agent, 'touch asked.txt', true) }, { text: 'It is done.' })],
      ['[y]es', 'yes'],
      ['It is done.', 'And goodbye'],
    ]);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('I will.\n• ');
    expect(ran.stdout).toContain('You said: And goodbye');
    expect(existsSync(path.join(work, 'asked.txt'))).toBe(true);
  });

  test.each(['claude', 'codex'])('what a window runs with %s is not run a second time, until the window has let it go', async (agent) => {
    const connection = localConnections({ agents: [], env, program: 'a VS Code window' }).find((one) => one.connectionId === `local-${agent}`);
    if (connection === undefined) throw new Error('no connection');
    await using window = connection.create({ ...contextIn(place.path), connectionId: connection.connectionId });
    const handle = window.session((await window.spawn({ machineId: 'this-computer', folder: work })).id);
    const heard = new Heard(handle);
    await handle.send({ text: 'The window says this', attachments: [] }, randomUUID());
    await heard.turnEnd();
    const refusal = new RegExp(`^(?:Session .*\n)?A VS Code window \\(process ${process.pid}\\) runs this session: .*\n$`);
    const chat = await pilothouse(['chat', '--agent', agent, '--resume', handle.id], [['Session ', 'And the terminal this']]);
    expect(chat).toMatchObject({ code: 1, stderr: expect.stringMatching(refusal) });
    const sent = await pilothouse(['send', 'And again', '--backend', agent, '--resume', handle.id]);
    expect(sent).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(refusal) });
    await handle.stop();
    const after = await pilothouse(['send', 'And again', '--backend', agent, '--resume', handle.id]);
    expect(after).toMatchObject({ code: 0 });
    heard.dispose();
  });
});
