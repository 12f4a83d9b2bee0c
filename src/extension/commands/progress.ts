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

/** What is over sooner shows no notification: VS Code shows three of them in 800 ms and leaves out the fourth, which would be the one that tells how it ended. */
const SHOWN_AFTER_MS = 400;

/** Work with a notification that can be cancelled: its signal is aborted then. Rejects as the work does. */
export async function cancellable<T>(title: string, work: (signal: AbortSignal, report: (message: string) => void) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let message: string | null = null;
  let show: ((message: string) => void) | null = null;
  const working = work(stop.signal, (next) => {
    message = next;
    show?.(next);
  });
  if (await isOverWithin(working, SHOWN_AFTER_MS)) return working;
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title, cancellable: true }, async (notification, token) => {
    const listening = token.onCancellationRequested(() => stop.abort());
    show = (next) => notification.report({ message: next });
    if (message !== null) show(message);
    try {
      return await working;
    } finally {
      listening.dispose();
    }
  });
}

/** Whether it is settled, either way, before that many milliseconds have passed. */
async function isOverWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  const over = work.then(() => true, () => true);
  try {
    return await Promise.race([over, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
