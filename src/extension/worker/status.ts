import * as vscode from 'vscode';
import { commandId, VIEWS } from '../contributions.ts';
import { pickText } from '../tree/text.ts';
import type { Answers } from './answers.ts';
import { statusOf, workerCounts, workerLine } from './line.ts';
import type { Workers } from './workers.ts';

/** The status bar's item while a worker runs in this window, or an answer waits for the person. */
export class WorkerStatus implements vscode.Disposable {
  private readonly workers: Workers;
  private readonly answers: Answers;
  private readonly item = vscode.window.createStatusBarItem('worker', vscode.StatusBarAlignment.Left, 10);
  private readonly watching: readonly { dispose(): void }[];

  constructor(workers: Workers, answers: Answers) {
    this.workers = workers;
    this.answers = answers;
    this.item.name = 'Pilothouse Worker';
    this.watching = [workers.onChange(() => this.show()), answers.onChange(() => this.show())];
    this.show();
  }

  dispose(): void {
    for (const each of this.watching) each.dispose();
    this.item.dispose();
  }

  private show(): void {
    const workers = this.workers.workers();
    const status = statusOf(workers, this.answers.all().length);
    if (status === null) return this.item.hide();
    const lines = workers.map(({ definition, state }) => [definition.capabilityName, workerLine(state), workerCounts(state)].filter((word) => word !== '').join(' · '));
    this.item.text = `$(${status.icon}) ${pickText(status.text)}`;
    this.item.tooltip = lines.join('\n');
    this.item.accessibilityInformation = { label: [status.text, ...lines].join('. '), role: 'button' };
    this.item.backgroundColor = status.waits ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
    this.item.command = status.waits ? commandId('reviewAnswer') : `${VIEWS.jobs}.focus`;
    this.item.show();
  }
}
