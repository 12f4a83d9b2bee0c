import * as vscode from 'vscode';
import type { AttentionQueue } from '../core/fleet/attentionQueue.ts';
import type { Fleet } from '../core/fleet/fleet.ts';
import type { Clock } from '../core/model/context.ts';
import { systemClock } from '../core/transport/clock.ts';
import { commandId } from './contributions.ts';
import { noticeOf } from './notices.ts';
import { age, oneLine } from './tree/text.ts';

/** Lines of the hover. */
const LINES = 8;
/** Ages are told in minutes. */
const RENEW_MS = 60_000;

/** How much waits for the person, in the status bar; nothing where nothing does. */
export class AttentionBar implements vscode.Disposable {
  private readonly queue: Pick<AttentionQueue, 'needs'>;
  private readonly fleet: Pick<Fleet, 'session'>;
  private readonly item: vscode.StatusBarItem;
  private readonly clock: Clock;
  private readonly watch: { dispose(): void };
  /** Runs while the item is shown. */
  private timer: { cancel(): void } | null = null;

  constructor(queue: Pick<AttentionQueue, 'needs' | 'onChange'>, fleet: Pick<Fleet, 'session'>, clock: Clock = systemClock) {
    this.queue = queue;
    this.fleet = fleet;
    this.clock = clock;
    this.item = vscode.window.createStatusBarItem('pilothouse.needsYou', vscode.StatusBarAlignment.Left, 20);
    this.item.name = 'Pilothouse: Needs You';
    this.item.command = commandId('nextSessionThatNeedsYou');
    this.watch = queue.onChange(() => this.show());
    this.show();
  }

  dispose(): void {
    this.watch.dispose();
    this.timer?.cancel();
    this.item.dispose();
  }

  private show(): void {
    this.timer?.cancel();
    this.timer = null;
    const items = this.queue.needs();
    if (items.length === 0) {
      this.item.hide();
      return;
    }
    const words = needsWords(items.length);
    const now = this.clock.now();
    const lines = items.slice(0, LINES).map((item) => {
      const { text } = noticeOf(item, item.key === null ? null : this.fleet.session(item.key));
      return `${oneLine(text, 100)}${item.since === null ? '' : ` · ${age(item.since, now)}`}`;
    });
    this.item.text = `$(bell-dot) ${items.length}`;
    this.item.tooltip = [words, ...lines, ...(items.length > LINES ? [`and ${items.length - LINES} more`] : [])].join('\n');
    this.item.accessibilityInformation = { label: `Pilothouse: ${words}` };
    this.item.show();
    this.timer = this.clock.setTimeout(() => this.show(), RENEW_MS);
  }
}

/** How many wait, as a sentence without its end. */
export function needsWords(count: number): string {
  return count === 1 ? '1 thing waits for you' : `${count.toLocaleString()} things wait for you`;
}
