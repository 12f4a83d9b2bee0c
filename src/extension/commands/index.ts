import * as vscode from 'vscode';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { CommandName } from '../contributions.ts';
import { COMMANDS, commandId } from '../contributions.ts';
import type { Services } from '../services.ts';
import { failureText } from '../tree/text.ts';
import { accountCommands } from './accounts.ts';
import { attentionCommands } from './attention.ts';
import { forgeCommands } from './clawdforge.ts';
import { connectionCommands } from './connections.ts';
import { contentCommands } from './content.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { jobCommands } from './jobs.ts';
import { markCommands } from './marks.ts';
import { mcpCommands } from './mcpConfiguration.ts';
import { NoAccount } from './noAccount.ts';
import { retentionCommands } from './retention.ts';
import { searchCommands } from './search.ts';
import { sessionCommands } from './sessions.ts';
import { shippingCommands } from './shipping.ts';
import { endCommands } from './sessionEnds.ts';
import { sessionsViewCommands } from './sessionsView.ts';
import { usageCommands } from './usage.ts';
import { transcriptCommands } from './transcript.ts';
import { workerCommands } from './worker.ts';
import { worktreeCommands } from './worktree.ts';

// One entry for every command of the table: a missing or a surplus one does not compile.
const HANDLERS: Readonly<Record<CommandName, Handler>> = { ...connectionCommands, ...accountCommands, ...sessionCommands, ...attentionCommands, ...endCommands, ...markCommands, ...sessionsViewCommands, ...contentCommands, ...searchCommands, ...retentionCommands, ...usageCommands, ...forgeCommands, ...transcriptCommands, ...jobCommands, ...workerCommands, ...worktreeCommands, ...mcpCommands, ...shippingCommands };

/** Registers every command. A failure is told once, in one line, with a way to the log. */
export function registerCommands(services: Services): vscode.Disposable {
  const registered = (Object.keys(COMMANDS) as CommandName[]).map((name) =>
    vscode.commands.registerCommand(commandId(name), async (target: unknown, selection: unknown) => {
      try {
        await HANDLERS[name](services, target, selection);
      } catch (error) {
        if (isAbort(error) || error instanceof Dismissed) return;
        if (error instanceof NoAccount) return await error.tell();
        const known = error instanceof PilothouseError;
        services.log[known ? 'warn' : 'error'](`${COMMANDS[name].title} failed`, { code: known ? error.code : 'unexpected', error: describeError(error) });
        const choice = await vscode.window.showErrorMessage(`${COMMANDS[name].title.replace('…', '')}: ${failureText(error)}`, 'Show Log');
        if (choice === 'Show Log') services.channel.show();
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}
