import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Writable } from 'node:stream';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cliContext, FileKeep, stateFolder } from '../../../src/cli/context.ts';
import type { CliIo } from '../../../src/cli/io.ts';
import { LineReader, plainLine, plainText, readAll } from '../../../src/cli/io.ts';
import { runLocal } from '../../../src/cli/local.ts';
import { run } from '../../../src/cli/main.ts';
import { localConnections } from '../../../src/core/systems/local/index.ts';
import { identify } from '../../../src/core/systems/local/processTree.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-cli-'));
  await mkdir(path.join(folder, 'bin'));
  await mkdir(path.join(folder, 'work'));
});
afterEach(async () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));

/** The command's world: a folder, what it printed, and lines that are typed when something was printed. */
class World implements CliIo {
  readonly stdin = new PassThrough();
  readonly interactive = false;
  readonly program = 'pilothouse';
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  private readonly end = new AbortController();
  readonly ending = this.end.signal;
  stdout = '';
  stderr = '';
  private readonly listeners = new Set<() => void>();
  private readonly cues: { readonly after: string; readonly type: string | null; from: number }[] = [];

  constructor(env: NodeJS.ProcessEnv = {}) {
    this.cwd = path.join(folder, 'work');
    this.env = { PATH: `${path.join(folder, 'bin')}${path.delimiter}${process.env['PATH'] ?? ''}`, HOME: folder, XDG_STATE_HOME: path.join(folder, 'state'), ...env };
  }

  out(text: string): void {
    this.stdout += text;
    this.cue();
  }
  err(text: string): void {
    this.stderr += text;
    this.cue();
  }
  onInterrupt(listener: () => void): { dispose(): void } {
    this.listeners.add(listener);
    return { dispose: () => void this.listeners.delete(listener) };
  }
  interrupt(): void {
    for (const listener of this.listeners) listener();
  }

  terminate(): void {
    this.end.abort();
  }

  /** Types a line (null: ends the input) as soon as `after` is printed, one cue after the other. */
  when(after: string, type: string | null): this {
    this.cues.push({ after, type, from: 0 });
    return this;
  }

  private cue(): void {
    const [next, following] = this.cues;
    const printed = this.stdout + this.stderr;
    if (next === undefined || !printed.slice(next.from).includes(next.after)) return;
    this.cues.shift();
    if (following !== undefined) following.from = 0;
    queueMicrotask(() => (next.type === null ? this.stdin.end() : this.stdin.write(`${next.type}\n`)));
  }
}

async function program(name: string, script: string): Promise<void> {
  const file = path.join(folder, 'bin', name);
  await writeFile(file, `#!${process.execPath}\n${script}\n`);
  await chmod(file, 0o755);
}
const claude = `let input='';process.stdin.on('data',(d)=>input+=d).on('end',()=>{require('node:fs').writeFileSync('made.txt','x');console.log(JSON.stringify({type:'result',is_error:input.includes('fail'),session_id:'s1',result:'\\u001b[31mYou said '+input.trim()+' '+process.argv.slice(2).join(' ')}))});`;

describe('usage', () => {
  it('help is no mistake, anything else that makes no sense is one line and exit 2', async () => {
    const help = new World();
    expect(await run(['--help'], help)).toBe(0);
    expect(help.stdout).toContain('pilothouse local send PROMPT');
    for (const argv of [['local', '--help'], ['local', 'send', '--help'], ['local', 'chat', '--agent', 'codex', '-h'], ['local', 'agents', '--help']]) {
      const asked = new World();
      expect(await run(argv, asked), argv.join(' ')).toBe(0);
      expect(asked.stdout).toContain('pilothouse local chat');
    }
    for (const argv of [[], ['nonsense'], ['toString'], ['local'], ['local', 'frob'], ['local', 'send'], ['local', 'send', 'a', 'b'], ['local', 'send', 'x', '--sandbox', 'loose'], ['local', 'send', 'x', '--timeout', 'soon'], ['local', 'send', 'x', '--backend', 'nobody'], ['local', 'send', '   ', '--backend', 'claude'], ['local', 'chat', '--agent', 'nobody'], ['local', 'chat', '--resume', 'x', '--cwd', '.'], ['local', 'agents', '--frob'], ['local', 'agents', '--agents', '/nowhere.json']]) {
      const world = new World();
      await program('claude', claude);
      expect(await run(argv, world), argv.join(' ')).toBe(2);
      expect(world.stdout).toBe('');
      if (argv.length > 1) expect(world.stderr.trimEnd().split('\n'), argv.join(' ')).toHaveLength(1);
      expect(world.stderr).not.toMatch(/\n\s+at /);
    }
  });
});

describe('send', () => {
  it('prints the last message, tells the files, and hands the options on', async () => {
    await program('claude', claude);
    const world = new World();
    expect(await runLocal(['send', 'hello', '--backend', 'claude', '--model', 'm1', '--resume', '01a1f9d6-7206-74c2-bfbf-000000000002', '--sandbox', 'workspace-write'], world)).toBe(0);
    expect(world.stdout).toBe('You said hello -p --output-format json --resume 01a1f9d6-7206-74c2-bfbf-000000000002 --model m1 --dangerously-skip-permissions\n');
    expect(world.stderr).toBe('created made.txt\n');
  });

  it('takes the prompt from stdin, works where it is told to, and prints the whole result as JSON', async () => {
    await program('claude', claude);
    const world = new World({ PILOTHOUSE_BACKEND: 'Claude' });
    world.stdin.end('from stdin');
    expect(await runLocal(['send', '-', '--cwd', 'deeper', '--json'], world)).toBe(0);
    expect(JSON.parse(world.stdout)).toMatchObject({ ok: true, exitCode: 0, backend: 'claude', sessionId: 's1', filesCreated: ['made.txt'], filesModified: [], stdout: expect.stringContaining('from stdin') as string });
    expect(world.stderr).toBe('');
    expect(await readFile(path.join(folder, 'work', 'deeper', 'made.txt'), 'utf8')).toBe('x');
  });

  it('a turn that fails, times out or cannot be read is one line and exit 1', async () => {
    await program('claude', claude);
    const failed = new World();
    expect(await runLocal(['send', 'fail', '--backend', 'claude', '--json'], failed)).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ ok: false });
    expect(failed.stderr).toMatch(/^claude: You said fail .*\n$/);
    await program('claude', 'setInterval(()=>{},1000)');
    const late = new World();
    expect(await runLocal(['send', 'x', '--backend', 'claude', '--timeout', '0.5'], late)).toBe(1);
    expect(late.stderr).toBe('claude: timed out after 0.5 s\n');
    await program('claude', 'console.log("what?")');
    const garbled = new World();
    expect(await runLocal(['send', 'x', '--backend', 'claude'], garbled)).toBe(1);
    expect(garbled.stderr).toMatch(/^Claude Code printed what is not its format.*\n$/);
    const missing = new World({ PATH: path.join(folder, 'empty') });
    expect(await runLocal(['send', 'x'], missing)).toBe(1);
    expect(missing.stderr).toMatch(/^Neither Claude Code nor Codex .*@anthropic-ai\/claude-code, or npm install -g @openai\/codex; .*local chat --agents FILE --agent NAME\n$/);
    for (const [args, code, line] of [[['chat'], 1, /^Neither Claude Code nor Codex .*--agents FILE --agent NAME\.\n$/], [['chat', '--agent', 'Gemini'], 2, /^There is no agent "Gemini": use claude, codex, or name a file that has it with --agents\.\n$/]] as const) {
      const world = new World({ PATH: path.join(folder, 'empty') });
      expect([await runLocal(args, world), world.stderr]).toEqual([code, expect.stringMatching(line)]);
    }
  });

  it('the environment may name the backend: nothing is no name, and another name is wrong usage', async () => {
    await program('codex', 'process.exit(3)');
    const only = path.join(folder, 'bin');
    const empty = new World({ PATH: only, PILOTHOUSE_BACKEND: ' ' });
    expect(await runLocal(['send', 'x'], empty)).toBe(1);
    expect(empty.stderr).toMatch(/^codex/);
    const wrong = new World({ PATH: only, PILOTHOUSE_BACKEND: 'clod' });
    expect(await runLocal(['send', 'x'], wrong)).toBe(2);
    expect(wrong.stderr).toBe('PILOTHOUSE_BACKEND names "clod", which is no backend: use claude, codex.\n');
  });

  it('Ctrl+C ends the turn', async () => {
    await program('claude', `require('node:fs').writeFileSync('begun', String(process.pid)); setInterval(()=>{},1000)`);
    const world = new World();
    const done = runLocal(['send', 'x', '--backend', 'claude'], world);
    await expect.poll(() => stat(path.join(folder, 'work', 'begun')).then(() => true, () => false), { timeout: 10_000 }).toBe(true);
    world.interrupt();
    expect(await done).toBe(1);
    expect(world.stderr).toBe('Cancelled.\n');
  });
});

describe('agents', () => {
  it('tells each one, its state and what to do', async () => {
    const world = new World({ PATH: path.join(folder, 'bin') });
    expect(await runLocal(['agents', '--json'], world)).toBe(0);
    expect(JSON.parse(world.stdout)).toMatchObject([{ agent: 'claude', status: 'not-installed' }, { agent: 'codex', status: 'not-installed', remedy: { command: 'npm install -g @openai/codex' } }]);
    expect(world.stderr).toBe('');
    const read = new World({ PATH: path.join(folder, 'bin') });
    expect(await runLocal(['agents'], read)).toBe(0);
    expect(read.stdout.split('\n')[1]).toBe('codex\tnot-installed\tCodex is not installed: there is no codex on PATH.\tnpm install -g @openai/codex (if it is there already, add its folder to PATH)');
  });

  it('a file of agents that is not one is refused in one line', async () => {
    const file = path.join(folder, 'agents.json');
    await writeFile(file, '[{"name":"x"}]');
    const world = new World({ PILOTHOUSE_AGENTS: file });
    expect(await runLocal(['agents'], world)).toBe(2);
    expect(world.stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('chat', () => {
  const demo = fileURLToPath(new URL('../../demo/agent.ts', import.meta.url));
  async function demoWorld(): Promise<World> {
    const file = path.join(folder, 'agents.json');
    await writeFile(file, JSON.stringify([{ name: 'Demo', command: process.execPath, args: [demo] }]));
    await writeFile(path.join(folder, 'work', 'notes.txt'), 'one\ntwo\nthree\n');
    return new World({ PILOTHOUSE_AGENTS: file, PILOTHOUSE_DEMO_STATE: path.join(folder, 'demo') });
  }

  it('streams answers, asks before a command, takes a no, and ends with the input', async () => {
    const world = await demoWorld();
    world.when('Session ', 'thanks').when('welcome', 'run touch allowed.txt').when('[y]es', 'maybe').when('[y]es', 'y').when('ended', 'run touch refused.txt').when('refused.txt\n', 'no use another name').when('not run', null);
    expect(await runLocal(['chat', '--agent', 'demo'], world)).toBe(0);
    expect(world.stdout).toContain('welcome');
    expect(world.stderr).toContain('touch allowed.txt');
    expect(await stat(path.join(folder, 'work', 'allowed.txt')).then(() => true, () => false)).toBe(true);
    expect(await stat(path.join(folder, 'work', 'refused.txt')).then(() => true, () => false)).toBe(false);
  }, 60_000);

  it('answers questions by number or in words, goes on with a session, and gives entries as JSON', async () => {
    const first = await demoWorld();
    first.when('Session ', 'ask me something').when('? ', '1').when('? ', 'The tide is out.').when('The tide is out.\n', null);
    expect(await runLocal(['chat', '--agent', 'Demo'], first)).toBe(0);
    expect(first.stdout).toContain('The tide is out');
    const id = /Session (\S+)/.exec(first.stderr)?.[1] ?? '';
    const second = await demoWorld();
    second.stdin.end('thanks\n/quit\nnever\n');
    expect(await runLocal(['chat', '--agent', 'Demo', '--resume', id, '--json'], second)).toBe(0);
    const entries = second.stdout.trim().split('\n').map((line) => JSON.parse(line) as { readonly kind: string; readonly text?: string });
    expect(entries.some((entry) => entry.kind === 'text' && entry.text?.includes('welcome') === true)).toBe(true);
    expect(second.stdout).not.toContain('never');
  }, 60_000);

  it('Ctrl+C interrupts the turn, and without one ends the chat', async () => {
    const world = await demoWorld();
    world.when('Session ', 'write 400 words at 40 words per second');
    const done = runLocal(['chat', '--agent', 'Demo'], world);
    await expect.poll(() => world.stdout.length, { timeout: 20_000 }).toBeGreaterThan(40);
    world.interrupt();
    await expect.poll(() => world.stderr, { timeout: 20_000 }).toContain('Interrupted.');
    world.interrupt();
    expect(await done).toBe(0);
  }, 60_000);

  it('a session that is gone on with takes the settings that are asked for, and refuses those that it has not', async () => {
    const first = await demoWorld();
    first.when('Session ', 'thanks').when('welcome', null);
    expect(await runLocal(['chat', '--agent', 'Demo'], first)).toBe(0);
    const id = /Session (\S+)/.exec(first.stderr)?.[1] ?? '';
    const second = await demoWorld();
    second.stdin.end('run touch planned.txt\n');
    expect(await runLocal(['chat', '--agent', 'Demo', '--resume', id, '--mode', 'plan'], second)).toBe(0);
    expect(second.stderr).not.toContain('[y]es');
    expect(await stat(path.join(folder, 'work', 'planned.txt')).then(() => true, () => false)).toBe(false);
    const third = await demoWorld();
    third.stdin.end('thanks\n');
    expect(await runLocal(['chat', '--agent', 'Demo', '--resume', id, '--mode', 'reckless'], third)).toBe(2);
    expect(third.stdout).toBe('');
    expect(third.stderr.trimEnd().split('\n')).toHaveLength(1);
  }, 60_000);

  it('what an agent takes back waits for no line: that is the next prompt', async () => {
    const world = await demoWorld();
    world.when('Session ', 'run touch never.txt');
    const done = runLocal(['chat', '--agent', 'Demo'], world);
    await expect.poll(() => world.stderr, { timeout: 20_000 }).toContain('[y]es');
    expect(world.stderr).not.toContain('[s]ession');
    world.interrupt();
    await expect.poll(() => world.stderr, { timeout: 20_000 }).toContain('Interrupted.');
    world.stdin.end('thanks\n');
    expect(await done).toBe(0);
    expect(world.stdout).toContain('welcome');
    expect(await stat(path.join(folder, 'work', 'never.txt')).then(() => true, () => false)).toBe(false);
  }, 60_000);

  it('the reason of a refusal reaches an agent that takes none with the answer, before the next line and before the end', async () => {
    const world = await demoWorld();
    world.when('Session ', 'run touch never.txt').when('[y]es', 'n thanks');
    const done = runLocal(['chat', '--agent', 'Demo'], world);
    await expect.poll(() => world.stdout, { timeout: 20_000 }).toContain('welcome');
    world.stdin.end('write 20 words\n');
    expect(await done).toBe(0);
    expect(world.stderr).not.toContain('A turn is running');
  }, 60_000);

  it('the wish to end gives up the turn and ends the agent', async () => {
    const world = await demoWorld();
    world.when('Session ', 'write 4000 words at 40 words per second');
    const done = runLocal(['chat', '--agent', 'Demo'], world);
    await expect.poll(() => world.stdout.length, { timeout: 20_000 }).toBeGreaterThan(40);
    world.terminate();
    expect(await done).toBe(0);
  }, 20_000);

  it('an agent that cannot be used is one line with what to do', async () => {
    const world = new World({ PATH: path.join(folder, 'bin') });
    expect(await runLocal(['chat', '--agent', 'codex'], world)).toBe(1);
    expect(world.stderr).toBe('Codex is not installed: there is no codex on PATH. Run: npm install -g @openai/codex (if it is there already, add its folder to PATH)\n');
  });
});

describe('one session in a VS Code window and in this command', () => {
  const demo = fileURLToPath(new URL('../../demo/agent.ts', import.meta.url));
  const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

  /** The command as a process of its own. */
  function command(env: NodeJS.ProcessEnv, ...argv: readonly string[]): { readonly stdin: Writable; readonly pid: number; readonly done: Promise<{ readonly code: number | null; readonly stderr: string }>; until(text: string): Promise<void> } {
    const child = spawn(process.execPath, [main, 'local', ...argv], { cwd: path.join(folder, 'work'), env, stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (part: Buffer) => (stdout += part.toString('utf8')));
    child.stderr.on('data', (part: Buffer) => (stderr += part.toString('utf8')));
    return {
      stdin: child.stdin, pid: child.pid ?? 0, done: new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr }))),
      until: (text) => expect.poll(() => stdout + stderr, { timeout: 30_000 }).toContain(text),
    };
  }

  it('each is refused while the other runs it, and gets it afterwards', async () => {
    const agents = [{ name: 'Demo', command: process.execPath, args: [demo] }];
    const file = path.join(folder, 'agents.json');
    await writeFile(file, JSON.stringify(agents));
    const env = { ...new World({ PILOTHOUSE_AGENTS: file, PILOTHOUSE_DEMO_STATE: path.join(folder, 'demo') }).env };
    const connection = localConnections({ agents: agents.map((one) => ({ ...one, protocol: 'acp' as const })), env, program: 'a VS Code window' }).find((one) => one.name === 'Demo');
    if (connection === undefined) throw new Error('no connection');
    await using window = connection.create({ ...cliContext(connection.connectionId, new World()), stateDir: path.join(folder, 'window') });
    const { id } = await window.spawn({ machineId: 'this-computer', folder: path.join(folder, 'work') });
    const handle = window.session(id);
    await handle.send({ text: 'thanks', attachments: [] }, randomUUID());
    await expect.poll(async () => (await window.sessions({ limit: 5 })).items.find((one) => one.id === id)?.state, { timeout: 20_000 }).toBe('idle');

    const refused = command(env, 'chat', '--agent', 'Demo', '--resume', id);
    refused.stdin.end('thanks\n');
    expect(await refused.done).toEqual({ code: 1, stderr: expect.stringContaining(`A VS Code window (process ${process.pid}) runs this session`) });

    await handle.stop();
    const chat = command(env, 'chat', '--agent', 'Demo', '--resume', id);
    chat.stdin.write('thanks\n');
    await chat.until('welcome');
    await expect(handle.send({ text: 'thanks', attachments: [] }, randomUUID())).rejects.toMatchObject({ code: 'session_runs_elsewhere', message: expect.stringContaining(`Pilothouse local chat (process ${chat.pid}) runs this session`) });
    const shown = (await window.sessions({ limit: 5 })).items.find((one) => one.id === id);
    expect(shown).toMatchObject({ owner: 'foreign', ownerName: `pilothouse local chat (process ${chat.pid})`, state: 'unknown' });
    chat.stdin.end('/quit\n');
    expect(await chat.done).toMatchObject({ code: 0 });
    await handle.send({ text: 'thanks', attachments: [] }, randomUUID());
    expect((await window.sessions({ limit: 5 })).items.find((one) => one.id === id)?.owner).toBe('this');
  }, 90_000);

  it('send is refused too, by a window and by what an agent notes of itself', async () => {
    const id = '01a1f9d6-7206-74c2-bfbf-000000000002';
    await program('claude', claude);
    const world = new World({ CLAUDE_CONFIG_DIR: path.join(folder, 'claude') });
    const holder = spawn(process.execPath, [fileURLToPath(new URL('../local/lockHolder.ts', import.meta.url)), folder, 'a VS Code window', path.join(folder, 'window')], { stdio: ['pipe', 'pipe', 'inherit'] });
    const dead = new Promise((resolve) => holder.once('exit', resolve));
    holder.stdin.write(`acquire ${id}\n`);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    expect(await runLocal(['send', 'hello', '--backend', 'claude', '--resume', id], world)).toBe(1);
    expect(world.stderr).toBe(`A VS Code window (process ${holder.pid}) runs this session: a second process would split it. Use it there, end it there, or fork it to go on here.\n`);
    holder.kill('SIGKILL');
    await dead;

    await mkdir(path.join(folder, 'claude', 'sessions'), { recursive: true });
    const note = path.join(folder, 'claude', 'sessions', `${process.pid}.json`);
    await writeFile(note, JSON.stringify({ pid: process.pid, sessionId: id, entrypoint: 'cli', procStart: (await identify(process.pid))?.start }));
    const noted = new World({ CLAUDE_CONFIG_DIR: path.join(folder, 'claude') });
    expect(await runLocal(['send', 'hello', '--backend', 'claude', '--resume', id], noted)).toBe(1);
    expect(noted.stderr).toContain(`Claude Code in a terminal (process ${process.pid}) runs this session`);
    await rm(note);
    const free = new World({ CLAUDE_CONFIG_DIR: path.join(folder, 'claude') });
    expect(await runLocal(['send', 'hello', '--backend', 'claude', '--resume', id], free)).toBe(0);
  });
});

describe('what is printed and kept', () => {
  it("an agent's text does nothing to the terminal", () => {
    expect(plainText('a\u001B[31mred\u001B[0m\u001B]0;title\u0007 \u009B2J\u0007b\u202Ec\r\nd\te\u0000')).toBe('ared bc\nd\te');
    expect(plainLine(' a\n\tb\u001B[2J ')).toBe('a b');
  });

  it('lines come one at a time, and the end is the end', async () => {
    const stdin = new PassThrough();
    const lines = new LineReader(stdin);
    const first = lines.next();
    stdin.write('one\ntwo\r\nth');
    stdin.end('ree');
    expect([await first, await lines.next(), await lines.next(), await lines.next(), await lines.next()]).toEqual(['one', 'two', 'three', null, null]);
    const all = new PassThrough();
    all.end('ü\n');
    expect(await readAll(all)).toBe('ü\n');
  });

  it('values stay over runs, in a file that is the person\'s alone; a broken one is left alone', async () => {
    const file = path.join(folder, 'deep', 'keep.json');
    const keep = new FileKeep(file);
    await Promise.all([keep.set('a:1', 'x'), keep.set('a:2', 'y'), keep.set('b', 'z')]);
    await keep.set('a:2', null);
    expect(await new FileKeep(file).list('a:')).toEqual(new Map([['a:1', 'x']]));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await writeFile(file, '{broken');
    const broken = new FileKeep(file);
    await broken.set('c', 'd');
    expect(await broken.get('c')).toBe('d');
    expect(await readFile(file, 'utf8')).toBe('{broken');
    expect(stateFolder({ HOME: '/home/me' })).toBe('/home/me/.local/state/pilothouse');
    expect(cliContext('local-codex', new World()).stateDir).toBe(path.join(folder, 'state', 'pilothouse', 'cli', 'local-codex'));
  });
});
