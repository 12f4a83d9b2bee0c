import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import type { Logger } from '../../core/model/context.ts';
import { describeError, isAbort } from '../../core/model/errors.ts';
import { Dismissed } from '../commands/dismissed.ts';
import type { CommandName } from '../contributions.ts';
import { commandId, VIEWS } from '../contributions.ts';
import type { SignInCode, SignInElsewhere } from './ask.ts';
import { OtherServer } from './ask.ts';
import type { Problem } from './linkHtml.ts';
import { linkHtml, problemOf } from './linkHtml.ts';

/** The only commands that a panel can run; each is given the panel's own id. */
const COMMANDS = { copy: 'copySignInLink', open: 'openSignInLink', again: 'newSignInCode', server: 'changeSignInServer', cancel: 'cancelSignIn' } as const satisfies Record<string, CommandName>;
type SignInStep = keyof typeof COMMANDS;

interface OpenPanel {
  code: SignInCode | null;
  /** Asks for another code, where one is waited for. */
  again: (() => void) | null;
  readonly close: () => void;
  /** Ends the sign-in, for another server to be named. */
  readonly leave: () => void;
}

/** Sign-ins that happen elsewhere, each in an editor tab without any script. Closing the tab cancels. */
export class SignInPanels implements vscode.Disposable {
  private readonly extensionUri: vscode.Uri;
  private readonly log: Logger;
  private readonly panels = new Map<string, OpenPanel>();

  constructor(extensionUri: vscode.Uri, log: Logger) {
    this.extensionUri = extensionUri;
    this.log = log;
  }

  /** Shows the code until the sign-in is done, and another one when it ran out and the person asks. Rejects with Dismissed when the person cancels, with OtherServer when they want to name another one. */
  async run<T>(signIn: SignInElsewhere<T>): Promise<T> {
    const id = randomUUID();
    const abort = new AbortController();
    const media = vscode.Uri.joinPath(this.extensionUri, 'media');
    const panel = vscode.window.createWebviewPanel(VIEWS.signIn, signIn.title, vscode.ViewColumn.Active, {
      enableScripts: false, enableForms: false, enableCommandUris: Object.values(COMMANDS).map(commandId), localResourceRoots: [media], retainContextWhenHidden: false,
    });
    panel.iconPath = vscode.Uri.joinPath(media, 'pilothouse.svg');
    const open: OpenPanel = { code: null, again: null, close: () => panel.dispose(), leave: () => abort.abort(new OtherServer()) };
    this.panels.set(id, open);
    const closed = panel.onDidDispose(() => abort.abort(new Dismissed()));
    const address = (step: SignInStep): string => `command:${commandId(COMMANDS[step])}?${encodeURIComponent(JSON.stringify([id]))}`;
    const show = (code: SignInCode | null, problem: Problem | null): void => {
      if (abort.signal.aborted) return;
      open.code = code;
      panel.webview.html = linkHtml(
        { title: signIn.title, server: signIn.server, steps: signIn.steps, about: signIn.about, code, problem, commands: { copy: address('copy'), open: address('open'), again: address('again'), server: address('server'), cancel: address('cancel') } },
        { styleUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(media, 'sign-in.css')).toString(), cspSource: panel.webview.cspSource }, Date.now(),
      );
    };
    try {
      for (;;) {
        show(null, null);
        try {
          return await signIn.run((code) => show(code, null), abort.signal);
        } catch (error) {
          if (abort.signal.aborted || isAbort(error)) throw left(abort.signal);
          this.log.info('a sign-in was not confirmed', { error: describeError(error) });
          show(null, problemOf(error));
          await this.askedAgain(open, abort.signal);
        }
      }
    } finally {
      this.panels.delete(id);
      closed.dispose();
      panel.dispose();
    }
  }

  /** What a button of a panel does. A panel that is gone does nothing. */
  async step(id: unknown, step: SignInStep): Promise<void> {
    const open = typeof id === 'string' ? this.panels.get(id) : [...this.panels.values()].at(-1);
    if (open === undefined) return;
    if (step === 'cancel') open.close();
    else if (step === 'again') open.again?.();
    else if (step === 'server') open.leave();
    else if (open.code !== null) {
      const { link, typed } = open.code;
      if (step === 'copy' || typed !== undefined) {
        await vscode.env.clipboard.writeText(typed?.code ?? link);
        vscode.window.setStatusBarMessage(`Pilothouse: the ${typed === undefined ? 'link' : 'code'} was copied.`, 4_000);
      }
      // VS Code asks before it opens a page that the person has not trusted.
      if (step === 'open') await vscode.env.openExternal(vscode.Uri.parse(link));
    }
  }

  dispose(): void {
    for (const open of this.panels.values()) open.close();
  }

  private askedAgain(open: OpenPanel, signal: AbortSignal): Promise<void> {
    const asked = Promise.withResolvers<void>();
    const onAbort = (): void => asked.reject(left(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    open.again = asked.resolve;
    return asked.promise.finally(() => {
      signal.removeEventListener('abort', onAbort);
      open.again = null;
    });
  }
}

function left(signal: AbortSignal): Error {
  return signal.reason instanceof OtherServer ? signal.reason : new Dismissed();
}
