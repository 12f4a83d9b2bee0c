import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BackendContext, Clock } from '../../../src/core/model/context.ts';
import { createCodexBackend } from '../../../src/core/systems/local/codex/backend.ts';
import { CodexServer, isUnsupported } from '../../../src/core/systems/local/codex/server.ts';
import { createProcessLedger } from '../../../src/core/systems/local/ledger.ts';
import type { ProcessExit } from '../../../src/core/systems/local/process.ts';
import { identify } from '../../../src/core/systems/local/processTree.ts';
import { contextIn, temporary } from './codexRig.ts';

let place: Awaited<ReturnType<typeof temporary>>;
const open: CodexServer[] = [];
beforeEach(async () => {
  place = await temporary();
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((server) => server.close()));
  await place.remove();
});

/** A program that speaks the app-server's protocol as far as the script says. */
async function program(script: string): Promise<string> {
  const file = path.join(place.path, 'codex');
  await writeFile(file, `#!${process.execPath}\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}
const speaks = `
  if (process.argv[2] === '--version') { console.log('codex-cli 0.169.0'); process.exit(0); }
  if (process.argv[2] === 'login') { console.error('Not logged in'); process.exit(1); }
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line);
    const say = (message) => console.log(JSON.stringify(message));
    if (method === 'initialize') say({ id, result: { userAgent: 'x' } });
    else if (method === 'pid') say({ id, result: process.pid });
    else if (method === 'die') process.exit(7);
    else if (method === 'account/read') say({ id, result: { account: null, requiresOpenaiAuth: true } });
    else if (method === 'silent') return;
    else if (id !== undefined) say({ id, error: { code: -32600, message: 'Invalid request: unknown variant \`' + method + '\`, expected one of' } });
  }).on('close', () => process.exit(0));`;

/** Timers that fire when the test says so; time stands still otherwise. */
class Hands implements Clock {
  private time = 0;
  private timers: { readonly at: number; readonly run: () => void; gone: boolean }[] = [];
  now = (): number => this.time;
  monotonic = (): number => this.time;
  setTimeout(run: () => void, ms: number): { cancel(): void } {
    const timer = { at: this.time + ms, run, gone: false };
    this.timers.push(timer);
    return { cancel: () => void (timer.gone = true) };
  }
  pass(ms: number): void {
    this.time += ms;
    for (const timer of this.timers.filter((one) => !one.gone && one.at <= this.time)) {
      timer.gone = true;
      timer.run();
    }
  }
}

function server(file: string, options: { readonly clock?: Clock; readonly busy?: () => boolean; readonly exits?: ProcessExit[] } = {}): CodexServer {
  const base = contextIn(place.path);
  const context: BackendContext = { ...base, clock: options.clock ?? base.clock };
  const made = new CodexServer({
    context, ledger: createProcessLedger(context.stateDir, context.log), program: () => Promise.resolve(file), env: process.env, onNotification: () => undefined, onRequest: () => undefined,
    onExit: (exit) => options.exits?.push(exit), busy: options.busy ?? (() => false),
  });
  open.push(made);
  return made;
}

describe('the app-server', () => {
  it('is started once, stopped after five idle minutes, and started again on demand', async () => {
    const clock = new Hands();
    let busy = true;
    const exits: ProcessExit[] = [];
    const one = server(await program(speaks), { clock, busy: () => busy, exits });
    expect(one.pid).toBeNull();
    const [first, same] = await Promise.all([one.call('pid', {}), one.call('pid', {})]);
    expect(first).toBe(same);
    clock.pass(6 * 60_000);
    expect(await one.call('pid', {})).toBe(first);
    busy = false;
    clock.pass(4 * 60_000);
    expect(await one.call('pid', {})).toBe(first);
    clock.pass(6 * 60_000);
    await expect.poll(() => exits.length, { timeout: 10_000 }).toBe(1);
    expect(exits[0]?.expected).toBe(true);
    expect(await identify(Number(first))).toBeNull();
    const second = await one.call('pid', {});
    expect(second).not.toBe(first);
    await one.close();
    await expect(one.call('pid', {})).rejects.toMatchObject({ code: 'connection_closed' });
  });

  it('that dies rejects what waits, and is started again', async () => {
    const exits: ProcessExit[] = [];
    const one = server(await program(speaks), { exits });
    const waiting = expect(one.call('silent', {})).rejects.toMatchObject({ code: 'process_gone' });
    await expect(one.call('die', {})).rejects.toMatchObject({ code: 'process_gone' });
    await waiting;
    expect(exits).toMatchObject([{ code: 7, expected: false }]);
    expect(typeof (await one.call('pid', {}))).toBe('number');
  });

  it('without an answer the call ends at its deadline, and a method that it lacks is known as such', async () => {
    const one = server(await program(speaks));
    await expect(one.call('silent', {}, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'rpc_timeout' });
    expect(isUnsupported(await one.call('turn/fly', {}).catch((error: unknown) => error))).toBe(true);
    await expect(one.call('pid', {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('that does not start says why, in its own words', async () => {
    const one = server(await program("console.error('config.toml:3: no such key'); process.exit(1)"));
    await expect(one.call('pid', {})).rejects.toMatchObject({ code: 'start_failed', message: 'Codex did not start: config.toml:3: no such key', personMustAct: true });
  });
});

describe('connecting', () => {
  async function state(script: string): Promise<unknown> {
    await using backend = createCodexBackend(contextIn(place.path), { path: await program(script), codexHome: place.path });
    return await backend.connect();
  }

  it('tells what is wrong and what mends it', async () => {
    expect(await state(speaks)).toEqual({ status: 'needs-sign-in', message: 'Not logged in', remedy: { text: 'Sign in in a terminal.', command: 'codex login' }, version: '0.169.0' });
    expect(await state(speaks.replaceAll('0.169.0', '0.111.0'))).toMatchObject({ status: 'failed', message: 'Codex 0.111.0 is too old: Pilothouse needs 0.150.0 or later.', remedy: { command: 'npm install -g @openai/codex@latest' } });
    expect(await state('process.exit(3)')).toMatchObject({ status: 'failed', version: null });
    await using nowhere = createCodexBackend(contextIn(place.path), { path: path.join(place.path, 'nothing') });
    expect(await nowhere.connect()).toMatchObject({ status: 'not-installed', message: expect.stringContaining('There is no Codex at') as string });
  });

  it('refuses to make a session where it cannot be', async () => {
    await using backend = createCodexBackend(contextIn(place.path), { path: await program(speaks), codexHome: place.path });
    await expect(backend.spawn({ machineId: 'elsewhere', folder: place.path })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(backend.spawn({ machineId: 'this-computer', folder: path.join(place.path, 'no') })).rejects.toMatchObject({ code: 'folder_missing' });
    await expect(backend.spawn({ machineId: 'this-computer', folder: place.path, mode: 'yolo' })).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(backend.sessions({ limit: 1, cursor: 'nonsense' })).rejects.toMatchObject({ code: 'bad_cursor' });
  });
});
