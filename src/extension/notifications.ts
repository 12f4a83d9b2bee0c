import * as vscode from 'vscode';
import type { AttentionItem } from '../core/fleet/attention.ts';
import { needsPerson } from '../core/fleet/attention.ts';
import { describeError, PilothouseError } from '../core/model/errors.ts';
import { systemClock } from '../core/transport/clock.ts';
import { answerRequest } from './commands/answer.ts';
import { showWaiting } from './commands/attention.ts';
import { commandId } from './contributions.ts';
import type { NoticeAction } from './notices.ts';
import { noticeOf, Notices } from './notices.ts';
import type { Services } from './services.ts';
import { failureText } from './tree/text.ts';

/** VS Code takes a notification off the screen after ten seconds, or a while after the mouse has left it. */
const ON_SCREEN_MS = 60_000;

/** Shows what begins to wait in sessions whose chat is not visible. */
export class Notifications implements vscode.Disposable {
  private readonly services: Services;
  private readonly watch: { dispose(): void };
  private readonly notices: Notices;
  /** Notifications that nobody closed, and since when they stand. */
  private readonly shown = new Map<AttentionItem, number>();

  constructor(services: Services) {
    this.services = services;
    const { attention, settings, panels, store, log } = services;
    const leaseOf = (id: string): string => `told:${id}`;
    this.notices = new Notices({
      clock: systemClock,
      wanted: (item) => !this.toldElsewhere(item) && (settings.get('notifications') === 'all' || (settings.get('notifications') === 'attention' && needsPerson(item))),
      waits: (item) => attention.has(item),
      seen: (item) => item.key !== null && panels.isVisible(item.key),
      focused: () => vscode.window.state.focused,
      // Told twice is better than not at all.
      claim: (id) => store.leases.acquire(leaseOf(id)).catch(() => true),
      release: (id) => void store.leases.release(leaseOf(id)).catch((error: unknown) => log.debug('a notification is still claimed', { error: describeError(error) })),
      show: (item) => this.show(item),
      showMany: async () => {
        // Always the same words: VS Code then puts it in the place of the one before.
        if ((await vscode.window.showInformationMessage('Several sessions need you.', 'Show Next')) !== undefined) await vscode.commands.executeCommand(commandId('nextSessionThatNeedsYou'));
      },
    });
    this.watch = attention.onChange(({ added }) => {
      this.clear();
      this.notices.add(added);
    });
  }

  dispose(): void {
    this.watch.dispose();
    this.notices.dispose();
  }

  /** Shipping says itself that a collector takes its key no more, and what waits there. */
  private toldElsewhere(item: AttentionItem): boolean {
    return item.kind === 'sign-in' && this.services.fleet.connections().find((each) => each.connectionId === item.connectionId)?.system === 'catsyphon';
  }

  /** Puts what stands on the screen into VS Code's list once none of ours there waits any more: what was answered elsewhere does not stand as if it did. */
  private clear(): void {
    const now = performance.now();
    const onScreen = [...this.shown].filter(([, at]) => now - at < ON_SCREEN_MS).map(([item]) => item);
    if (onScreen.length === 0 || onScreen.some((item) => this.services.attention.has(item))) return;
    for (const item of onScreen) this.shown.delete(item);
    void vscode.commands.executeCommand('notifications.hideToasts');
  }

  /**
   * VS Code can withdraw a notification of a progress alone, which has no buttons and a bar that moves as if something were under way. This one has real buttons; in VS Code's list it stands until it is
   * closed, and a button that is pressed too late there says so.
   */
  private async show(item: AttentionItem): Promise<void> {
    const { fleet } = this.services;
    const session = item.key === null ? null : fleet.session(item.key);
    const { text, actions } = noticeOf(item, session);
    this.shown.set(item, performance.now());
    const action = await vscode.window.showInformationMessage(text, ...actions);
    this.shown.delete(item);
    if (action === undefined) return;
    try {
      await this.act(item, action);
    } catch (error) {
      await this.tellFailure(item, error);
    }
  }

  private async act(item: AttentionItem, action: NoticeAction): Promise<void> {
    if ((action === 'Allow' || action === 'Deny') && item.key !== null && item.request !== null) await answerRequest(this.services, item.key, item.request, action === 'Allow' ? 'allow' : 'deny');
    else await showWaiting(this.services, item);
  }

  private async tellFailure(item: AttentionItem, error: unknown): Promise<void> {
    const late = error instanceof PilothouseError && error.code === 'already_answered';
    this.services.log[late ? 'info' : 'warn']('a notification came to nothing', { code: error instanceof PilothouseError ? error.code : 'unexpected', error: describeError(error) });
    const choice = late ? await vscode.window.showInformationMessage('That was answered already.', 'Open') : await vscode.window.showErrorMessage(failureText(error), 'Open');
    if (choice === 'Open' && item.key !== null) this.services.panels.open(item.key);
  }
}
