import * as vscode from 'vscode';
import type { FleetChange } from '../core/fleet/change.ts';
import type { SessionKey } from '../core/model/session.ts';
import type { Notice } from './notices.ts';
import { Notices } from './notices.ts';
import type { Services } from './services.ts';

/** Shows what there is to tell of sessions whose chat is not visible. */
export class Notifications implements vscode.Disposable {
  private readonly services: Services;
  private readonly watch: { dispose(): void };
  private readonly notices = new Notices(Date.now());

  constructor(services: Services) {
    this.services = services;
    this.watch = services.fleet.onChange((change) => this.onChange(change));
  }

  dispose(): void {
    this.watch.dispose();
  }

  private onChange(change: FleetChange): void {
    const { settings, fleet, panels } = this.services;
    const setting = settings.get('notifications');
    for (const key of change.sessions) {
      const notice = this.notices.take(key, fleet.session(key), { quiet: setting === 'none' || panels.isVisible(key), done: setting === 'all' });
      if (notice !== null) void this.tell(key, notice);
    }
  }

  private async tell(key: SessionKey, { text, action }: Notice): Promise<void> {
    if ((await vscode.window.showInformationMessage(text, action)) !== action) return;
    const chat = this.services.panels.open(key);
    const [asked] = action === 'Review…' ? (this.services.fleet.session(key)?.waiting ?? []) : [];
    if (asked !== undefined) chat.tell({ type: 'review', requestId: asked.requestId });
  }
}
