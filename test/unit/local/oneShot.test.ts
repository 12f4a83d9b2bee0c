import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALL_BACKENDS, AgentError, makeSession, pickBackend, registerBackend } from '../../../src/core/systems/local/one-shot/index.ts';
import type { AgentSession, SessionOptions } from '../../../src/core/systems/local/one-shot/index.ts';
import { compareSnapshots, takeSnapshot } from '../../../src/core/systems/local/one-shot/snapshot.ts';
import { identify } from '../../../src/core/systems/local/processTree.ts';
import { temporary } from './codexRig.ts';

let place: Awaited<ReturnType<typeof temporary>>;
beforeEach(async () => {
  place = await temporary();
});
afterEach(async () => place.remove());

/** A session whose `claude` and `codex` are that script of Node. */
async function agent(script: string, options: Partial<SessionOptions> = {}): Promise<AgentSession> {
  const bin = await place.folder('bin');
  for (const name of ['claude', 'codex']) {
    await writeFile(path.join(bin, name), `#!${process.execPath}\n${script}\n`);
    await chmod(path.join(bin, name), 0o755);
  }
  return makeSession({ cwd: path.join(place.path, 'work'), backend: 'claude', timeoutSec: 20, extraEnv: { HOME: place.path, PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}` }, ...options });
}
/** Prints how it was called as Claude's result. */
const echo = `let input=''; process.stdin.on('data',(d)=>input+=d).on('end',()=>console.log(JSON.stringify({type:'result',is_error:false,session_id:'01a1f9d6-7206-74c2-bfbf-000000000001',result:JSON.stringify({args:process.argv.slice(2),input,cwd:process.cwd(),extra:process.env.EXTRA,code:process.env.VSCODE_PID,inside:process.env.CLAUDECODE})})));`;

describe('choosing a backend', () => {
  it('an explicit one wins over the variable, the variable over chance', () => {
    process.env['PILOTHOUSE_TEST_BACKEND'] = 'CoDeX';
    try {
      expect(pickBackend({ envVar: 'PILOTHOUSE_TEST_BACKEND', rng: () => 0 })).toBe('codex');
      expect(makeSession({ cwd: place.path, envVar: 'PILOTHOUSE_TEST_BACKEND' }).backend).toBe('codex');
      expect(makeSession({ cwd: place.path, envVar: 'PILOTHOUSE_TEST_BACKEND', backend: 'claude' }).backend).toBe('claude');
      process.env['PILOTHOUSE_TEST_BACKEND'] = 'clod';
      expect(() => pickBackend({ envVar: 'PILOTHOUSE_TEST_BACKEND' })).toThrow(/PILOTHOUSE_TEST_BACKEND names "clod", which is no backend: use claude, codex/);
    } finally {
      delete process.env['PILOTHOUSE_TEST_BACKEND'];
    }
    expect(pickBackend({ envVar: 'PILOTHOUSE_TEST_BACKEND', rng: () => 0 })).toBe('claude');
  });

  it('chance is even over all of them, and stays within them', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (number) => {
      expect(pickBackend({ rng: () => number })).toBe(ALL_BACKENDS[Math.floor(number * ALL_BACKENDS.length)]);
    }));
    expect(() => pickBackend({ rng: () => 1 })).toThrow(AgentError);
  });

  it('a backend of one\'s own is listed and used', () => {
    const mine: AgentSession = { cwd: '/', sessionId: null, turnCount: 0, backend: 'mine', send: () => Promise.reject(new Error('not here')), [Symbol.asyncDispose]: () => Promise.resolve() };
    registerBackend('mine', (options) => ({ ...mine, cwd: options.cwd }));
    expect(ALL_BACKENDS).toEqual(['claude', 'codex', 'mine']);
    expect(makeSession({ cwd: place.path, backend: 'mine' }).cwd).toBe(place.path);
    for (const name of ['mine', 'Claude', '']) expect(() => registerBackend(name, () => mine)).toThrow(AgentError);
  });

  it('what makes no sense is refused at once', () => {
    const make = (options: Partial<SessionOptions>) => () => makeSession({ cwd: place.path, backend: 'claude', ...options });
    expect(make({ backend: 'nobody' })).toThrow(expect.objectContaining({ code: 'unknown_backend' }) as Error);
    for (const bad of [{ cwd: '' }, { timeoutSec: 0 }, { timeoutSec: Number.NaN }, { sandbox: 'read-write' as 'read-only' }]) expect(make(bad)).toThrow(expect.objectContaining({ code: 'invalid_argument' }) as Error);
  });
});

describe('a turn', () => {
  it('hands over the prompt by stdin, the folder, the model, the sandbox and what was added', async () => {
    await using one = await agent(echo, { model: 'm1', extraArgs: ['--verbose'], extraEnv: { HOME: place.path, EXTRA: 'yes', VSCODE_PID: '1', CLAUDECODE: '1', PATH: `${path.join(place.path, 'bin')}${path.delimiter}${process.env['PATH'] ?? ''}` } });
    const prompt = '--not-a-flag\n"quoted" $HOME ü';
    const first = await one.send(prompt, { sandbox: 'read-only' });
    const called = JSON.parse(first.finalMessage) as { readonly args: readonly string[]; readonly input: string; readonly cwd: string; readonly extra: string };
    expect(called).toMatchObject({ input: `${prompt}\n`, cwd: path.join(place.path, 'work'), extra: 'yes' });
    expect(called).not.toHaveProperty('code');
    expect(called).not.toHaveProperty('inside');
    expect(called.args).toEqual(['-p', '--output-format', 'json', '--model', 'm1', '--allowedTools', 'Read,Glob,Grep,WebFetch,WebSearch', '--disallowedTools', expect.stringContaining('Bash,'), '--dangerously-skip-permissions', '--verbose']);
    const second = JSON.parse((await one.send('again')).finalMessage) as { readonly args: readonly string[] };
    expect(second.args).toEqual(['-p', '--output-format', 'json', '--resume', '01a1f9d6-7206-74c2-bfbf-000000000001', '--model', 'm1', '--dangerously-skip-permissions', '--verbose']);
  });

  it('is_error makes a success of Claude a failure', async () => {
    await using one = await agent(`console.log(JSON.stringify({type:'result',subtype:'success',is_error:true,session_id:'01a1f9d6-7206-74c2-bfbf-000000000001',result:'Not logged in'}));process.exit(1)`);
    expect(await one.send('x')).toMatchObject({ ok: false, exitCode: 1, finalMessage: 'Not logged in', sessionId: '01a1f9d6-7206-74c2-bfbf-000000000001' });
  });

  it('output that is not the format is an error that carries it', async () => {
    await using one = await agent(`console.log('Segmentation'); console.error('oops'); process.exit(0)`);
    await expect(one.send('x')).rejects.toMatchObject({ code: 'unreadable_output', output: 'Segmentation\n', stderr: 'oops\n' });
    await using two = await agent(`console.log(JSON.stringify({type:'thread.started',thread_id:'01a1f9d6-7206-74c2-bfbf-000000000000'})); console.log('not json')`, { backend: 'codex' });
    await expect(two.send('x')).rejects.toMatchObject({ code: 'unreadable_output', output: expect.stringContaining('not json') as string });
  });

  it('a program that only complains is a failed turn with its complaint', async () => {
    await using one = await agent(`console.error("error: unknown option '--verbose'"); process.exit(1)`);
    expect(await one.send('x')).toMatchObject({ ok: false, exitCode: 1, stderr: "error: unknown option '--verbose'\n", finalMessage: '', raw: null });
  });

  it('a program that ignores SIGTERM, and what it started in a session of its own, are dead after a time-out', async () => {
    const script = `
      process.on('SIGTERM', () => {});
      const child = require('node:child_process').spawn('sleep', ['8855'], { detached: true, stdio: 'ignore' });
      require('node:fs').writeFileSync('pids', process.pid + ' ' + child.pid);
      setInterval(() => {}, 1000);`;
    await using one = await agent(script);
    const result = await one.send('x', { timeoutSec: 1 });
    expect(result).toMatchObject({ ok: false, exitCode: -1, filesCreated: ['pids'], stderr: 'timed out after 1 s\n' });
    const pids = (await readFile(path.join(one.cwd, 'pids'), 'utf8')).split(' ').map(Number);
    expect(await Promise.all(pids.map((pid) => identify(pid)))).toEqual([null, null]);
  });

  it('another one at the same time is refused, disposing ends the one that runs, and an empty prompt starts none', async () => {
    const one = await agent('setInterval(() => {}, 1000)');
    const turn = one.send('x');
    await expect(one.send('y')).rejects.toMatchObject({ code: 'busy' });
    const ended = expect(turn).rejects.toMatchObject({ name: 'AbortError' });
    await one[Symbol.asyncDispose]();
    await ended;
    await expect(one.send('  ')).rejects.toMatchObject({ code: 'invalid_argument' });
    expect(one.turnCount).toBe(0);
  });

  it('two handles of one session have one turn at a time between them', async () => {
    const sessionId = '01a1f9d6-7206-74c2-bfbf-00000000000b';
    const script = `const fs = require('node:fs'); fs.writeFileSync('started', ''); const look = setInterval(() => { if (!fs.existsSync('go')) return; clearInterval(look); console.log(JSON.stringify({type:'result',is_error:false,session_id:'${sessionId}',result:'done'})); }, 20);`;
    await using one = await agent(script, { sessionId });
    await using two = await agent(script, { sessionId: sessionId.toUpperCase() });
    const turn = one.send('x');
    const started = path.join(one.cwd, 'started');
    for (const end = performance.now() + 10_000; !existsSync(started) && performance.now() < end; ) await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    await rm(started);
    await expect(two.send('y', { timeoutSec: 3 })).rejects.toMatchObject({ code: 'busy' });
    expect(existsSync(started)).toBe(false);
    await writeFile(path.join(one.cwd, 'go'), '');
    expect(await turn).toMatchObject({ ok: true });
    expect(await two.send('y')).toMatchObject({ ok: true });
  });

  it('a time-out that is longer than a timer runs is no time-out at once', async () => {
    await using one = await agent(`setTimeout(() => { console.log(JSON.stringify({type:'result',is_error:false,session_id:'01a1f9d6-7206-74c2-bfbf-00000000000c',result:'done'})); }, 100);`, { timeoutSec: 1e12 });
    for (const timeoutSec of [undefined, 2_147_484, Number.MAX_VALUE]) expect(await one.send('x', timeoutSec === undefined ? {} : { timeoutSec })).toMatchObject({ ok: true, finalMessage: 'done' });
  });

  it('a missing program is said, with how to install it', async () => {
    const one = makeSession({ cwd: path.join(place.path, 'work'), backend: 'codex', extraEnv: { HOME: place.path, PATH: place.path } });
    await expect(one.send('x')).rejects.toMatchObject({ code: 'not_installed', personMustAct: true, message: expect.stringContaining('npm install -g @openai/codex') as string });
  });

  it('an id to resume that is no UUID reaches no agent', async () => {
    for (const backend of ['claude', 'codex']) {
      for (const sessionId of ['my session', '-x', '']) {
        await using named = await agent(`require('node:fs').writeFileSync('started', '')`, { backend, sessionId });
        await expect(named.send('x')).rejects.toMatchObject({ code: 'invalid_argument' });
        await expect(readFile(path.join(named.cwd, 'started'))).rejects.toMatchObject({ code: 'ENOENT' });
      }
    }
  });
});

describe('the snapshot', () => {
  it('sees every file, hidden and deep, follows links to files and not to folders', async () => {
    const root = await place.folder('tree');
    await mkdir(path.join(root, 'a', 'b'), { recursive: true });
    await mkdir(path.join(root, '.git'));
    for (const name of ['a/b/deep.txt', '.git/HEAD', 'top.txt']) await writeFile(path.join(root, name), name);
    await symlink(root, path.join(root, 'a', 'circle'));
    await symlink(path.join(root, 'top.txt'), path.join(root, 'link.txt'));
    await symlink(path.join(root, 'nowhere'), path.join(root, 'broken'));
    const before = await takeSnapshot(root);
    expect([...before.keys()].sort()).toEqual(['.git/HEAD', 'a/b/deep.txt', 'link.txt', 'top.txt']);
    await writeFile(path.join(root, 'a', 'new.txt'), 'n');
    await utimes(path.join(root, '.git/HEAD'), new Date(1000), new Date(1000));
    expect(compareSnapshots(before, await takeSnapshot(root))).toEqual({ created: ['a/new.txt'], modified: ['.git/HEAD'] });
  });
});
