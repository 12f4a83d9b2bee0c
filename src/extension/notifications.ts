import * as vscode from 'vscode';
import type { FleetChange } from '../core/fleet/change.ts';
import type { Session, SessionKey } from '../core/model/session.ts';
import type { Services } from './services.ts';
import { belowFolder, noticeText } from './tree/text.ts';

/** One notification a session that starts to need the person while its chat is not visible. */
export class Notifications implements vscode.Disposable {
  private readonly services: Services;
  private readonly watch: { dispose(): void };
  private readonly told = new Map<SessionKey, string>();
  private readonly states = new Map<SessionKey, Session['state']>();

  constructor(services: Services) {
    this.services = services;
    this.watch = services.fleet.onChange((change) => this.onChange(change));
  }

  dispose(): void {
    this.watch.dispose();
  }

  private onChange(change: FleetChange): void {
    const setting = this.services.settings.get('notifications');
    for (const key of change.sessions) {
      const session = this.services.fleet.session(key);
      const before = this.states.get(key);
      if (session === null) {
        this.told.delete(key);
        this.states.delete(key);
        continue;
      }
      this.states.set(key, session.state);
      const [first] = session.waiting;
      if (first === undefined) this.told.delete(key);
      if (setting === 'none' || session.owner === 'window' || this.services.panels.isVisible(key)) continue;
      if (first !== undefined && !this.told.has(key)) {
        this.told.set(key, first.requestId);
        void this.tell(key, `“${noticeText(session.title, 60)}” asks: ${noticeText(belowFolder(first.title, session.folder), 200)}`, 'Review…');
      } else if (before === 'running' && session.state === 'failed') {
        void this.tell(key, `“${noticeText(session.title, 60)}” failed: ${noticeText(session.error ?? 'the turn ended with an error', 200)}`, 'Open');
      } else if (before === 'running' && session.state === 'idle' && setting === 'all') {
        void this.tell(key, `“${noticeText(session.title, 60)}” is done.`, 'Open');
      }
    }
  }

  private async tell(key: SessionKey, message: string, action: string): Promise<void> {
    if ((await vscode.window.showInformationMessage(message, action)) === action) this.services.panels.open(key);
  }
}
