import * as vscode from 'vscode';
import { z } from 'zod';
import { describeError } from '../../core/model/errors.ts';
import type { UsageRange } from '../../core/model/usage.ts';
import type { UsageHostMessage, UsagePageMessage } from '../../protocol/usage.ts';
import { pageHtml } from '../chat/html.ts';
import { commandId, VIEWS } from '../contributions.ts';
import type { Services } from '../services.ts';
import { failureText } from '../tree/text.ts';

const message = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({ type: z.literal('range'), range: z.union([z.literal(7), z.literal(30), z.literal(90)]) }),
  z.strictObject({ type: z.literal('open'), session: z.string().min(1).max(1_000) }),
  z.strictObject({ type: z.literal('export') }),
]) satisfies z.ZodType<UsagePageMessage>;

/** How often what is shown is read anew while it can be seen, milliseconds. */
const FRESH_MS = 10_000;

let shown: vscode.WebviewPanel | null = null;

/** Shows the one tab that tells what was used; it is made where it is not there. */
export function showUsage(services: Services): void {
  if (shown !== null) {
    shown.reveal();
    return;
  }
  const panel = vscode.window.createWebviewPanel(VIEWS.usage, 'Usage', vscode.ViewColumn.Active, {
    enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(services.extensionUri, 'dist', 'webview')],
  });
  shown = panel;
  panel.iconPath = vscode.Uri.joinPath(services.extensionUri, 'media', 'pilothouse.svg');
  const page = new Page(services, panel);
  panel.onDidDispose(() => {
    shown = null;
    page.dispose();
  });
  panel.webview.html = pageHtml(panel.webview, services.extensionUri, { name: 'usage', title: 'Usage' });
}

class Page implements vscode.Disposable {
  private readonly services: Services;
  private readonly panel: vscode.WebviewPanel;
  private readonly listening: vscode.Disposable[];
  private range: UsageRange = 30;
  private told = '';

  constructor(services: Services, panel: vscode.WebviewPanel) {
    this.services = services;
    this.panel = panel;
    const timer = setInterval(() => {
      if (panel.visible) void this.tell();
    }, FRESH_MS);
    this.listening = [
      panel.webview.onDidReceiveMessage((value: unknown) => void this.take(value)),
      { dispose: () => clearInterval(timer) },
    ];
  }

  dispose(): void {
    for (const each of this.listening) each.dispose();
  }

  private async take(value: unknown): Promise<void> {
    const read = message.safeParse(value);
    if (!read.success) {
      this.services.log.warn('a message of the usage page was not understood');
      return;
    }
    switch (read.data.type) {
      // What it wants to see it says next.
      case 'ready':
        this.told = '';
        return;
      case 'range':
        this.range = read.data.range;
        this.told = '';
        return this.tell();
      case 'open':
        // The page may be older than the fleet's list.
        if (this.services.fleet.session(read.data.session) !== null) await vscode.commands.executeCommand(commandId('openSession'), { key: read.data.session });
        return;
      case 'export':
        await vscode.commands.executeCommand(commandId('exportUsage'));
    }
  }

  /** Tells the page what it is to show, where that is other than it shows. */
  private async tell(): Promise<void> {
    const { range } = this;
    let news: UsageHostMessage;
    try {
      news = { type: 'usage', report: await this.services.usage.report(range, Date.now()) };
    } catch (error) {
      this.services.log.warn('usage could not be read', { error: describeError(error) });
      news = { type: 'failed', message: failureText(error) };
    }
    const text = JSON.stringify(news);
    if (range !== this.range || text === this.told) return;
    this.told = text;
    await this.panel.webview.postMessage(news);
  }
}
