import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClaudeBackend } from '../../../src/core/systems/local/claude/backend.ts';
import { createCodexBackend } from '../../../src/core/systems/local/codex/backend.ts';
import { runningChildren } from '../../contract/world.ts';
import { AcpRig } from './acpRig.ts';
import { contextIn, temporary } from './codexRig.ts';

let place: Awaited<ReturnType<typeof temporary>>;
beforeEach(async () => {
  place = await temporary();
});
afterEach(() => place.remove());

async function program(name: string, script: string): Promise<string> {
  const file = path.join(place.path, name);
  await writeFile(file, `#!${process.execPath}\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

/** A Claude Code that nobody has signed in to until there is a file `signed-in` in its folder; one of before 2.1 has no `auth`. */
const claude = (help: string): string => `
  const args = process.argv.slice(2);
  if (args[0] === '--version') console.log('2.1.0 (Claude Code)');
  else if (args[0] === '--help') console.log(${JSON.stringify(help)});
  else if (args[0] === 'auth') console.log(JSON.stringify({ loggedIn: require('node:fs').existsSync(process.env.CLAUDE_CONFIG_DIR + '/signed-in') }));`;
/** A Codex that does so by the exit code of \`login status\`. */
const codex = `
  const args = process.argv.slice(2);
  if (args[0] === '--version') console.log('codex-cli 0.169.0');
  else if (args[0] === 'login') process.exit(require('node:fs').existsSync(process.env.CODEX_HOME + '/signed-in') ? 0 : (console.error('Not logged in'), 1));
  else require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method } = JSON.parse(line);
    if (id !== undefined) console.log(JSON.stringify(method === 'account/read' ? { id, result: { account: null, requiresOpenaiAuth: true } } : { id, result: { userAgent: 'x' } }));
  }).on('close', () => process.exit(0));`;

describe('signing in', () => {
  it('to Claude Code is its own command in a terminal, with its folder, and is seen afterwards', async () => {
    const file = await program('claude', claude('Commands:\n  auth  Manage authentication'));
    await using backend = createClaudeBackend(contextIn(place.path), { path: file, configDir: place.path });
    expect(await backend.connect()).toMatchObject({ status: 'needs-sign-in', remedy: { command: 'claude auth login' } });
    expect(await backend.signInMethods?.()).toEqual([{ id: 'login', name: 'Sign in in a terminal', terminal: { program: file, args: ['auth', 'login'], env: { CLAUDE_CONFIG_DIR: place.path } } }]);
    await writeFile(path.join(place.path, 'signed-in'), '');
    await backend.signIn?.('login');
    expect(await backend.connect()).toMatchObject({ status: 'ready' });
  });

  it('to a Claude Code without that command is what it knows', async () => {
    const file = await program('claude', claude('Usage: claude [prompt]'));
    await using backend = createClaudeBackend(contextIn(place.path), { path: file, configDir: place.path });
    expect((await backend.signInMethods?.())?.[0]?.terminal?.args).toEqual(['/login']);
  });

  it('to Codex is its own command in a terminal, with its folder, and is seen afterwards', async () => {
    const file = await program('codex', codex);
    await using backend = createCodexBackend(contextIn(place.path), { path: file, codexHome: place.path });
    expect(await backend.connect()).toMatchObject({ status: 'needs-sign-in', remedy: { command: 'codex login' } });
    expect(await backend.signInMethods?.()).toEqual([{ id: 'login', name: 'Sign in in a terminal', terminal: { program: file, args: ['login'], env: { CODEX_HOME: place.path } } }]);
    const states: string[] = [];
    backend.watch((event) => event.type === 'connection' && states.push(event.state.status));
    await writeFile(path.join(place.path, 'signed-in'), '');
    await backend.signIn?.('login');
    expect(states.at(-1)).toBe('ready');
  });

  it('to an ACP agent is offered as it says, and a terminal is never its `authenticate`', async () => {
    const rig = await AcpRig.make();
    try {
      const authMethods = [{ id: 'key', name: 'API key' }, { id: 'tty', name: 'Log in', type: 'terminal', args: ['login', 'with space'], env: { BROWSER: 'none' } }];
      const backend = await rig.backend({ authMethods });
      const methods = await backend.signInMethods();
      expect(methods).toMatchObject([{ id: 'key', name: 'API key', terminal: null }, { id: 'tty', name: 'Log in', terminal: { program: process.execPath, env: { BROWSER: 'none' } } }]);
      expect(methods[1]?.terminal?.args.slice(-2)).toEqual(['login', 'with space']);
      await backend.signIn('tty');
      expect((await rig.methods()).filter((method) => method === 'authenticate')).toEqual([]);
      // The process that ran knows nothing of a sign-in in another one.
      await rig.spawn(backend);
      expect((await rig.methods()).filter((method) => method === 'initialize')).toHaveLength(2);
      await backend.signIn('key');
      expect((await rig.methods()).filter((method) => method === 'authenticate')).toHaveLength(1);
    } finally {
      await rig.dispose();
    }
    expect(await runningChildren()).toEqual([]);
  });
});
