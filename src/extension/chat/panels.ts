import * as vscode from 'vscode';
import type { SessionKey } from '../../core/model/session.ts';
import { parseSessionKey, UNTITLED } from '../../core/model/session.ts';
import { VIEWS } from '../contributions.ts';
import type { Services } from '../services.ts';
import { ChatPanel } from './panel.ts';
import type { ChatTab, ChatTabs } from './tabs.ts';

/** All chat tabs of this window: one a session; restored after a reload by the session's key, which is all that is stored for a tab. */
export class ChatPanels implements ChatTabs, vscode.WebviewPanelSerializer<unknown>, vscode.Disposable {
  private readonly panels = new Map<SessionKey, ChatPanel>();
  private readonly visibleChanged = new vscode.EventEmitter<void>();
  /** Chats were shown or hidden. */
  readonly onDidChangeVisible = this.visibleChanged.event;
  private services: Services | null = null;
  private last: ChatTab | null = null;
  private registration: vscode.Disposable | null = null;

  start(services: Services): void {
    this.services = services;
    this.registration = vscode.window.registerWebviewPanelSerializer(VIEWS.chat, this);
  }

  open(key: SessionKey, options: { readonly beside?: boolean } = {}): ChatPanel {
    const known = this.panels.get(key);
    if (known !== undefined) {
      known.reveal();
      return known;
    }
    const column = options.beside === true ? vscode.ViewColumn.Beside : vscode.ViewColumn.Active;
    const panel = vscode.window.createWebviewPanel(VIEWS.chat, UNTITLED, { viewColumn: column, preserveFocus: false }, { enableScripts: true, retainContextWhenHidden: false, enableFindWidget: false });
    const opened = this.adopt(key, panel);
    opened.focus();
    return opened;
  }

  /** `state` is what the page stored: it is not trusted, and what holds no key closes the tab. */
  deserializeWebviewPanel(panel: vscode.WebviewPanel, state: unknown): Promise<void> {
    const key = typeof state === 'object' && state !== null && 'session' in state && typeof state.session === 'string' ? state.session : null;
    if (key === null || parseSessionKey(key) === null || this.panels.has(key)) panel.dispose();
    else this.adopt(key, panel);
    return Promise.resolve();
  }

  get(key: SessionKey): ChatPanel | null {
    return this.panels.get(key) ?? null;
  }

  /** The chat that has the focus, if one has. */
  active(): ChatPanel | null {
    return [...this.panels.values()].find((panel) => panel.panel.active) ?? null;
  }

  /** The chat that had the focus last, while it is open. */
  recent(): ChatTab | null {
    return this.last;
  }

  isVisible(key: SessionKey): boolean {
    return this.panels.get(key)?.panel.visible ?? false;
  }

  /** The sessions whose chats can be seen. */
  visible(): readonly SessionKey[] {
    return [...this.panels].flatMap(([key, { panel }]) => (panel.visible ? [key] : []));
  }

  viewed(): void {
    this.visibleChanged.fire();
  }

  touched(panel: ChatTab): void {
    this.last = panel;
  }

  forget(panel: ChatTab): void {
    if (this.panels.get(panel.key) === panel) this.panels.delete(panel.key);
    if (this.last === panel) this.last = null;
    this.viewed();
  }

  dispose(): void {
    this.registration?.dispose();
    this.visibleChanged.dispose();
    // The tabs stay: VS Code brings them back with the extension. What they hold is the fleet's, which is closed with us.
    for (const panel of this.panels.values()) panel.detach();
    this.panels.clear();
  }

  private adopt(key: SessionKey, panel: vscode.WebviewPanel): ChatPanel {
    if (this.services === null) throw new Error('chats are opened before the extension is active');
    const made = new ChatPanel(this.services, key, panel);
    this.panels.set(key, made);
    this.last = made;
    this.viewed();
    return made;
  }
}
