import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import { AUTHENTICATION } from '../contributions.ts';
import type { HebingAccount, HebingBoards } from './boards.ts';

interface SignIns {
  /** Signs in to a connection that nobody is signed in to, else adds an account; gives the connection's id. */
  signIn(signedOut: string | null): Promise<string>;
  signOut(connectionId: string): Promise<void>;
}

/**
 * The accounts of hebing in VS Code's Accounts menu: a session is a connection that somebody is signed in to. Records and secrets are the connections' own; nothing is kept here. Another
 * extension gets a key when the person allows it in VS Code's own question.
 */
export class HebingAuthentication implements vscode.AuthenticationProvider, vscode.Disposable {
  private readonly boards: HebingBoards;
  private readonly signIns: SignIns;
  private readonly changed = new vscode.EventEmitter<vscode.AuthenticationProviderAuthenticationSessionsChangeEvent>();
  private readonly disposables: { dispose(): unknown }[];
  private told: ReadonlyMap<string, vscode.AuthenticationSession>;
  readonly onDidChangeSessions = this.changed.event;

  constructor(boards: HebingBoards, signIns: SignIns) {
    this.boards = boards;
    this.signIns = signIns;
    this.told = this.sessions();
    this.disposables = [
      boards.onChange(() => this.tell()),
      vscode.authentication.registerAuthenticationProvider(AUTHENTICATION.id, AUTHENTICATION.label, this, { supportsMultipleAccounts: true }),
      this.changed,
    ];
  }

  /** hebing's keys know no scopes: each session has those that are asked for. */
  getSessions(scopes: readonly string[] | undefined, options?: vscode.AuthenticationProviderSessionOptions): Promise<vscode.AuthenticationSession[]> {
    return Promise.resolve([...this.sessions(scopes).values()].filter((session) => options?.account === undefined || session.account.id === options.account.id));
  }

  async createSession(scopes: readonly string[], options?: vscode.AuthenticationProviderSessionOptions): Promise<vscode.AuthenticationSession> {
    const signedOut = this.boards.all().find(({ record, access }) => access === null && (options?.account === undefined || options.account.id === record.connectionId));
    const id = await this.signIns.signIn(signedOut?.record.connectionId ?? null);
    const session = this.sessions(scopes).get(id);
    if (session === undefined) throw new PilothouseError('needs_sign_in', 'Nobody signed in to hebing.', { personMustAct: true });
    return session;
  }

  async removeSession(sessionId: string): Promise<void> {
    await this.signIns.signOut(sessionId);
  }

  dispose(): void {
    for (const each of this.disposables) each.dispose();
  }

  private sessions(scopes: readonly string[] = []): ReadonlyMap<string, vscode.AuthenticationSession> {
    return new Map(this.boards.all().flatMap((account) => {
      const session = sessionOf(account, scopes);
      return session === null ? [] : [[session.id, session] as const];
    }));
  }

  private tell(): void {
    const before = this.told;
    this.told = this.sessions();
    const added = [...this.told.values()].filter(({ id }) => !before.has(id));
    const removed = [...before.values()].filter(({ id }) => !this.told.has(id));
    const changed = [...this.told.values()].filter((session) => {
      const known = before.get(session.id);
      return known !== undefined && (known.accessToken !== session.accessToken || known.account.label !== session.account.label);
    });
    if (added.length + removed.length + changed.length > 0) this.changed.fire({ added, removed, changed });
  }
}

function sessionOf({ record, access }: HebingAccount, scopes: readonly string[]): vscode.AuthenticationSession | null {
  if (access === null) return null;
  return { id: record.connectionId, accessToken: access.apiKey, account: { id: record.connectionId, label: record.name }, scopes: [...scopes] };
}
