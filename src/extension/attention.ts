import * as vscode from 'vscode';
import type { Fleet } from '../core/fleet/fleet.ts';
import type { ChatPanels } from './chat/panels.ts';
import { VIEWS } from './contributions.ts';

/** Tells the fleet whether the person looks, and at what: systems that ring a phone when nobody does must hear the truth, and what is looked at is asked for more often. */
export function watchAttention(fleet: Pick<Fleet, 'attention'>, views: readonly Pick<vscode.TreeView<unknown>, 'visible' | 'onDidChangeVisibility'>[], chats: Pick<ChatPanels, 'visible' | 'onDidChangeVisible'>): vscode.Disposable {
  const tell = (): void => fleet.attention({ focused: vscode.window.state.focused, visible: views.some((view) => view.visible) || chatVisible(), chats: chats.visible() });
  tell();
  return vscode.Disposable.from(
    vscode.window.onDidChangeWindowState(tell), vscode.window.tabGroups.onDidChangeTabs(tell), vscode.window.tabGroups.onDidChangeTabGroups(tell), chats.onDidChangeVisible(tell), ...views.map((view) => view.onDidChangeVisibility(tell)),
  );
}

/** True while a chat is the tab that a group of editors shows. VS Code puts a word of its own before a webview's type. */
function chatVisible(): boolean {
  return vscode.window.tabGroups.all.some(({ activeTab }) => activeTab?.input instanceof vscode.TabInputWebview && activeTab.input.viewType.endsWith(VIEWS.chat));
}
