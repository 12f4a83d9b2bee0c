import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandWords } from '../../../src/cli/hebing/exec.ts';
import { worker } from '../../../src/cli/hebing/worker.ts';
import { UsageError } from '../../../src/cli/io.ts';
import { HebingClient } from '../../../src/core/systems/hebing/client.ts';
import type { TestAgent } from '../../loopback/hebing/kernel.ts';
import type { HebingTestServer } from '../../loopback/hebing/server.ts';
import { startHebingServer } from '../../loopback/hebing/server.ts';
import { World } from './happyWorld.ts';

const echo = 'media.echo.v1';
let hebing: HebingTestServer;
let agent: TestAgent;
let caller: HebingClient;
let folder: string;
beforeEach(async () => {
  hebing = await startHebingServer({ leaseMs: 3_000 });
  agent = hebing.newAgent();
  caller = new HebingClient({ apiKey: hebing.newAgent().key, baseUrl: hebing.url });
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse worker-'));
});
afterEach(async () => {
  await caller[Symbol.asyncDispose]();
  await hebing.close();
  await rm(folder, { recursive: true, force: true });
});

const world = (interactive = false): World => new World({ PATH: process.env['PATH'], HOME: folder, CHAOJIYUYAN_API_KEY: agent.key, HEBING_BASE_URL: hebing.url }, interactive);
/** A program of Node's, which is given its own arguments; its path has a space in it. */
const program = async (source: string): Promise<string> => {
  const file = path.join(folder, 'program.mjs');
  await writeFile(file, source);
  return `'${process.execPath}' '${file}'`;
};
const reads = 'let text = \'\'; for await (const part of process.stdin) text += part; const task = JSON.parse(text);';
const jobs = () => [...hebing.kernel.jobs.values()];

describe('pilothouse hebing worker', () => {
  test('echoes without a command, for one job after the other, until Ctrl+C', async () => {
    const io = world();
    const running = worker([echo, '--yes'], io);
    await caller.call(echo, { text: 'one' });
    await io.printed(/: submitted/);
    await caller.call(echo, { text: 'two' });
    await expect.poll(() => jobs().map((job) => job.output), { timeout: 10_000 }).toEqual([{ echo: 'one' }, { echo: 'two' }]);
    await io.printed(/submitted\n.*submitted/s);
    io.interrupt();
    expect(await running).toBe(0);
    expect(io.stdout).toMatch(/^(?:job_\S+: submitted\n){2}$/);
    expect(io.stderr).toContain(`Waiting for jobs of ${echo} at ${hebing.url}`);
    expect(io.stdout + io.stderr).not.toContain(agent.key);
  });

  test('asks before it starts', async () => {
    const no = world(true);
    const refused = worker([echo], no);
    await no.printed(/\[y\/N\] /);
    no.stdin.write('n\n');
    expect(await refused).toBe(0);
    expect(no.stderr).toContain('Nothing was started.');
    expect(hebing.requests).toEqual([]);
    const yes = world(true);
    await caller.call(echo, { text: 'hi' });
    const running = worker([echo, '--once'], yes);
    await yes.printed(/Take jobs of media\.echo\.v1 from http:\S+ and answer them with the built-in echo\?/);
    yes.stdin.write('y\n');
    expect(await running).toBe(0);
    expect(jobs()[0]?.status).toBe('succeeded');
    await expect(worker([echo], world())).rejects.toBeInstanceOf(UsageError);
  });

  test('gives a command the task on stdin, without the key, and submits what it prints', async () => {
    const command = await program(`${reads} console.error('thinking'); console.log(JSON.stringify({ echo: [task.input.text, task.capabilityKey, task.taskRunId.length > 4, process.argv[2], process.env.CHAOJIYUYAN_API_KEY ?? 'no key'].join(' ') }, null, 2));`);
    const io = world();
    await caller.call(echo, { text: 'hi' });
    expect(await worker([echo, '--yes', '--once', '--json', '--exec', `${command} "two words"`], io)).toBe(0);
    expect(jobs()[0]?.output).toEqual({ echo: 'hi  true two words no key'.replace('  ', ` ${echo} `) });
    expect(JSON.parse(io.stdout)).toMatchObject({ jobId: jobs()[0]?.id, capabilityKey: echo });
    expect(io.stderr).toContain('thinking');
  });

  test.each([
    ['ends with another code', 'process.exit(3)', /command_failed: .* ended with code 3/],
    ['prints no JSON', 'console.log("done")', /command_failed: What .* is not one JSON value/],
    ['prints nothing', '', /command_failed/],
  ])('a command that %s submits nothing, and is told', async (_name, source, told) => {
    const io = world();
    await caller.call(echo, { text: 'hi' });
    expect(await worker([echo, '--yes', '--once', '--exec', await program(source)], io)).toBe(0);
    expect(io.stderr).toMatch(told);
    expect(hebing.count('POST', /\/submit$/)).toBe(0);
  });

  test('a command whose lease is lost is ended with all that it started, and nothing is submitted', async () => {
    const pids = path.join(folder, 'pids');
    const command = await program(`import { spawn } from 'node:child_process'; import { writeFileSync } from 'node:fs';
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }); writeFileSync(${JSON.stringify(pids)}, process.pid + ' ' + child.pid); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);`);
    const io = world();
    await caller.call(echo, { text: 'hi' });
    hebing.faults.add('POST', /\/heartbeat$/, { kind: 'drop', when: 'before' }, 1_000);
    expect(await worker([echo, '--yes', '--once', '--exec', command], io)).toBe(0);
    expect(io.stderr).toContain('lease_expired');
    const alive = (await readFile(pids, 'utf8')).split(' ').filter((pid) => {
      try {
        return process.kill(Number(pid), 0);
      } catch {
        return false;
      }
    });
    expect(alive).toEqual([]);
    expect(hebing.count('POST', /\/submit$/)).toBe(0);
  });

  test('the end of the process gives the job up', async () => {
    const io = world();
    await caller.call(echo, { text: 'hi' });
    const running = worker([echo, '--yes', '--exec', await program('setInterval(() => {}, 1000)')], io);
    await io.printed(/: begun/);
    io.terminate();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
    expect(hebing.count('POST', /\/submit$/)).toBe(0);
  });

  test('a relative program is one of this folder; what is missing is said before anything is asked', async () => {
    await expect(worker([echo, '--yes', '--exec', 'no-such-program-here x'], world())).rejects.toMatchObject({ code: 'program_missing' });
    await expect(worker(['--yes'], world())).rejects.toBeInstanceOf(UsageError);
    const { CHAOJIYUYAN_API_KEY: _, ...env } = world().env;
    await expect(worker([echo, '--yes'], new World(env))).rejects.toMatchObject({ code: 'credentials_missing' });
    const file = path.join(folder, 'tool.sh');
    await writeFile(file, '#!/bin/sh\necho \'{"echo":"from a script"}\'\n');
    await chmod(file, 0o700);
    await caller.call(echo, { text: 'hi' });
    const io = world();
    expect(await worker([echo, '--yes', '--once', '--exec', './tool.sh'], Object.assign(io, { cwd: folder }))).toBe(0);
    expect(jobs()[0]?.output).toEqual({ echo: 'from a script' });
  });
});

describe('--exec is cut into words as a shell would, and no more', () => {
  test.each([
    ['run', ['run']],
    ['  run  a\tb ', ['run', 'a', 'b']],
    ['run "a b" \'c "d"\' e"f g"h', ['run', 'a b', 'c "d"', 'ef gh']],
    ['run a\\ b "c\\"d" \'e\\f\' ""', ['run', 'a b', 'c"d', 'e\\f', '']],
    ['run $HOME * ~ "a | b" --x=1', ['run', '$HOME', '*', '~', 'a | b', '--x=1']],
  ])('%s', (given, words) => {
    expect(commandWords(given, 'linux')).toEqual(words);
  });
  test('on Windows a backslash is one', () => {
    expect(commandWords('C:\\tools\\run.exe "C:\\a b\\c"', 'win32')).toEqual(['C:\\tools\\run.exe', 'C:\\a b\\c']);
  });
  test.each(['', '   ', '"open', 'a | b', 'a && b', 'a; b', 'a > b', '"" x', 'echo `id`'])('%j is refused', (given) => {
    expect(() => commandWords(given, 'linux')).toThrow(UsageError);
  });
});
