import * as vscode from 'vscode';
import type { Logger } from '../../core/model/context.ts';
import type { Store } from '../../core/session/store-api.ts';
import { systemClock } from '../../core/transport/clock.ts';
import type { Accounts } from '../accounts/accounts.ts';
import { addAccount, signInAccount } from '../commands/accounts.ts';
import type { ContextKey } from '../contributions.ts';
import type { Services } from '../services.ts';
import { ArtifactFiles } from './artifactFiles.ts';
import { HebingAuthentication } from './authentication.ts';
import { HebingBoards } from './boards.ts';
import { DraftEditors } from './draftEditors.ts';
import { JobsTree } from './jobsTree.ts';
import { HebingMcpServers } from './mcpServers.ts';
import { PendingCalls } from './pendingCalls.ts';

interface Parts {
  readonly accounts: Accounts;
  readonly store: Pick<Store, 'keep'>;
  readonly log: Logger;
  readonly setContext: (key: ContextKey, value: boolean) => Promise<void>;
}
interface Hebing extends vscode.Disposable {
  readonly parts: Pick<Services, 'boards' | 'jobs' | 'artifacts' | 'callDrafts' | 'calls'>;
  /** Shows the accounts in VS Code's Accounts menu, and offers hebing's tools to its agents. */
  offer(services: Services, extension: vscode.Extension<unknown>): vscode.Disposable;
}

/** All of hebing in the editor. Of a server nothing is asked but how an account stands, once, before the Jobs view is seen or a command is run. */
export function startHebing({ accounts, store, log, setContext }: Parts): Hebing {
  const boards = new HebingBoards(accounts, systemClock, log);
  const jobs = new JobsTree(boards, setContext);
  const artifacts = new ArtifactFiles(boards, log);
  const callDrafts = new DraftEditors(boards, setContext);
  return {
    parts: { boards, jobs, artifacts, callDrafts, calls: new PendingCalls(store.keep('hebing')) },
    offer: (services, extension) => vscode.Disposable.from(
      new HebingAuthentication(boards, {
        signIn: async (signedOut) => {
          const record = signedOut === null ? null : accounts.record(signedOut);
          const system = accounts.systems.find((each) => each.system === 'hebing');
          if (record !== null) await signInAccount(services, record, {});
          return record?.connectionId ?? (system === undefined ? '' : addAccount(services, system, {}));
        },
        signOut: (connectionId) => accounts.signOut(connectionId),
      }),
      new HebingMcpServers(boards, extension),
    ),
    dispose: () => {
      for (const each of [callDrafts, artifacts, jobs, boards]) each.dispose();
    },
  };
}
