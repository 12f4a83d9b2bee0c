import os from 'node:os';
import type { JsonValue } from '../../core/model/json.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import { whyUnreachable } from '../../core/transport/reason.ts';
import type { ForgeModule } from '../clawdforge/access.ts';
import { ForgeAccess, loadForge, readForgeSecret, tokenProblem } from '../clawdforge/access.ts';
import type { AskPerson, PickItem } from './ask.ts';
import { hostOf, isPlain } from './server.ts';
import type { AccountSystem, Given, Server } from './system.ts';

const CHECK_MS = 15_000;

type ForgeWay = 'paste' | 'environment' | 'admin';

/** The ways to sign in that there are here. A token of the environment is not looked at before it is chosen. */
export function forgeWays(env: NodeJS.ProcessEnv): readonly PickItem<ForgeWay>[] {
  const found = (env['CLAWDFORGE_TOKEN'] ?? '').trim() !== '';
  return [
    ...(found ? [{ label: 'Use the environment', description: 'CLAWDFORGE_TOKEN', icon: 'terminal', detail: 'Copies the token into the secret storage of this VS Code.', value: 'environment' as const }] : []),
    { label: 'Paste an app token', description: 'cf_…', icon: 'clippy', value: 'paste' },
    { label: 'Make an app token', description: 'with the server’s admin token', icon: 'key', detail: 'This VS Code gets a token of its own. It keeps both: the admin token for Manage clawdforge Tokens….', value: 'admin' },
  ];
}

/** Tokens of clawdforge servers. `env` is that of this process, but in tests; `proxy` tells the proxies on the way to their servers. */
export function forgeAccounts(env: NodeJS.ProcessEnv = process.env, proxy?: ProxySource): AccountSystem {
  return {
    system: 'clawdforge',
    label: 'clawdforge server…',
    about: 'Claude Code on a server',
    name: 'clawdforge',
    example: 'http://192.168.0.5:8800',
    inClear: 'The token, what you ask, the files that you upload and all answers can be read by anybody on the way, who can then run agents there as you. On a network that you trust this is how clawdforge is mostly used.',
    defaultServer: () => (env['CLAWDFORGE_URL'] ?? '').trim() || 'http://127.0.0.1:8800',
    async open(secret, server) {
      const read = readForgeSecret(secret);
      // A record that says plain http where nobody agreed to it is not spoken to.
      return read === null || (isPlain(server.serverUrl) && !server.allowPlainHttp) ? null : new ForgeAccess(await loadForge(), read, server, proxy);
    },
    signIn: async (ask, server, given) => new SignIn(await loadForge(), ask, server, given, env, proxy).run(),
    renewed(secret, before) {
      const read = readForgeSecret(secret);
      return read !== null && before instanceof ForgeAccess ? before.renewed(read) : secret;
    },
  };
}

class SignIn {
  private readonly forge: ForgeModule;
  private readonly ask: AskPerson;
  private readonly server: Server;
  private readonly given: Given;
  private readonly env: NodeJS.ProcessEnv;
  private readonly proxy: ProxySource | undefined;
  private readonly title: string;

  constructor(forge: ForgeModule, ask: AskPerson, server: Server, given: Given, env: NodeJS.ProcessEnv, proxy: ProxySource | undefined) {
    this.forge = forge;
    this.ask = ask;
    this.server = server;
    this.given = given;
    this.env = env;
    this.proxy = proxy;
    this.title = `clawdforge on ${hostOf(server.serverUrl)}`;
  }

  async run(): Promise<JsonValue> {
    const ways = forgeWays(this.env);
    const named = typeof this.given['token'] === 'string' ? 'paste' : ways.find((each) => each.value === this.given['how'])?.value;
    switch (named ?? (await this.ask.pick(this.title, ways))) {
      case 'environment':
        return this.checked(await this.environment());
      case 'paste':
        return this.paste();
      case 'admin':
        return this.made();
    }
  }

  /** Asked for until the server takes it. A token that a program gave is tried once. */
  private async paste(): Promise<JsonValue> {
    const { token, adminToken } = this.given;
    if (typeof token === 'string') return this.checked(token.trim(), typeof adminToken === 'string' ? adminToken.trim() : null);
    for (let prompt = 'App token, as CLAWDFORGE_TOKEN has it.'; ;) {
      const typed = await this.ask.text({ title: this.title, prompt, hidden: true, check: tokenProblem });
      try {
        return await this.checked(typed.trim());
      } catch (error) {
        if (!(error instanceof this.forge.ForgeAuthError)) throw error;
        prompt = error.message;
      }
    }
  }

  /** The token of the environment; the person is asked before it goes to a server that it is not used with here. */
  private async environment(): Promise<string> {
    const used = (this.env['CLAWDFORGE_URL'] ?? '').trim().replace(/\/+$/, '');
    if (used !== '' && used !== this.server.serverUrl) {
      await this.ask.confirm(`Send this token to ${hostOf(this.server.serverUrl)}?`, `On this computer it is used with ${hostOf(used)}. Whoever runs the other server can run agents there as you.`, 'Send It There');
    }
    return (this.env['CLAWDFORGE_TOKEN'] ?? '').trim();
  }

  /** Makes an app token of its own, with the admin token. */
  private async made(): Promise<JsonValue> {
    const { adminToken: admin, tokenName } = this.given;
    const adminToken = (typeof admin === 'string' ? admin : await this.ask.text({ title: `${this.title} (1/2)`, prompt: 'Admin token of the server.', hidden: true, check: tokenProblem })).trim();
    const name = typeof tokenName === 'string' ? tokenName : await this.ask.text({
      title: `${this.title} (2/2)`, prompt: 'Name of the app token that is made for this VS Code.', value: `pilothouse-${os.hostname()}`.slice(0, 60), check: (value) => (value.trim() === '' ? 'A name is needed.' : null),
    });
    const access = this.accessOf(adminToken, adminToken);
    const { token } = await access.manage((client) => client.createToken(name.trim(), { signal: AbortSignal.timeout(CHECK_MS) }));
    if (token === undefined) throw new this.forge.ForgeError('bad_answer', 'The server made the token without telling it. Revoke it and make another.');
    return this.accessOf(token, adminToken).with(adminToken);
  }

  /** The secret, once the server took the token. Where the server cannot be reached the person says whether it is kept all the same. */
  private async checked(token: string, adminToken: string | null = null): Promise<JsonValue> {
    const access = this.accessOf(token, adminToken);
    const late = AbortSignal.timeout(CHECK_MS);
    try {
      await access.ask((client) => client.listSessions({ signal: late }));
    } catch (error) {
      if (!late.aborted && !(error instanceof this.forge.ForgeTransportError)) throw error;
      const why = late.aborted ? 'it does not answer' : (whyUnreachable(error) ?? 'the connection was lost');
      await this.ask.confirm(`Keep this token unchecked?`, `${hostOf(this.server.serverUrl)} cannot be asked about it: ${why}.`, 'Keep It');
    }
    return access.with(adminToken);
  }

  private accessOf(token: string, adminToken: string | null): ForgeAccess {
    const problem = tokenProblem(token);
    if (problem !== null) throw new this.forge.ForgeError('invalid_argument', problem, { personMustAct: true });
    return new ForgeAccess(this.forge, { token, adminToken }, this.server, this.proxy);
  }
}
