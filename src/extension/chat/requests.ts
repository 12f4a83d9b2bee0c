import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import * as vscode from 'vscode';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import type { Attachment, FileDiff } from '../../core/model/entry.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { SessionKey } from '../../core/model/session.ts';
import type { PageRequest, ReplyValue } from '../../protocol/chat.ts';
import { offerToGoOn } from '../commands/goOn.ts';
import { commandId } from '../contributions.ts';
import type { ChatFinding } from './finding.ts';
import { openCarried, openRemoteFile } from '../remote/opening.ts';
import type { Services } from '../services.ts';
import { oneLine, stripAnsi } from '../tree/text.ts';
import { mentionsFor } from './mentions.ts';
import { remotePath } from './remoteFile.ts';
import { placeOf } from './place.ts';

interface RequestContext {
  readonly key: SessionKey;
  readonly runtime: SessionRuntime;
  readonly finding: Pick<ChatFinding, 'answer'>;
  readonly generation: () => number;
  readonly column: vscode.ViewColumn | undefined;
  /** Tells the page how far its request is, in a line. */
  readonly progress: (message: string) => void;
}

const DONE: ReplyValue = { kind: 'done', message: null };
const MAX_ROWS = 400;

/** Does what a page asks. The message was checked by its schema and names this session; what it wants to touch is looked up here again. */
export async function answerRequest(services: Services, context: RequestContext, body: PageRequest): Promise<ReplyValue> {
  const { runtime } = context;
  switch (body.ask) {
    case 'rows': {
      const end = Math.min(body.end, body.start + MAX_ROWS);
      const { start, rows } = await runtime.transcript.rows(body.start, end);
      return { kind: 'rows', start, total: runtime.transcript.total, generation: context.generation(), rows };
    }
    case 'send':
      if (body.text.trim() === '' && body.attachments.length === 0) throw new PilothouseError('invalid_argument', 'Type a message first.');
      await runtime.send({ text: body.text, attachments: body.attachments }, body.how);
      offerToGoOn(services, runtime);
      return DONE;
    case 'outbox':
      await runtime.outboxDo(body.clientId, body.what);
      if (body.what === 'retry') offerToGoOn(services, runtime);
      return DONE;
    case 'outbox-edit':
      if (body.text.trim() === '') throw new PilothouseError('invalid_argument', 'A queued message needs a text. Drop it to remove it.');
      await runtime.outboxEdit(body.clientId, body.text);
      return DONE;
    case 'interrupt':
      return { kind: 'done', message: (await runtime.interrupt(context.progress)).message };
    case 'take-over':
      await runtime.reach.takeOver();
      return { kind: 'done', message: 'You have the session now.' };
    case 'answer':
      await runtime.answer(body.requestId, body.decision);
      return DONE;
    case 'set':
      await runtime.set(body.what, body.id);
      return DONE;
    case 'run':
      // Commands ask the person and tell of their failures themselves: they take the time that the person takes, which the page must not wait for.
      void vscode.commands.executeCommand(commandId(RUNNABLE[body.command]), { key: context.key });
      return DONE;
    case 'find':
    case 'find-step':
    case 'find-end':
    case 'prompt':
    case 'prompts':
    case 'place':
    case 'request-place':
      return context.finding.answer(body);
    case 'run-row':
      // A fork takes the time that the agent takes, and tells of its failure itself.
      void vscode.commands.executeCommand(commandId(body.command), { key: context.key, ...(body.rows === undefined ? { row: body.row } : { rows: body.rows }) });
      return DONE;
    case 'open-diff': {
      const row = await runtime.transcript.row(body.row);
      const diff = row?.kind === 'tool' || row?.kind === 'permission' ? row.diffs[body.index] : undefined;
      if (diff === undefined) throw new PilothouseError('not_found', 'This change is not in the transcript any more.');
      const whole = runtime.system === 'local' ? await withTextOnDisk(diff, services.fleet.session(context.key)?.folder ?? '', row?.kind === 'tool') : diff;
      await services.documents.openDiff(whole, `${oneLine(path.basename(diff.path), 80)} (${row?.kind === 'permission' ? 'proposed' : 'changed'} in session)`);
      return DONE;
    }
    case 'open-output': {
      const output = await runtime.transcript.output(body.row);
      if (output === null) throw new PilothouseError('not_found', 'This tool has no output.');
      await services.documents.open('output.txt', stripAnsi(output), body.line);
      return DONE;
    }
    case 'fetch-output':
      await runtime.reach.fetchOutput(body.row);
      return DONE;
    case 'open-attachment': {
      const row = await runtime.transcript.row(body.row);
      const file = row?.kind === 'file' ? row.file : row?.kind === 'prompt' || row?.kind === 'tool' ? row.attachments[body.index] : undefined;
      if (file === undefined) throw new PilothouseError('not_found', 'This file is not in the transcript any more.');
      await openAttachment(services, context, file, body.row);
      return DONE;
    }
    case 'open-file':
      await openFile(services, context, body.path, body.line);
      return DONE;
    case 'open-link': {
      const uri = vscode.Uri.parse(body.href, true);
      if (!['http', 'https', 'mailto'].includes(uri.scheme)) throw new PilothouseError('link_refused', 'Only web and mail links are opened.');
      await vscode.env.openExternal(uri);
      return DONE;
    }
    case 'insert-code':
      return { kind: 'done', message: await insertCode(services.lastEditor.get(), body.text) };
    case 'copy':
      await vscode.env.clipboard.writeText(body.text);
      return DONE;
    case 'mentions':
      return { kind: 'mentions', mentions: await mentionsFor(services, runtime, services.fleet.session(context.key)?.folder ?? '', body.query) };
  }
}

const RUNNABLE = {
  signIn: 'signIn', rename: 'renameSession', stop: 'stopSession', resume: 'resumeSession', fork: 'forkSession', export: 'exportTranscript', openFolder: 'openSessionFolder', manageTrust: 'manageTrust',
} as const;

const MAX_DIFF_BYTES = 2_000_000;

/**
 * A change of which the agent gave only the hunks, with the file as it stands on disk as its other half: the text after an applied change, before a
 * proposed one. Where the file has moved on since, the hunks do not fit it and are shown alone.
 */
async function withTextOnDisk(diff: FileDiff, folder: string, applied: boolean): Promise<FileDiff> {
  if (diff.change !== 'modify' || diff.before !== null || diff.after !== null) return diff;
  const file = path.isAbsolute(diff.path) ? diff.path : path.join(folder, diff.path);
  try {
    const found = await stat(file);
    if (!found.isFile() || found.size > MAX_DIFF_BYTES) return diff;
    const text = await readFile(file, 'utf8');
    return applied ? { ...diff, after: text } : { ...diff, before: text };
  } catch {
    return diff;
  }
}

/** Files of a session on this computer open as files, folders are shown; those of another machine are fetched and open read-only. */
async function openFile(services: Services, context: RequestContext, file: string, line: number | null): Promise<void> {
  const at = line === null ? undefined : new vscode.Range(line - 1, 0, line - 1, 0);
  if (context.runtime.system !== 'local') {
    const session = services.fleet.session(context.key);
    const machine = services.fleet.machinesOf(context.runtime.connectionId).find((each) => each.id === session?.machineId);
    const remote = remotePath(file, session?.folder ?? '', machine?.home ?? null);
    await whileOpen(context, services, (opener) => openRemoteFile(opener, { path: remote, machine: machine?.name ?? '', at }));
    return;
  }
  const place = await placeOf(file, services.fleet.session(context.key)?.folder ?? '');
  const uri = vscode.Uri.file(place.path);
  if (place.kind === 'folder') {
    if (vscode.workspace.getWorkspaceFolder(uri) === undefined) throw new PilothouseError('not_in_window', `The folder ${oneLine(file, 200)} is not open in this window.`);
    await vscode.commands.executeCommand('revealInExplorer', uri);
    return;
  }
  await vscode.commands.executeCommand('vscode.open', uri, { preview: true, ...(at === undefined ? {} : { selection: at }) });
}

/** Opens a file through the session, which stays open until the file is here or the person has said what becomes of it. */
async function whileOpen({ key, runtime }: RequestContext, { remote, log }: Services, open: (opener: Parameters<typeof openRemoteFile>[0]) => Promise<{ readonly later: Promise<void> }>): Promise<void> {
  if (!runtime.retain()) throw new PilothouseError('closed', 'This session is being closed. Open it again.');
  const release = (): void => runtime.release();
  try {
    const { later } = await open({ files: remote, log, key, far: runtime.reach });
    void later.finally(release);
  } catch (error) {
    release();
    throw error;
  }
}

async function openAttachment(services: Services, context: RequestContext, file: Attachment, row: string): Promise<void> {
  if (file.data === null) {
    if (file.path !== null) await openFile(services, context, file.path, null);
    else if (context.runtime.system === 'local') throw new PilothouseError('not_found', 'The contents of this file were not kept.');
    else await whileOpen(context, services, (opener) => openCarried(opener, { row, name: file.name, size: file.size }));
    return;
  }
  await vscode.commands.executeCommand('vscode.open', vscode.Uri.file(await services.attachments.write(file.name, file.data)), { preview: true });
}

/** Inserts at the cursor of the text editor that was used last; where none can be seen, the text opens as an untitled document beside the chat. */
async function insertCode(editor: vscode.TextEditor | undefined, text: string): Promise<string | null> {
  if (editor === undefined) {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: text }), { preview: false, viewColumn: vscode.ViewColumn.Beside });
    return 'Opened as a new document.';
  }
  const name = path.basename(editor.document.fileName);
  if (!(await editor.edit((edit) => edit.replace(editor.selection, text)))) throw new PilothouseError('not_inserted', `${name} can’t be changed now. Copy the text instead.`);
  return `Inserted into ${name}.`;
}
