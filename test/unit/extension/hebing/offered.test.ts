import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Emitter } from '../../../../src/core/transport/emitter.ts';
import { hebingAccounts } from '../../../../src/extension/accounts/hebing.ts';
import type { Accounts } from '../../../../src/extension/accounts/accounts.ts';
import { HebingBoards } from '../../../../src/extension/hebing/boards.ts';
import { HandClock } from '../../session/hand-clock.ts';
import { recordingLog } from '../../store/support.ts';
import { AccountsWorld } from '../accountsWorld.ts';

/** What VS Code was offered. */
const offered = { authentication: [] as string[], mcp: [] as string[] };
vi.mock('vscode', () => ({
  EventEmitter: class {
    private readonly emitter = new Emitter<unknown>();
    readonly event = (listener: (value: unknown) => void) => this.emitter.on(listener);
    fire(value: unknown): void {
      this.emitter.emit(value);
    }
    dispose(): void {
      this.emitter.clear();
    }
  },
  McpStdioServerDefinition: class {
    readonly label: string;
    readonly command: string;
    readonly args: readonly string[];
    env: Record<string, string>;
    constructor(label: string, command: string, args: readonly string[], env: Record<string, string>) {
      [this.label, this.command, this.args, this.env] = [label, command, args, env];
    }
  },
  authentication: { registerAuthenticationProvider: (id: string) => ({ dispose: () => void offered.authentication.push(id) }) },
  lm: { registerMcpServerDefinitionProvider: (id: string) => ({ dispose: () => void offered.mcp.push(id) }) },
}));
const { HebingAuthentication } = await import('../../../../src/extension/hebing/authentication.ts');
const { HebingMcpServers } = await import('../../../../src/extension/hebing/mcpServers.ts');

let world: AccountsWorld;
let accounts: Accounts;
let boards: HebingBoards;
beforeEach(() => {
  world = new AccountsWorld();
  accounts = world.window([hebingAccounts({ HOME: world.folder })]);
  boards = new HebingBoards(accounts, new HandClock(), recordingLog().log);
});
afterEach(() => {
  boards.dispose();
  world.close();
});

async function add(apiKey: string, allowPlainHttp = false): Promise<string> {
  const [system] = accounts.systems;
  if (system === undefined) throw new Error('no system');
  const serverUrl = allowPlainHttp ? 'http://hebing.lan/api/v1' : 'https://hebing.example/api/v1';
  return (await accounts.add({ system, serverUrl, allowPlainHttp, secret: { apiKey } })).record.connectionId;
}

describe('the accounts of hebing in VS Code', () => {
  it('are the connections that somebody is signed in to, and what changes of them is told', async () => {
    const told: unknown[] = [];
    const provider = new HebingAuthentication(boards, { signIn: () => add('nxt_ag_new'), signOut: (id) => accounts.signOut(id) });
    provider.onDidChangeSessions((event) => told.push(event));
    const one = await add('nxt_ag_one');
    expect(await provider.getSessions(undefined)).toMatchObject([{ id: one, accessToken: 'nxt_ag_one', account: { id: one, label: 'hebing' }, scopes: [] }]);
    expect(told).toMatchObject([{ added: [{ id: one }], removed: [], changed: [] }]);
    await accounts.edit(one, { name: 'Work' });
    expect(told.at(-1)).toMatchObject({ added: [], removed: [], changed: [{ id: one, account: { label: 'Work' } }] });
    await accounts.signIn(one, { apiKey: 'nxt_ag_renewed' });
    expect(told.at(-1)).toMatchObject({ changed: [{ accessToken: 'nxt_ag_renewed' }] });
    const created = await provider.createSession(['read']);
    expect(created).toMatchObject({ accessToken: 'nxt_ag_new', scopes: ['read'] });
    expect(await provider.getSessions([], { account: { id: one, label: 'Work' } })).toMatchObject([{ id: one }]);
    await provider.removeSession(one);
    expect(accounts.record(one)).toMatchObject({ signedOut: true });
    expect(told.at(-1)).toMatchObject({ added: [], removed: [{ id: one }] });
    expect((await provider.getSessions(undefined)).map(({ id }) => id)).toEqual([created.id]);
    provider.dispose();
    expect(offered.authentication).toEqual(['pilothouse-hebing']);
  });

  it('renew the sign-in of a connection that nobody is signed in to, before another account is added', async () => {
    const asked: (string | null)[] = [];
    const one = await add('nxt_ag_one');
    await accounts.signOut(one);
    const provider = new HebingAuthentication(boards, {
      signIn: async (signedOut) => {
        asked.push(signedOut);
        await accounts.signIn(one, { apiKey: 'nxt_ag_again' });
        return one;
      },
      signOut: (id) => accounts.signOut(id),
    });
    expect(await provider.createSession([])).toMatchObject({ id: one, accessToken: 'nxt_ag_again' });
    expect(asked).toEqual([one]);
    provider.dispose();
  });
});

describe('hebing’s MCP servers', () => {
  const extension = { extensionPath: '/ext', packageJSON: { version: '1.2.3' } };

  it('are one for each account, and get the key when they are started', async () => {
    const servers = new HebingMcpServers(boards, extension);
    let told = 0;
    servers.onDidChangeMcpServerDefinitions(() => (told += 1));
    const one = await add('nxt_ag_one');
    const [only, none] = servers.provideMcpServerDefinitions();
    expect([only?.label, only?.command, only?.args, none]).toEqual(['hebing', process.execPath, ['/ext/dist/cli.js', 'hebing', 'mcp-server'], undefined]);
    expect(JSON.stringify(only)).not.toContain('nxt_ag_one');
    if (only === undefined) throw new Error('no server');
    expect(servers.resolveMcpServerDefinition(only)?.env).toEqual({ HEBING_BASE_URL: 'https://hebing.example/api/v1', CHAOJIYUYAN_API_KEY: 'nxt_ag_one' });
    await add('nxt_ag_two', true);
    expect(servers.provideMcpServerDefinitions().map(({ label, args }) => [label, args.includes('--allow-http')])).toEqual([['hebing: hebing', false], ['hebing: hebing 2', true]]);
    const [first] = servers.provideMcpServerDefinitions();
    if (first === undefined) throw new Error('no server');
    await accounts.signOut(one);
    expect(servers.resolveMcpServerDefinition(first)).toBeUndefined();
    expect(told).toBe(3);
    servers.dispose();
    expect(offered.mcp).toEqual(['pilothouse.hebing']);
  });
});
