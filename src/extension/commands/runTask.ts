import * as vscode from 'vscode';
import { untilTaskEnds } from '../../core/fleet/task.ts';
import { isAbort } from '../../core/model/errors.ts';
import { sessionKey } from '../../core/model/session.ts';
import { systemClock } from '../../core/transport/clock.ts';
import type { Services } from '../services.ts';
import { noticeText, oneLine } from '../tree/text.ts';
import { givenOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import { chooseStart, startSession } from './newSession.ts';

/** Run Task…: a session for one prompt, in the mode that the person chose. What was started is ended again, whatever becomes of the task; its transcript stays. */
export async function runTask(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const prompt = typeof given['prompt'] === 'string' ? given['prompt'] : await vscode.window.showInputBox({ title: 'Run Task', prompt: 'What is to be done? The session ends when it is.', ignoreFocusOut: true });
  if (prompt === undefined || prompt.trim() === '') throw new Dismissed();
  const { connection, options } = await chooseStart(services, target, 'Run Task');
  const session = await startSession(services, connection, { ...options, title: options.title ?? oneLine(prompt, 60) });
  const key = sessionKey(session);
  const title = noticeText(oneLine(prompt, 60));
  const runtime = await services.fleet.open(key);
  const stop = new AbortController();
  try {
    const end = await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title: `Task: ${title}`, cancellable: true }, async (_progress, token) => {
      token.onCancellationRequested(() => stop.abort());
      await runtime.send({ text: prompt, attachments: [] }, 'send');
      return untilTaskEnds(() => {
        const items = runtime.outboxItems();
        return {
          session: services.fleet.session(key), sending: items.length > 0, rows: runtime.transcript.tail,
          undelivered: items.find((item) => item.delivery === 'failed')?.error ?? null,
        };
      }, systemClock, stop.signal);
    });
    void tellEnd(services, key, title, end.how, end.error);
  } catch (error) {
    if (!isAbort(error)) throw error;
    void tellEnd(services, key, title, 'stopped', null);
  } finally {
    await runtime.stop().catch((error: unknown) => {
      void vscode.window.showWarningMessage(`The session of the task “${title}” could not be stopped: ${noticeText(error instanceof Error ? error.message : 'unknown error')}`);
    });
    runtime.release();
  }
}

async function tellEnd(services: Services, key: string, title: string, how: 'completed' | 'failed' | 'stopped', error: string | null): Promise<void> {
  const words = { completed: `Task done: ${title}`, failed: `Task failed: ${title}${error === null ? '' : `. ${noticeText(error)}`}`, stopped: `Task stopped: ${title}` };
  const show = how === 'failed' ? vscode.window.showWarningMessage : vscode.window.showInformationMessage;
  if ((await show(words[how], 'Open Session')) === 'Open Session') services.panels.open(key);
}
