import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Interface } from 'node:readline';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClaims } from '../../../src/core/systems/local/claims.ts';
import { identify } from '../../../src/core/systems/local/processTree.ts';
import type { SessionLocks } from '../../../src/core/systems/local/sessionLock.ts';
import { createSessionLocks, sharedStateDir } from '../../../src/core/systems/local/sessionLock.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';
import { contextIn, temporary } from './codexRig.ts';

const script = fileURLToPath(new URL('./lockHolder.ts', import.meta.url));
const session = '01a1f9d6-7206-74c2-bfbf-0000000000aa';
let place: Awaited<ReturnType<typeof temporary>>;
let others: Other[];
beforeEach(async () => {
  place = await temporary();
  others = [];
});
afterEach(async () => {
  await Promise.all(others.map((other) => other.kill()));
  await place.remove();
});

/** Another process, which does one thing after the other. */
class Other {
  readonly pid: number;
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: Interface;

  constructor(name: string) {
    this.child = spawn(process.execPath, [script, place.path, name, path.join(place.path, 'state', name.replaceAll(' ', '-'))], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.pid = this.child.pid ?? 0;
    this.lines = createInterface({ input: this.child.stdout });
    others.push(this);
  }

  ask(line: string): Promise<string> {
    this.child.stdin.write(`${line}\n`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${line}`)), 30_000);
      this.lines.once('line', (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const dead = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await dead;
  }
}

/** This process as a program of its own. */
function ours(scope = 'test', home = place.path, lines: string[] = []): SessionLocks {
  return createSessionLocks({ env: { HOME: home }, scope, program: 'a VS Code window', stateDir: path.join(place.path, 'ours'), log: createLogger((level, line) => lines.push(`${level} ${line}`)) });
}
const pauseFor = (ms: number): Promise<void> => new Promise((resolve) => {
  setTimeout(resolve, ms);
});
const lockFolder = (): string => path.join(sharedStateDir({ HOME: place.path }), 'locks');

describe('one session in two processes', () => {
  it('the second is refused, told by whom, and gets it when the first has given it back', async () => {
    const other = new Other('pilothouse local chat');
    const locks = ours();
    expect(await other.ask(`acquire ${session}`)).toBe('has it');
    expect(await other.ask(`acquire ${session}`)).toBe('has it');
    await expect(locks.acquire(session)).rejects.toMatchObject({
      code: 'session_runs_elsewhere', personMustAct: true, message: `Pilothouse local chat (process ${other.pid}) runs this session: a second process would split it. Use it there, end it there, or fork it to go on here.`,
    });
    expect(await locks.holder(session)).toBe(`pilothouse local chat (process ${other.pid})`);
    expect(await locks.holder('01a1f9d6-7206-74c2-bfbf-0000000000ab')).toBe(null);
    expect(await other.ask(`release ${session}`)).toBe('gave it back');
    await locks.acquire(session);
    expect(await locks.holder(session)).toBe(null);
    expect(await other.ask(`acquire ${session}`)).toBe(`A VS Code window (process ${process.pid}) runs this session: a second process would split it. Use it there, end it there, or fork it to go on here.`);
    const [file = ''] = (await readdir(lockFolder())).filter((name) => name.endsWith('.lock'));
    expect((await stat(path.join(lockFolder(), file))).mode & 0o777).toBe(0o600);
    expect((await stat(lockFolder())).mode & 0o777).toBe(0o700);
    await locks.release(session);
    expect(await readdir(lockFolder())).toEqual([]);
  });

  it('what a killed one held is taken over, and what it had started is ended before', async () => {
    const other = new Other('a VS Code window');
    expect(await other.ask(`acquire ${session}`)).toBe('has it');
    const agent = Number(await other.ask('agent'));
    expect(await identify(agent)).not.toBe(null);
    await other.kill();
    const locks = ours();
    expect(await locks.holder(session)).toBe(null);
    await locks.acquire(session);
    expect(await identify(agent)).toBe(null);
    expect((await readdir(lockFolder())).filter((name) => name.endsWith('.lock'))).toHaveLength(1);
    await locks.release(session);
  });

  it('of several that want it at the same moment, over and over, never two have it', async () => {
    const many = Array.from({ length: 5 }, (_, index) => new Other(`program ${index}`));
    const results = (await Promise.all(many.map((one) => one.ask(`contest ${session} 25`)))).map((text) => JSON.parse(text) as { readonly times: number; readonly broken: number });
    expect(results.map((one) => one.broken)).toEqual([0, 0, 0, 0, 0]);
    expect(results.reduce((sum, one) => sum + one.times, 0)).toBeGreaterThan(20);
    expect(await readdir(lockFolder())).toEqual([]);
  }, 60_000);

  it('ids that are no UUIDs are those of one agent; a UUID is one session, whichever agent runs it', async () => {
    const other = new Other('another');
    await other.ask('acquire sess-1');
    await other.ask(`acquire ${session}`);
    const elsewhere = ours('elsewhere');
    await elsewhere.acquire('sess-1');
    await elsewhere.release('sess-1');
    await expect(ours('test').acquire('sess-1')).rejects.toMatchObject({ code: 'session_runs_elsewhere' });
    await expect(elsewhere.acquire(session.toUpperCase())).rejects.toMatchObject({ code: 'session_runs_elsewhere' });
  });
});

describe('one session in one process', () => {
  it('two backends that leases let have it hold it together, until both gave it back', async () => {
    const [one, two] = [ours(), ours()];
    await Promise.all([one.acquire(session), two.acquire(session)]);
    await one.release(session);
    await one.release(session);
    const other = new Other('another');
    expect(await other.ask(`acquire ${session}`)).toContain('runs this session');
    await two.release(session);
    expect(await other.ask(`acquire ${session}`)).toBe('has it');
  });

  it('a home that cannot be written stops nobody, and is said in the log', async () => {
    const file = path.join(place.path, 'no-folder');
    await writeFile(file, '');
    const lines: string[] = [];
    const locks = ours('test', file, lines);
    await locks.acquire(session);
    await locks.release(session);
    expect(lines.join('\n')).toMatch(/warn.*without a lock/);
  });
});

describe('claims: lease and lock together', () => {
  it('what is taken while it is being given back is held afterwards, and a refusal leaves nothing taken', async () => {
    const held = new Map<string, string>();
    const claims = createClaims(contextIn(place.path, { held, window: 'one' }), { env: { HOME: place.path }, scope: 'test', program: 'a VS Code window' });
    await claims.take(session);
    await Promise.all([claims.release(session), claims.take(session)]);
    expect(held.get(`session:${session}`)).toBe('one');
    const other = new Other('pilothouse local chat');
    expect(await other.ask(`acquire ${session}`)).toContain('A VS Code window');
    expect(await claims.other(session)).toBe(null);
    const second = createClaims(contextIn(place.path, { held, window: 'two' }), { env: { HOME: place.path }, scope: 'test', program: 'a VS Code window' });
    expect(await second.other(session)).toEqual({ owner: 'window', name: 'another window' });
    await expect(second.take(session)).rejects.toThrow('Another window runs this session');
    await claims.release(session);
    expect(await other.ask(`acquire ${session}`)).toBe('has it');
    await expect(second.take(session)).rejects.toThrow(`Pilothouse local chat (process ${other.pid}) runs this session`);
    expect(held.size).toBe(0);
    expect(await second.other(session)).toEqual({ owner: 'foreign', name: `pilothouse local chat (process ${other.pid})` });
  });
});

describe('locks whose owner cannot be looked at from here', () => {
  /** The lock of an owner in another place where process ids mean something else. */
  async function foreign(space: { readonly computer?: string; readonly boot?: string; readonly namespace?: string }): Promise<string> {
    const other = new Other('a program');
    await other.ask(`acquire ${session}`);
    const [name = ''] = (await readdir(lockFolder())).filter((one) => one.endsWith('.lock'));
    const file = path.join(lockFolder(), name);
    const note = JSON.parse(await readFile(file, 'utf8')) as { readonly space: object };
    await writeFile(file, JSON.stringify({ ...note, space: { ...note.space, ...space } }));
    await other.kill();
    return file;
  }

  it('are believed while they are fresh, as on another computer with the same home or in another container', async () => {
    for (const space of [{ computer: 'far-away' }, { namespace: 'pid:[1]' }]) {
      const file = await foreign(space);
      await expect(ours().acquire(session)).rejects.toThrow('computer' in space ? /of far-away\) runs this session/ : /runs this session/);
      const old = Date.now() / 1000 - 100;
      await utimes(file, old, old);
      const locks = ours();
      await locks.acquire(session);
      await locks.release(session);
    }
  });

  it('that cannot be read, or not be understood, are believed while they are fresh', async () => {
    const name = (note: string): string => path.join(lockFolder(), `${session}.1-${note}.lock`);
    await mkdir(lockFolder(), { recursive: true });
    // A folder can be read as a file by nobody, whoever runs this.
    const makers = [() => mkdir(name('a')), () => writeFile(name('b'), '{"format":1,"own'), () => writeFile(name('c'), '[]'), () => writeFile(name('d'), JSON.stringify({ format: 2, holder: 'x', program: 'a later one' }))];
    for (const [index, make] of makers.entries()) {
      await make();
      const locks = ours();
      await expect(locks.acquire(session)).rejects.toThrow(index === 3 ? /^A later one runs this session/ : /^Another program runs this session/);
      await pauseFor(250);
      expect(await locks.holder(session)).toBe(index === 3 ? 'a later one' : 'another program');
      const old = Date.now() / 1000 - 100;
      for (const file of await readdir(lockFolder())) await utimes(path.join(lockFolder(), file), old, old);
      await locks.acquire(session);
      await locks.release(session);
    }
  }, 30_000);

  it('of another format go by the process that they name', async () => {
    const other = new Other('a later one');
    await other.ask(`acquire ${session}`);
    const [name = ''] = (await readdir(lockFolder())).filter((one) => one.endsWith('.lock'));
    const file = path.join(lockFolder(), name);
    const note = JSON.parse(await readFile(file, 'utf8')) as { readonly stateDir: string };
    await writeFile(file, JSON.stringify({ ...note, format: 2, stateDir: { folder: note.stateDir } }));
    const old = Date.now() / 1000 - 100;
    await utimes(file, old, old);
    await expect(ours().acquire(session)).rejects.toThrow(`A later one (process ${other.pid}) runs this session`);
    await other.kill();
    await utimes(file, new Date(), new Date());
    const locks = ours();
    await locks.acquire(session);
    await locks.release(session);
    expect(await readdir(lockFolder())).toEqual([]);
  });

  it('of an earlier start of this computer are dead', async () => {
    await foreign({ boot: 'earlier' });
    const locks = ours();
    await locks.acquire(session);
    await locks.release(session);
  });
});
