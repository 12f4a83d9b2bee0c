import * as vscode from 'vscode';
import type { KeptFor } from '../../core/session/store-api.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import type { Handler } from './handler.ts';
import { cancellable, confirm } from './progress.ts';

/** `3 that are pinned` for each reason that transcripts stay for. */
const KEPT: Readonly<Record<KeptFor, string>> = {
  open: 'in use in a window', prompts: 'with messages that wait to be sent', draft: 'with a draft', pinned: 'pinned', onlyHere: 'that may be stored here alone (clawdforge, some ACP agents)',
  gone: 'of connections that are not there any more, which nobody could read again',
};

async function clearTranscripts({ retention, log }: Services): Promise<void> {
  const { sessions, kept, bytes } = await retention.survey();
  const stay = (Object.keys(KEPT) as KeptFor[]).filter((why) => kept[why] > 0).map((why) => `${kept[why].toLocaleString()} ${KEPT[why]}`);
  const rest = stay.length === 0 ? '' : ` Kept: ${stay.join(', ')}.`;
  if (sessions.length === 0) {
    void vscode.window.showInformationMessage(`There are no stored transcripts to clear.${rest}`);
    return;
  }
  await confirm(
    `Clear the stored transcripts of ${plural(sessions.length)}?`,
    `Stored sessions take ${megabytes(bytes)} on this computer.${rest} The list of sessions stays, and usage figures. A transcript comes back from its agent or server when its session is opened; one that was deleted there does not, nor does what an agent does not write down itself, such as requests for permission and how they were answered.`,
    'Clear Transcripts',
  );
  const cleared = await cancellable('Clearing stored transcripts', (signal, report) => retention.clear(signal, (done, all) => report(`${done.toLocaleString()} of ${all.toLocaleString()}`)));
  log.info('stored transcripts were cleared', { ...cleared });
  void vscode.window.showInformationMessage(`Cleared the transcripts of ${plural(cleared.sessions)}: ${megabytes(cleared.before)} before, ${megabytes(cleared.after)} now.`);
}

function plural(sessions: number): string {
  return sessions === 1 ? '1 session' : `${sessions.toLocaleString()} sessions`;
}

function megabytes(bytes: number): string {
  const size = bytes / 1024 / 1024;
  return `${size.toLocaleString(undefined, { maximumFractionDigits: size < 10 ? 1 : 0 })} MB`;
}

export const retentionCommands = { clearTranscripts } as const satisfies Partial<Record<CommandName, Handler>>;
