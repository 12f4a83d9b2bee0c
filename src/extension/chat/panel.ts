import * as vscode from 'vscode';
import type { Fleet } from '../../core/fleet/fleet.ts';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import { describeError, isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import type { HostMessage, PageMessage } from '../../protocol/chat.ts';
import type { Services } from '../services.ts';
import { titleOf } from '../tree/line.ts';
import { failureText } from '../tree/text.ts';
import { ChatChannel } from './channel.ts';
import { ChatFinding } from './finding.ts';
import { chatHtml } from './html.ts';
import { KeptDraft } from './kept.ts';
import { Opening } from './opening.ts';
import { answerRequest } from './requests.ts';
import { readPageMessage, refusedRequest } from './schema.ts';
import { chatState } from './state.ts';
import type { ChatTab, PageOrder } from './tabs.ts';

/** One chat tab: a webview panel on the runtime of one session. */
export class ChatPanel implements ChatTab, vscode.Disposable {
  readonly key: SessionKey;
  readonly panel: vscode.WebviewPanel;
  private readonly services: Services;
  private readonly fleet: Fleet;
  private readonly disposables: { dispose(): unknown }[] = [];
  private runtime: SessionRuntime | null = null;
  private channel: ChatChannel | null = null;
  private watchingRuntime: { dispose(): unknown } | null = null;
  /** True once the fleet knew the session: from then on it is gone when it is missing. */
  private wasKnown = false;
  private disposed = false;
  private pageReady = false;
  private readonly draft: KeptDraft;
  private readonly inserts: string[] = [];
  private readonly orders: PageOrder[] = [];
  private finding: ChatFinding | null = null;
  private wantsFocus = false;
  private readonly opening: Opening;

  constructor(services: Services, key: SessionKey, panel: vscode.WebviewPanel) {
    this.services = services;
    this.fleet = services.fleet;
    this.key = key;
    this.panel = panel;
    this.draft = new KeptDraft(services.drafts, key);
    panel.webview.options = { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(services.extensionUri, 'dist', 'webview')] };
    panel.iconPath = vscode.Uri.joinPath(services.extensionUri, 'media', 'pilothouse.svg');
    this.disposables.push(
      panel.webview.onDidReceiveMessage((message: unknown) => this.onMessage(message)),
      panel.onDidChangeViewState(() => this.onViewState()),
      panel.onDidDispose(() => {
        this.dispose();
        void this.draft.isWritten().then((written) => services.unused.closed(key, written));
      }),
      services.settings.onChange((name) => name.startsWith('chat.') && this.channel?.configChanged()),
      this.fleet.onChange((change) => {
        if (change.connections || change.sessions.has(key)) this.refresh();
      }),
    );
    this.retitle();
    panel.webview.html = chatHtml(panel.webview, services.extensionUri, panel.title);
    this.opening = new Opening({ fleet: this.fleet, key, log: services.log, opened: (runtime) => this.attach(runtime), failed: () => this.tellUnavailable() });
    void this.opening.open();
  }

  reveal(column?: vscode.ViewColumn): void {
    this.panel.reveal(column ?? this.panel.viewColumn, false);
    this.focus();
  }

  /** Puts the cursor into the composer, as soon as the page is there. */
  focus(): void {
    this.wantsFocus = true;
    this.flushInserts();
  }

  /** Puts text into the composer, behind the draft that is kept: as soon as the page is there and has that. */
  insert(text: string): void {
    this.inserts.push(text);
    this.flushInserts();
  }

  /** Hands the page what the person chose: as soon as it is there and shows the session. */
  tell(message: PageOrder): void {
    this.orders.push(message);
    this.flushInserts();
  }

  dispose(): void {
    if (this.disposed) return;
    this.detach();
    this.services.panels.forget(this);
    this.panel.dispose();
  }

  /** Lets go of the session and of the tab, which stays. */
  detach(): void {
    this.disposed = true;
    for (const each of this.disposables.splice(0).reverse()) each.dispose();
    this.opening.dispose();
    this.letGo();
  }

  /** The page is there: it is sent what it shows. */
  private greet(): void {
    this.channel?.pageReady();
    if (this.channel !== null && this.draft.files.length > 0) void this.post({ type: 'draft-files', session: this.key, files: this.draft.files });
  }

  private flushInserts(): void {
    if (!this.pageReady || !this.panel.visible || this.channel === null) return;
    for (const text of this.inserts.splice(0)) void this.post({ type: 'insert', text });
    if (this.wantsFocus) void this.post({ type: 'focus' });
    this.wantsFocus = false;
    for (const order of this.orders.splice(0)) void this.post(order);
  }

  private letGo(): void {
    this.watchingRuntime?.dispose();
    this.finding?.dispose();
    this.channel?.dispose();
    this.runtime?.release();
    this.watchingRuntime = null;
    this.finding = null;
    this.channel = null;
    this.runtime = null;
  }

  /** The session is open: its page is served from now on. */
  private async attach(runtime: SessionRuntime): Promise<void> {
    await this.draft.load();
    if (this.disposed || this.runtime !== null) {
      runtime.release();
      return;
    }
    this.runtime = runtime;
    this.channel = new ChatChannel({
      session: this.key,
      transcript: runtime.transcript,
      state: () => chatState(this.fleet, runtime),
      config: () => ({ enterKey: this.services.settings.get('chat.enterKey'), thinking: this.services.settings.get('chat.thinking') }),
      draft: () => this.draft.text,
    }, (message) => void this.post(message));
    this.finding = new ChatFinding(runtime.transcript, () => this.services.settings.get('chat.thinking') !== 'hidden', (message) => void this.post(message));
    this.watchingRuntime = runtime.onState(() => this.refresh());
    this.channel.setVisible(this.panel.visible);
    if (this.pageReady) this.greet();
    this.flushInserts();
    this.refresh();
  }

  private tellUnavailable(): void {
    const { unavailable } = this.opening;
    if (unavailable !== null && this.pageReady) void this.post({ type: 'unavailable', session: this.key, ...unavailable });
  }

  private onViewState(): void {
    // A hidden page is thrown away; shown again, it loads and says so.
    if (!this.panel.visible) {
      this.pageReady = false;
      this.finding?.dispose();
    }
    this.channel?.setVisible(this.panel.visible);
    this.services.panels.viewed();
    void this.services.context.set('pilothouse.chatFocused', this.services.panels.active() !== null);
    if (this.panel.active && this.panel.visible) this.services.panels.touched(this);
  }

  private onMessage(raw: unknown): void {
    const message: PageMessage | null = readPageMessage(raw);
    if (message === null) {
      this.services.log.warn('a message of the chat page was refused');
      const request = refusedRequest(raw);
      if (request !== null) void this.post({ type: 'reply', request, ok: false, code: 'refused', message: 'This is larger than a chat takes, or not of its form. Send less at once.' });
      return;
    }
    switch (message.type) {
      case 'ready':
        this.pageReady = true;
        this.greet();
        this.tellUnavailable();
        this.flushInserts();
        return;
      case 'reopen':
        if (this.runtime === null) void this.opening.open();
        return;
      case 'resync':
        this.services.log.info('the chat page asked for a snapshot', { generation: message.generation });
        this.channel?.resync(message.generation);
        return;
      case 'draft':
        // A page that was not told its session yet has none but this panel's: a tab that is closed right after something was typed must not lose it.
        if (message.session !== this.key && message.session !== '') {
          this.services.log.warn('a draft for another session than the chat’s was refused', { code: 'wrong_session' });
          return;
        }
        void this.draft.save(message.text, message.files);
        return;
      case 'request':
        void this.answer(message);
    }
  }

  /** Every request is for this panel's own session: one that names another is refused. */
  private async answer(message: Extract<PageMessage, { type: 'request' }>): Promise<void> {
    const { request } = message;
    try {
      const { runtime, channel, finding } = this;
      if (message.session !== this.key) throw new PilothouseError('wrong_session', 'This page shows another session. Close the tab and open it again.');
      if (runtime === null || channel === null || finding === null) throw new PilothouseError('not_ready', 'The session is still being opened. Try again in a moment.');
      const value = await answerRequest(this.services, { key: this.key, runtime, finding, generation: () => channel.currentGeneration, column: this.panel.viewColumn, progress: (line) => void this.post({ type: 'progress', request, message: line }) }, message.body);
      await this.post({ type: 'reply', request, ok: true, value });
    } catch (error) {
      const code = error instanceof PilothouseError ? error.code : 'failed';
      if (!(error instanceof PilothouseError)) this.services.log.error('a request of the chat page failed', { ask: message.body.ask, error: describeError(error) });
      await this.post({ type: 'reply', request, ok: false, code, message: isAbort(error) ? 'It was cancelled.' : failureText(error, 500) });
    }
  }

  private refresh(): void {
    const known = this.fleet.session(this.key) !== null;
    const connected = this.fleet.connections().some((each) => this.key.startsWith(sessionKey({ connectionId: each.connectionId, id: '' })));
    if (this.wasKnown && !known && connected) {
      // It was deleted, here or elsewhere; a connection that is made anew brings its sessions back instead.
      this.dispose();
      return;
    }
    this.wasKnown = known;
    this.opening.lookAgain();
    if (this.runtime?.isClosed === true) {
      this.letGo();
      void this.opening.open();
      return;
    }
    this.retitle();
    this.channel?.stateChanged();
  }

  private retitle(): void {
    const title = titleOf({ title: this.fleet.session(this.key)?.title ?? '' }, 60);
    if (this.panel.title !== title) this.panel.title = title;
  }

  private async post(message: HostMessage): Promise<void> {
    if (this.disposed) return;
    await Promise.resolve(this.panel.webview.postMessage(message)).catch(() => false);
  }
}
