import * as vscode from 'vscode';
import type { Fleet } from '../core/fleet/fleet.ts';
import type { Logger } from '../core/model/context.ts';
import type { Session } from '../core/model/session.ts';
import type { Store } from '../core/session/store-api.ts';
import { AutoArchive } from './autoArchive.ts';
import { commandId, VIEWS } from './contributions.ts';
import type { Settings } from './settings.ts';
import { titleOf } from './tree/line.ts';
import { noticeText } from './tree/text.ts';

interface Started {
  readonly parts: AutoArchive;
  close(): Promise<void>;
}

/** Archiving by age, once the connections were read, and again when its setting changes. */
export function startAutoArchive({ fleet, store, settings, log, ready }: { readonly fleet: Fleet; readonly store: Store; readonly settings: Settings; readonly log: Logger; readonly ready: Promise<void> }): Started {
  const parts = new AutoArchive({
    fleet, store, keep: store.keep('auto-archive'), log, now: () => Date.now(), days: () => settings.get('sessions.autoArchiveDays'), trusted: () => vscode.workspace.isTrusted,
    archived: (sessions, undo) => void tell(sessions, settings.get('sessions.autoArchiveDays'), undo),
  });
  let closed = false;
  const changes = [
    settings.onChange((name) => {
      if (name === 'sessions.autoArchiveDays') void parts.pass();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void parts.pass()),
  ];
  const begin = async (): Promise<void> => {
    await ready;
    await fleet.settled();
    if (!closed) parts.start();
  };
  void begin();
  return {
    parts,
    close: async () => {
      closed = true;
      for (const each of changes) each.dispose();
      await parts.close();
    },
  };
}

async function tell(sessions: readonly Session[], days: number, undo: () => Promise<void>): Promise<void> {
  const [first] = sessions;
  const what = sessions.length === 1 && first !== undefined ? `“${noticeText(titleOf(first), 80)}” was archived` : `${sessions.length} sessions were archived`;
  const choice = await vscode.window.showInformationMessage(`${what}: nobody touched ${sessions.length === 1 ? 'it' : 'them'} for ${days === 1 ? 'a day' : `${days} days`}.`, 'Undo', 'Show Archived');
  if (choice === 'Undo') await undo();
  if (choice !== 'Show Archived') return;
  await vscode.commands.executeCommand(commandId('showArchivedSessions'));
  await vscode.commands.executeCommand(`${VIEWS.sessions}.focus`);
}
