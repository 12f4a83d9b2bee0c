import * as vscode from 'vscode';
import type { CommandName } from '../contributions.ts';
import { VIEWS } from '../contributions.ts';
import type { Services } from '../services.ts';
import type { GroupBy } from '../tree/model.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';

const GROUPINGS: Readonly<Record<GroupBy, { readonly label: string; readonly description: string }>> = {
  machine: { label: 'Machine', description: 'then folder' },
  folder: { label: 'Folder', description: 'of all machines' },
  status: { label: 'Status', description: 'what waits first' },
  connection: { label: 'Connection', description: 'then machine and folder' },
};

const groupBy = (by: GroupBy): Handler => async ({ settings }) => settings.set('sessions.groupBy', by);
const same: Handler = () => Promise.resolve();

async function chooseGrouping({ settings }: Services): Promise<void> {
  const now = settings.get('sessions.groupBy');
  const items = (Object.keys(GROUPINGS) as GroupBy[]).map((by) => ({ ...GROUPINGS[by], label: `${by === now ? '$(check)' : '$(blank)'} ${GROUPINGS[by].label}`, by }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Group sessions by what?' });
  if (picked === undefined) throw new Dismissed();
  await settings.set('sessions.groupBy', picked.by);
}

async function filterBy(services: Services, text: string): Promise<void> {
  services.tree.filterBy(text);
  await services.context.set('pilothouse.filtered', services.tree.filtered.trim() !== '');
}

/** The tree follows what is typed; what stands in the box when it closes stays. */
async function askFilter(services: Services): Promise<void> {
  if (!services.tree.view.visible) await vscode.commands.executeCommand(`${VIEWS.sessions}.focus`);
  const clear: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('clear-all'), tooltip: 'Clear Filter' };
  const box = vscode.window.createInputBox();
  const closed = Promise.withResolvers<void>();
  box.title = 'Filter Sessions';
  box.placeholder = 'Title, folder, branch, machine, agent or model';
  box.prompt = 'What stands here stays when the box closes. Also is:waiting, is:running, is:failed, is:unread, is:pinned, is:archived, agent:codex, machine:studio';
  box.value = services.tree.filtered;
  box.buttons = [clear];
  const listening = [
    box,
    box.onDidChangeValue((value) => void filterBy(services, value)),
    box.onDidAccept(() => box.hide()),
    box.onDidTriggerButton(() => {
      box.value = '';
      void filterBy(services, '');
    }),
    box.onDidHide(() => closed.resolve()),
  ];
  box.show();
  try {
    await closed.promise;
  } finally {
    for (const each of listening) each.dispose();
  }
}

export const sessionsViewCommands = {
  filterSessions: async (services, target) => {
    const given = typeof target === 'object' && target !== null && 'text' in target && typeof target.text === 'string' ? target.text : null;
    await (given === null ? askFilter(services) : filterBy(services, given));
  },
  changeSessionFilter: (services) => askFilter(services),
  clearSessionFilter: (services) => filterBy(services, ''),
  groupSessions: chooseGrouping,
  groupByMachine: groupBy('machine'), groupByFolder: groupBy('folder'), groupByStatus: groupBy('status'), groupByConnection: groupBy('connection'),
  groupedByMachine: same, groupedByFolder: same, groupedByStatus: same, groupedByConnection: same,
  showArchivedSessions: async ({ settings }) => settings.set('sessions.showArchived', true),
  hideArchivedSessions: async ({ settings }) => settings.set('sessions.showArchived', false),
  showOlderSessions: (services, target) => {
    if (typeof target === 'string') services.tree.showOlder(target);
    return Promise.resolve();
  },
} as const satisfies Partial<Record<CommandName, Handler>>;
