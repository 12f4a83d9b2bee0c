import * as vscode from 'vscode';
import type { AttentionItem } from '../../core/fleet/attention.ts';
import { AttentionWalk } from '../attentionWalk.ts';
import type { CommandName } from '../contributions.ts';
import { commandId } from '../contributions.ts';
import type { Services } from '../services.ts';
import type { Handler } from './handler.ts';

const walk = new AttentionWalk();

/** Leads to what waits: to its card in the chat, to the chat, or to the sign-in of its connection. */
export async function showWaiting(services: Services, item: AttentionItem): Promise<void> {
  if (item.key === null) {
    await vscode.commands.executeCommand(commandId('signIn'), { connectionId: item.connectionId });
    return;
  }
  const chat = services.panels.open(item.key);
  if (item.request !== null) chat.tell({ type: 'review', requestId: item.request.requestId });
}

export const attentionCommands = {
  nextSessionThatNeedsYou: async (services) => {
    const item = walk.next(services.attention.items());
    if (item === null) vscode.window.setStatusBarMessage('Pilothouse: nothing needs you', 5_000);
    else await showWaiting(services, item);
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
