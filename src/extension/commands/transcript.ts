import os from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Session, SessionKey } from '../../core/model/session.ts';
import { sessionKey } from '../../core/model/session.ts';
import { rowMarkdown, rowsMarkdown } from '../../core/session/export.ts';
import { outlineOf, placeOfPrompt, promptFrom, rowsOfTurn } from '../../core/session/turns.ts';
import type { OutlineTurn } from '../../core/session/turns.ts';
import { KeptDraft } from '../chat/kept.ts';
import type { ChatTab } from '../chat/tabs.ts';
import type { PageAction } from '../../protocol/chat.ts';
import type { CommandName } from '../contributions.ts';
import { collectDocument } from '../export/collect.ts';
import type { DocumentKind } from '../export/writing.ts';
import type { Services } from '../services.ts';
import { agentName, machineAmid, noticeText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import { offerToGoOn } from './goOn.ts';
import type { Handler } from './handler.ts';
import { sessionFor } from './pick.ts';
import { progress } from './progress.ts';
import { turnItem } from './turnItem.ts';
import { withRuntime } from './withRuntime.ts';

/** More than this is not put on the clipboard, in characters. */
const MOST_COPIED = 20_000_000;

function kindOf(uri: vscode.Uri): DocumentKind {
  const ending = path.posix.extname(uri.path).toLowerCase();
  if (ending === '.json') return 'json';
  return ending === '.html' || ending === '.htm' ? 'html' : 'markdown';
}

async function exportTranscript(services: Services, target: unknown): Promise<void> {
  const { key, session } = await sessionFor(services, named(target), 'Export which session?');
  const folder = session.folder === '' || services.fleet.backend(session.connectionId).system !== 'local' ? os.homedir() : session.folder;
  const uri = await vscode.window.showSaveDialog({
    title: 'Export Transcript', filters: { 'Markdown': ['md'], 'HTML': ['html'], 'JSON': ['json'] },
    defaultUri: vscode.Uri.file(path.join(folder, `${session.title.replaceAll(/[^\p{L}\p{N} _.-]/gu, '').trim().slice(0, 60) || 'session'}.md`)),
  });
  if (uri === undefined) throw new Dismissed();
  await inProgress('Exporting the transcript', (signal, report) => withRuntime(services, key, async (runtime) => {
    const text = await wholeSession(services, session, runtime, kindOf(uri), signal, report);
    await vscode.workspace.fs.writeFile(uri, text);
  }));
  const choice = await vscode.window.showInformationMessage(noticeText(`Transcript exported to ${path.posix.basename(uri.path)}.`), 'Open');
  if (choice === 'Open') await vscode.commands.executeCommand('vscode.open', uri);
}

/** Every row, once the agent's own record has been read: older rows come in before the ones that are here. */
async function wholeSession(services: Services, session: Session, runtime: SessionRuntime, kind: DocumentKind, signal: AbortSignal, report: (part: number) => void): Promise<Uint8Array> {
  await runtime.historyRead();
  const connection = services.fleet.connections().find((each) => each.connectionId === session.connectionId);
  const machine = services.fleet.machines().find((each) => each.id === session.machineId);
  const head = { title: session.title, agent: agentName(session, connection), machine: machineAmid(machine?.name ?? session.machineId), folder: session.folder, exportedAt: Date.now() };
  return collectDocument({ transcript: runtime.transcript, kind, head, signal, onProgress: (done, total) => report(done / Math.max(1, total)) });
}

/** Shows how far something is, with a way to break it off. */
async function inProgress<T>(title: string, work: (signal: AbortSignal, report: (part: number) => void) => Promise<T>): Promise<T> {
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title, cancellable: true }, async (progress, token) => {
    const abort = new AbortController();
    const listening = token.onCancellationRequested(() => abort.abort());
    let told = 0;
    try {
      return await work(abort.signal, (part) => {
        progress.report({ increment: (part - told) * 100, message: `${Math.round(part * 100)} %` });
        told = part;
      });
    } catch (error) {
      if (abort.signal.aborted) throw new Dismissed();
      throw error;
    } finally {
      listening.dispose();
    }
  });
}

async function copy(text: string, what: string): Promise<void> {
  if (text.length > MOST_COPIED) throw new PilothouseError('too_large', 'This is too much for the clipboard. Use Export Transcript… instead.');
  await vscode.env.clipboard.writeText(text);
  vscode.window.setStatusBarMessage(`Pilothouse: ${what} copied as Markdown`, 3_000);
}

/** What a command was called with, where that names a session; VS Code calls those of an editor's title with the editor's group. */
function named(target: unknown): unknown {
  return typeof target === 'string' || (typeof target === 'object' && target !== null && ('key' in target || 'sessionId' in target)) ? target : undefined;
}

/** The row that a command was called on: of a chat's context menu, or of its page. Null: of none. */
function rowOf(target: unknown): { readonly rows: readonly string[] } | null {
  if (typeof target !== 'object' || target === null) return null;
  if ('row' in target && typeof target.row === 'string') return { rows: [target.row] };
  if ('rows' in target && Array.isArray(target.rows)) {
    const rows: readonly unknown[] = target.rows;
    return { rows: rows.filter((row) => typeof row === 'string').slice(0, 500) };
  }
  return null;
}

async function copyRow(services: Services, target: unknown): Promise<void> {
  const wanted = rowOf(target);
  const { key } = await sessionFor(services, named(target), 'Copy from which session?');
  await withRuntime(services, key, async ({ transcript }) => {
    const rows = [];
    for (const row of wanted?.rows ?? []) rows.push(await transcript.row(row));
    const found = rows.filter((row) => row !== null);
    const [only] = found;
    if (only === undefined) throw new PilothouseError('not_found', 'This is not in the transcript any more.');
    await copy(found.length === 1 ? rowMarkdown(only) : rowsMarkdown(found), found.length === 1 ? 'Row' : 'Rows');
  });
}

async function copyTurn(services: Services, target: unknown): Promise<void> {
  const { key } = await sessionFor(services, named(target), 'Copy from which session?');
  await withRuntime(services, key, async ({ transcript }) => {
    const row = rowOf(target)?.rows[0] ?? (await pickTurn(transcript, 'Copy which turn?')).key;
    const index = await transcript.indexOf(row);
    if (index === null) throw new PilothouseError('not_found', 'This turn is not in the transcript any more.');
    await copy(rowsMarkdown(await rowsOfTurn(transcript, index)), 'Turn');
  });
}

async function copyTranscript(services: Services, target: unknown): Promise<void> {
  const { key, session } = await sessionFor(services, named(target), 'Copy which session?');
  const text = await inProgress('Copying the transcript', (signal, report) => withRuntime(services, key, (runtime) => wholeSession(services, session, runtime, 'markdown', signal, report)));
  await copy(Buffer.from(text).toString('utf8'), 'Transcript');
}

/** Turns to choose from, newest first; they come in as they are found. Throws Dismissed when none is chosen. */
async function pickTurn(transcript: SessionRuntime['transcript'], placeholder: string): Promise<OutlineTurn> {
  const picker = vscode.window.createQuickPick<ReturnType<typeof turnItem> & { readonly turn: OutlineTurn }>();
  const abort = new AbortController();
  const chosen = Promise.withResolvers<OutlineTurn | null>();
  const listening = vscode.Disposable.from(picker, picker.onDidHide(() => chosen.resolve(null)), picker.onDidAccept(() => chosen.resolve(picker.activeItems[0]?.turn ?? null)));
  Object.assign(picker, { placeholder, matchOnDescription: true, matchOnDetail: true, busy: true, keepScrollPosition: true });
  picker.show();
  const now = Date.now();
  const fill = async (): Promise<void> => {
    const items: (typeof picker.items)[number][] = [];
    let shown = performance.now();
    for await (const turn of outlineOf(transcript, { signal: abort.signal })) {
      items.push({ ...turnItem(turn, now), turn });
      // Handing items over costs with their number.
      if (items.length > 50 && performance.now() - shown < 250) continue;
      picker.items = [...items];
      shown = performance.now();
    }
    picker.items = items;
    picker.busy = false;
    if (items.length === 0) picker.placeholder = 'Nothing was asked in this session yet';
  };
  try {
    const filling = fill().catch((error: unknown) => (abort.signal.aborted ? undefined : chosen.reject(error)));
    const turn = await chosen.promise;
    abort.abort();
    await filling;
    if (turn === null) throw new Dismissed();
    return turn;
  } finally {
    abort.abort();
    listening.dispose();
  }
}

async function goToTurn(services: Services, target: unknown): Promise<void> {
  const { key } = await sessionFor(services, named(target), 'Go to a turn of which session?');
  const turn = await withRuntime(services, key, ({ transcript }) => pickTurn(transcript, 'Go to which turn?'));
  shownTab(services, key).tell({ type: 'go', index: turn.index, row: turn.key });
}

/** Opens a session that has the past of this one up to a prompt, with that prompt's words in its message box. */
async function forkFromHere(services: Services, target: unknown): Promise<void> {
  const { key } = await sessionFor(services, named(target), 'Fork which session?');
  await withRuntime(services, key, async (runtime) => {
    const { transcript } = runtime;
    if (!runtime.forksAt) throw new PilothouseError('unsupported', 'This agent can’t fork a session at an earlier prompt. Fork Session… makes one with its whole past.');
    const row = rowOf(target)?.rows[0] ?? (await pickTurn(transcript, 'Fork from which prompt?')).key;
    const forked = await progress('Forking the session…', async () => {
      const place = await placeOfPrompt(transcript, row);
      if (place === null) throw new PilothouseError('not_found', 'This prompt is not in the transcript any more.');
      if (place.within) throw new PilothouseError('fork_within_turn', 'This was said while a turn ran, so that nothing ends before it. Fork from the prompt that began the turn.');
      return { session: await runtime.fork(place.point), prompt: place.prompt };
    });
    const made: SessionKey = sessionKey(forked.session);
    // What can't be sent again, since its contents were not kept, is left.
    await new KeptDraft(services.drafts, made).save(forked.prompt.text, forked.prompt.attachments.filter((file) => file.data !== null));
    services.fleet.adopt(forked.session);
    services.panels.open(made);
  });
}

/** Sends the prompt again whose turn a row is of. */
async function sendAgain(services: Services, target: unknown): Promise<void> {
  const { key } = await sessionFor(services, named(target), 'Send again in which session?');
  await withRuntime(services, key, async (runtime) => {
    const row = rowOf(target)?.rows[0] ?? (await pickTurn(runtime.transcript, 'Send which prompt again?')).key;
    const index = await runtime.transcript.indexOf(row);
    const found = index === null ? null : await promptFrom(runtime.transcript, index + 1, -1);
    if (found === null) throw new PilothouseError('not_found', 'This prompt is not in the transcript any more.');
    await runtime.send({ text: found.row.text, attachments: found.row.attachments.filter((file) => file.data !== null) }, 'queue');
    offerToGoOn(services, runtime);
  });
}

/** The chat of a session; one that has the focus already keeps its cursor where it is. */
function shownTab(services: Services, key: SessionKey): ChatTab {
  const active = services.panels.active();
  return active?.key === key ? active : services.panels.open(key);
}

/** Tells the chat that has the focus, or had it last; one that is picked where none is open. */
const onPage = (what: PageAction) => async (services: Services, target: unknown): Promise<void> => {
  const recent = named(target) === undefined ? (services.panels.active() ?? services.panels.recent()) : null;
  shownTab(services, recent?.key ?? (await sessionFor(services, named(target), 'In which session?')).key).tell({ type: 'do', what });
};

/** Opens the transcript as a document; from that document, its chat. */
async function openTranscript(services: Services, target: unknown): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  const read = named(target) === undefined && services.panels.active() === null && document !== undefined ? services.transcripts.sessionOf(document.uri) : null;
  if (read !== null) {
    services.panels.open(read);
    return;
  }
  await services.transcripts.show((await sessionFor(services, named(target), 'Open the transcript of which session?')).key);
}

export const transcriptCommands = {
  openTranscript,
  showEarlierRows: (services) => {
    const editor = vscode.window.activeTextEditor;
    if (editor !== undefined) services.transcripts.showEarlier(editor.document.uri);
    return Promise.resolve();
  },
  exportTranscript,
  copyRow,
  copyTurn,
  copyTranscript,
  goToTurn,
  forkFromHere,
  sendAgain,
  findInChat: onPage('find'),
  findNext: onPage('find-next'),
  findPrevious: onPage('find-previous'),
  nextPrompt: onPage('next-prompt'),
  previousPrompt: onPage('previous-prompt'),
} as const satisfies Partial<Record<CommandName, Handler>>;
