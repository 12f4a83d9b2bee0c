import path from 'node:path';
import * as vscode from 'vscode';
import { isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { FileToken } from '../../core/systems/clawdforge/index.ts';
import { givenOf } from '../commands/accounts.ts';
import { Dismissed } from '../commands/dismissed.ts';
import { cancellable } from '../commands/progress.ts';
import { commandId } from '../contributions.ts';
import type { Services } from '../services.ts';
import { noticeText, oneLine } from '../tree/text.ts';
import type { ForgeAccess } from './access.ts';
import { forgeFor } from './account.ts';
import { keptWords } from './words.ts';

/** What the server allows, in seconds (clawdforge.md). */
const TTL = { least: 60, most: 86_400 } as const;

/** Uploads a file, told how far it is. Rejects as the client does. */
export async function uploadTo(access: ForgeAccess, file: string, options: { readonly ttlSecs?: number; readonly signal: AbortSignal; readonly report: (message: string) => void }): Promise<FileToken> {
  let shown = -1;
  const onProgress = (sent: number, total: number): void => {
    const percent = total === 0 ? 100 : Math.floor((sent / total) * 100);
    if (percent === shown) return;
    shown = percent;
    options.report(`${oneLine(path.basename(file), 60)}: ${percent} %`);
  };
  return access.ask((forge) => forge.uploadFile(file, { signal: options.signal, onProgress, ...(options.ttlSecs === undefined ? {} : { ttlSecs: options.ttlSecs }) }));
}

/** Files of this computer that the person chooses. Throws Dismissed. */
export async function pickFiles(many: boolean): Promise<readonly string[]> {
  const chosen = await vscode.window.showOpenDialog({ title: 'Upload to clawdforge', openLabel: 'Upload', canSelectFiles: true, canSelectFolders: false, canSelectMany: many });
  if (chosen === undefined || chosen.length === 0) throw new Dismissed();
  return chosen.map(fileOf);
}

function fileOf(uri: vscode.Uri): string {
  if (uri.scheme !== 'file') throw new PilothouseError('invalid_argument', 'Only files of this computer can be uploaded. Save it to a file first.');
  return uri.fsPath;
}

/** Upload File to clawdforge…: a file of the explorer, of `{file}` or one that is chosen; for how long; its token is copied. */
export async function uploadFile(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const { record, access } = await forgeFor(services, target);
  const named = target instanceof vscode.Uri ? fileOf(target) : typeof given['file'] === 'string' ? given['file'] : undefined;
  const file = named ?? (await pickFiles(false))[0] ?? '';
  const ttlSecs = typeof given['ttlSecs'] === 'number' ? given['ttlSecs'] : await pickTtl();
  let uploaded: FileToken;
  try {
    uploaded = await cancellable(`Uploading to ${oneLine(record.name, 60)}`, (signal, report) => uploadTo(access, file, { ttlSecs, signal, report }));
  } catch (error) {
    if (isAbort(error)) throw new Dismissed();
    throw error;
  }
  await vscode.env.clipboard.writeText(uploaded.fileToken);
  const use = 'Run Prompt With It…';
  // Not waited for: the person answers when they like.
  void vscode.window.showInformationMessage(noticeText(`${path.basename(file)} is on ${record.name} for ${keptWords(uploaded.ttlSecs)}. Its token ${uploaded.fileToken} was copied.`), use).then((choice) =>
    choice === use ? vscode.commands.executeCommand(commandId('runPromptOnClawdforge'), { connectionId: record.connectionId, fileTokens: [uploaded.fileToken] }) : undefined);
}

async function pickTtl(): Promise<number> {
  const items = [...[600, 3_600, 86_400].map((secs) => ({ label: `For ${keptWords(secs)}`, secs: secs as number | null })), { label: 'For another time…', secs: null }];
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'For how long is the server to keep it?', ignoreFocusOut: true });
  if (picked === undefined) throw new Dismissed();
  if (picked.secs !== null) return picked.secs;
  const typed = await vscode.window.showInputBox({
    title: 'Keep the file', prompt: 'Seconds, from 60 to 86400 (a day).', value: '3600', ignoreFocusOut: true,
    validateInput: (value) => (/^\d+$/.test(value.trim()) && Number(value) >= TTL.least && Number(value) <= TTL.most ? null : 'A whole number of seconds from 60 to 86400.'),
  });
  if (typed === undefined) throw new Dismissed();
  return Number(typed);
}
