import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findExecutable, launchOf, programVersion } from '../../../src/core/systems/local/executable.ts';
import { createProcessLedger } from '../../../src/core/systems/local/ledger.ts';
import { createLineSplitter } from '../../../src/core/systems/local/lines.ts';
import type { AgentProcess, AgentProcessOptions } from '../../../src/core/systems/local/process.ts';
import { startAgentProcess } from '../../../src/core/systems/local/process.ts';
import { descendants, identify, isAlive, parseProcStat, parsePsLine } from '../../../src/core/systems/local/processTree.ts';
import { redact } from '../../../src/core/transport/redact.ts';
import { memoryLog, script, tempFolder, until } from './processScripts.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  folder = await tempFolder();
});
afterAll(() => folder.remove());

async function start(code: string, extra: Partial<AgentProcessOptions> = {}): Promise<AgentProcess & { readonly lines: string[] }> {
  const file = await script(folder.path, `s${Math.random().toString(36).slice(2)}.mjs`, code);
  const lines: string[] = [];
  const agent = await startAgentProcess({
    command: process.execPath, args: [file], cwd: folder.path, env: process.env, log: memoryLog(), ledger: null, label: 'Agent',
    onLine: (line) => lines.push(line), ...extra,
  });
  return Object.assign(agent, { lines });
}

// A child in a session of its own that ignores SIGTERM, as a tool of an agent may be; prints its pid through its parent.
const stubbornTool = `import { spawn } from 'node:child_process';
const tool = spawn(process.execPath, ['-e', "process.on('SIGTERM',()=>{});console.log('up');setInterval(()=>{},1000)"], { detached: true, stdio: ['ignore','pipe','ignore'] });
tool.stdout.once('data', () => console.log(JSON.stringify({ tool: tool.pid })));
setInterval(() => {}, 1000);`;
const toolPid = (agent: { readonly lines: string[] }): Promise<number> =>
  until(() => {
    const line = agent.lines.find((one) => one.includes('"tool"'));
    return line === undefined ? undefined : (JSON.parse(line) as { tool: number }).tool;
  });
async function alive(pid: number): Promise<boolean> {
  return (await identify(pid)) !== null;
}

describe('finding programs', () => {
  it('searches PATH, skips folders and files that may not be executed, and takes absolute paths as they are', async () => {
    const one = path.join(folder.path, 'bin1');
    const two = path.join(folder.path, 'bin2');
    await mkdir(path.join(one, 'agent'), { recursive: true });
    await mkdir(two);
    await writeFile(path.join(one, 'other'), '');
    await writeFile(path.join(two, 'agent'), '#!/bin/sh\necho "agent 3.2.1-beta.4 (x)"\n');
    await chmod(path.join(two, 'agent'), 0o755);
    const env = { PATH: `${one}:relative::${two}` };
    expect(await findExecutable('agent', env)).toBe(path.join(two, 'agent'));
    expect(await findExecutable('other', env)).toBeNull();
    expect(await findExecutable(path.join(two, 'agent'), {})).toBe(path.join(two, 'agent'));
    expect(await findExecutable('./agent', env)).toBeNull();
    expect(await findExecutable('~/bin2/agent', { HOME: folder.path })).toBe(path.join(two, 'agent'));
    expect(await programVersion(path.join(two, 'agent'))).toBe('3.2.1-beta.4');
    expect(await programVersion(path.join(two, 'missing'))).toBeNull();
  });

  it('reads what an npm shim of Windows runs, so that no shell is needed', async () => {
    const shim = path.join(folder.path, 'agent.cmd');
    await writeFile(shim, '@ECHO off\r\n"%_prog%"  "%dp0%\\node_modules\\@x\\agent\\cli.js" %*\r\n');
    const launch = await launchOf(shim, 'win32');
    expect(launch.command).toBe('node');
    expect(launch.prefix[0]).toContain('node_modules\\@x\\agent\\cli.js');
    expect(await launchOf('/usr/bin/agent', 'linux')).toEqual({ command: '/usr/bin/agent', prefix: [] });
  });
});

describe('lines', () => {
  it('keeps characters whole over any cut, drops carriage returns and empty lines, and ends with the last line', () => {
    const bytes = Buffer.from('{"a":"žluťoučký 🐎"}\r\n\n{"b":1}\nlast ✓');
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const lines: string[] = [];
      const splitter = createLineSplitter((line) => lines.push(line), () => expect.unreachable());
      splitter.push(bytes.subarray(0, cut));
      splitter.push(bytes.subarray(cut));
      splitter.end();
      expect(lines).toEqual(['{"a":"žluťoučký 🐎"}', '{"b":1}', 'last ✓']);
    }
  });

  it('leaves a line over the limit out with a coded fault, told once, and goes on after it', () => {
    const lines: string[] = [];
    const faults: string[] = [];
    const splitter = createLineSplitter((line) => lines.push(line), (error) => faults.push(error.code), 10);
    for (const chunk of ['ok\n12345', '67890', '1', '2345\nten bytes!', '\nend']) splitter.push(Buffer.from(chunk));
    splitter.end();
    expect(lines).toEqual(['ok', 'ten bytes!', 'end']);
    expect(faults).toEqual(['line_too_long']);
  });
});

describe('agent processes', () => {
  it('redacts its words also where the pipe cuts a secret in two', async () => {
    const heard: string[] = [];
    const agent = await start(`process.stderr.write('Authorization: Bearer abcdefgh'); setTimeout(() => { process.stderr.write('ijklmnop1234 was refused\\nthe end'); }, 150);`, { onStderr: (text) => heard.push(text) });
    const exit = await agent.exited;
    expect(heard.join('')).toBe('Authorization: Bearer [redacted] was refused\nthe end');
    expect(exit.stderrTail).toBe(heard.join(''));
  });

  it('talks in lines both ways and tells its end with the redacted tail of stderr', async () => {
    const agent = await start(
      `process.stdin.on('data', (d) => process.stdout.write('got ' + d)); process.stdin.on('end', () => { console.error('x'.repeat(20000) + ' token=abcdef123456 ' + process.env.MY_API_KEY); process.exitCode = 3; });`,
      { env: { ...process.env, MY_API_KEY: 'very-private-value' } },
    );
    await agent.write('one');
    await until(() => agent.lines.length === 1);
    await agent.write('two');
    await until(() => agent.lines.length === 2);
    agent.closeStdin();
    const exit = await agent.exited;
    expect(agent.lines).toEqual(['got one', 'got two']);
    expect(exit).toMatchObject({ code: 3, signal: null, expected: false });
    expect(exit.stderrTail).toMatch(/x token=\[redacted\] \[redacted\]$/);
    expect(exit.stderrTail.length).toBeLessThanOrEqual(16 * 1024);
    await expect(agent.write('late')).rejects.toMatchObject({ code: 'process_gone' });
    expect(await agent.stop()).toMatchObject({ step: 'nothing-to-stop' });
  });

  it('gives back-pressure: a write that the agent does not read is not taken', async () => {
    const agent = await start(`setTimeout(() => process.stdin.resume(), 400); setInterval(() => {}, 1000);`);
    const big = 'y'.repeat(4 * 1024 * 1024);
    const before = performance.now();
    await agent.write(big);
    expect(performance.now() - before).toBeGreaterThan(150);
    await agent.stop();
  });

  it('rejects with what is wrong when it cannot start', async () => {
    const base = { args: [], env: process.env, log: memoryLog(), ledger: null, label: 'Agent', onLine: () => undefined };
    await expect(startAgentProcess({ ...base, command: path.join(folder.path, 'none'), cwd: folder.path })).rejects.toMatchObject({ code: 'program_missing' });
    await expect(startAgentProcess({ ...base, command: process.execPath, cwd: path.join(folder.path, 'none') })).rejects.toMatchObject({ code: 'folder_missing' });
    const plain = await script(folder.path, 'plain', 'x');
    await expect(startAgentProcess({ ...base, command: plain, cwd: folder.path })).rejects.toMatchObject({ code: 'program_not_executable' });
  });

  it('outlives a listener that throws', async () => {
    const seen: string[] = [];
    const agent = await start(`console.log('one'); console.log('two');`, {
      onLine: (line) => {
        seen.push(line);
        throw new Error('mistake');
      },
    });
    await agent.exited;
    expect(seen).toEqual(['one', 'two']);
  });

  it('tells its end even when a grandchild holds its stdout open', async () => {
    const agent = await start(`import { spawn } from 'node:child_process';
const g = spawn(process.execPath, ['-e', 'setTimeout(()=>{},20000)'], { detached: true, stdio: ['ignore', 'inherit', 'ignore'] }); g.unref(); console.log(JSON.stringify({ tool: g.pid }));`);
    const tool = await toolPid(agent);
    const before = performance.now();
    await agent.exited;
    expect(performance.now() - before).toBeLessThan(5000);
    if (await alive(tool)) process.kill(tool, 'SIGKILL');
  });
});

describe('stopping', () => {
  it('ends a polite agent with SIGTERM', async () => {
    const agent = await start(`setInterval(() => {}, 1000); console.log('up');`);
    await until(() => agent.lines.length > 0);
    expect(await agent.stop()).toMatchObject({ step: 'terminated' });
    expect(await alive(agent.pid)).toBe(false);
    expect((await agent.exited).expected).toBe(true);
  });

  it('kills one that does not listen, and the tool in a session of its own that it had started; calls join', async () => {
    const agent = await start(`process.on('SIGTERM', () => {});\n${stubbornTool}`);
    const tool = await toolPid(agent);
    const [first, second] = await Promise.all([agent.stop({ graceMs: 200 }), agent.stop({ graceMs: 200 })]);
    expect(first).toMatchObject({ step: 'killed' });
    expect(second).toEqual(first);
    expect(await alive(agent.pid)).toBe(false);
    expect(await alive(tool)).toBe(false);
  });

  it('ends the tool too when the agent itself goes politely', async () => {
    const agent = await start(stubbornTool);
    const tool = await toolPid(agent);
    expect(await agent.stop()).toMatchObject({ step: 'terminated', message: expect.stringContaining('1 process ') });
    expect(await alive(tool)).toBe(false);
  });

  it('an abort ends the wait, not the stopping', async () => {
    const agent = await start(`process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000);`);
    await until(() => agent.lines.length > 0);
    const abort = new AbortController();
    const stop = agent.stop({ graceMs: 300, signal: abort.signal });
    abort.abort();
    await expect(stop).rejects.toMatchObject({ name: 'AbortError' });
    expect((await agent.exited).signal).toBe('SIGKILL');
  });

  it('ends noted tools of an agent that was killed by someone else', async () => {
    const agent = await start(stubbornTool);
    const tool = await toolPid(agent);
    await agent.noteChildren();
    process.kill(agent.pid, 'SIGKILL');
    const exit = await agent.exited;
    expect(exit).toMatchObject({ signal: 'SIGKILL', expected: false });
    expect(await alive(tool)).toBe(false);
  });
});

describe('the ledger', () => {
  // Not through startAgentProcess: a host of its own, as a second window is.
  function bystander(): { readonly pid: number; kill(): void } {
    const child = spawn(process.execPath, ['-e', 'setInterval(()=>{},1000)'], { stdio: 'ignore' });
    return { pid: child.pid ?? -1, kill: () => child.kill('SIGKILL') };
  }
  const note = (record: unknown, change: (record: Record<string, unknown>) => void): string => {
    const copy = structuredClone(record) as Record<string, unknown>;
    change(copy);
    return JSON.stringify(copy);
  };

  it('notes a process while it runs and forgets it at its end', async () => {
    const state = path.join(folder.path, 'state-a');
    const ledger = createProcessLedger(state, memoryLog());
    const agent = await start(`setInterval(() => {}, 1000);`, { ledger, session: 's1' });
    const [name] = await readdir(path.join(state, 'processes'));
    expect(JSON.parse(await readFile(path.join(state, 'processes', name ?? ''), 'utf8'))).toMatchObject({
      process: { pid: agent.pid }, owner: { pid: process.pid }, session: 's1', command: process.execPath,
    });
    expect(await ledger.reapDead()).toMatchObject({ ended: [], kept: 1, forgotten: 0 });
    expect(await alive(agent.pid)).toBe(true);
    await agent.stop();
    expect(await readdir(path.join(state, 'processes'))).toEqual([]);
  });

  it('ends only what a dead host left: not a live owner\'s, not a pid that is another process now, not with an unreadable note', async () => {
    const state = path.join(folder.path, 'state-b');
    const notes = path.join(state, 'processes');
    const ledger = createProcessLedger(state, memoryLog());
    const left = bystander();
    const reused = bystander();
    const kept = bystander();
    const elsewhere = bystander();
    const ids = await Promise.all([left, reused, kept, elsewhere].map(({ pid }) => identify(pid)));
    try {
      const key = await ledger.record({ pid: left.pid, command: 'agent', label: 'Agent', session: null });
      const record: unknown = JSON.parse(await readFile(path.join(notes, key), 'utf8'));
      const deadOwner = { pid: process.pid, start: 'another start' };
      await writeFile(path.join(notes, key), note(record, (one) => (one['owner'] = deadOwner)));
      await writeFile(path.join(notes, 'reused.json'), note(record, (one) => {
        one['owner'] = deadOwner;
        one['process'] = { pid: reused.pid, start: 'another start' };
      }));
      await writeFile(path.join(notes, 'kept.json'), note(record, (one) => (one['process'] = ids[2])));
      await writeFile(path.join(notes, 'elsewhere.json'), note(record, (one) => {
        one['owner'] = deadOwner;
        one['process'] = ids[3];
        one['space'] = { ...(one['space'] as object), namespace: 'pid:[1]' };
      }));
      await writeFile(path.join(notes, 'broken.json'), `{"process":{"pid":${kept.pid}}`);
      const reports = await Promise.all([ledger.reapDead(), createProcessLedger(state, memoryLog()).reapDead()]);
      expect(reports.flatMap((one) => one.ended).every((one) => one.process.pid === left.pid)).toBe(true);
      expect(reports.flatMap((one) => one.ended).length).toBeGreaterThan(0);
      const living = await Promise.all(ids.map(async (one) => one !== null && (await isAlive(one))));
      expect(living).toEqual([false, true, true, true]);
      expect((await readdir(notes)).sort()).toEqual(['elsewhere.json', 'kept.json']);
    } finally {
      for (const one of [left, reused, kept, elsewhere]) one.kill();
    }
  });

  it('ends an agent and its tool after their host was killed', async () => {
    const state = path.join(folder.path, 'state-c');
    const agentFile = await script(folder.path, 'agent-c.mjs', stubbornTool);
    const source = path.resolve(import.meta.dirname, '../../../src/core/systems/local');
    const hostFile = await script(folder.path, 'host.mjs', `
import { startAgentProcess } from ${JSON.stringify(path.join(source, 'process.ts'))};
import { createProcessLedger } from ${JSON.stringify(path.join(source, 'ledger.ts'))};
const log = { trace(){}, debug(){}, info(){}, warn(){}, error(){}, child(){ return log; } };
const agent = await startAgentProcess({ command: process.execPath, args: [${JSON.stringify(agentFile)}], cwd: ${JSON.stringify(folder.path)}, env: process.env,
  log, ledger: createProcessLedger(${JSON.stringify(state)}, log), label: 'Agent', onLine: (line) => console.log(JSON.stringify({ agent: agent?.pid, ...JSON.parse(line) })) });`);
    const host = spawn(process.execPath, [hostFile], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    host.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    const found = await until(() => (text.includes('\n') ? (JSON.parse(text) as { agent: number; tool: number }) : undefined));
    const closed = new Promise((resolve) => {
      host.once('exit', resolve);
    });
    host.kill('SIGKILL');
    await closed;
    expect(await alive(found.agent)).toBe(true);
    const report = await createProcessLedger(state, memoryLog()).reapDead();
    expect(report.ended).toHaveLength(1);
    expect(await alive(found.agent)).toBe(false);
    expect(await alive(found.tool)).toBe(false);
  });
});

describe('small parts', () => {
  it('reads process tables', () => {
    expect(parseProcStat('42 (a) b (c) S 1 7 9 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 123456 1 1')).toEqual({
      pid: 42, parent: 1, group: 7, session: 9, zombie: false, start: '123456',
    });
    expect(parseProcStat('garbage')).toBeNull();
    expect(parsePsLine('  501     1   501 Ss   Mon Jul 14 09:12:33 2025    ')).toEqual({
      pid: 501, parent: 1, group: 501, session: 501, zombie: false, start: 'Mon Jul 14 09:12:33 2025',
    });
  });

  it('finds no descendants of a process that is another one now', async () => {
    expect(await descendants({ pid: process.pid, start: 'another start' })).toEqual([]);
  });

  it('redacts keys, headers, pairs and passwords in addresses, and leaves the rest', () => {
    const text = 'sk-ant-api03-abcdefghij Authorization: Bearer abc.def.ghi "api_key": "zzzzzz" https://me:pass@host/x tokens used: 12 plain words';
    expect(redact(text)).toBe('[redacted] Authorization: Bearer [redacted] "api_key": "[redacted]" https://[redacted]@host/x tokens used: 12 plain words');
  });
});
