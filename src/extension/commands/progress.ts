import * as vscode from 'vscode';
import { Dismissed } from './dismissed.ts';

/** Says quietly what is being waited for. */
export function progress<T>(title: string, work: () => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title }, work));
}

/** A modal question with one way on; throws Dismissed for the other. */
export async function confirm(message: string, detail: string, action: string): Promise<void> {
  if ((await vscode.window.showWarningMessage(message, { modal: true, detail }, action)) !== action) throw new Dismissed();
}

/** Work with a notification that can be cancelled: its signal is aborted then. Rejects as the work does. */
export function cancellable<T>(title: string, work: (signal: AbortSignal, report: (message: string) => void) => Promise<T>): Promise<T> {
  return Promise.resolve(vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title, cancellable: true }, async (notification, token) => {
    const stop = new AbortController();
    const listening = token.onCancellationRequested(() => stop.abort());
    try {
      return await work(stop.signal, (message) => notification.report({ message }));
    } finally {
      listening.dispose();
    }
  }));
}
