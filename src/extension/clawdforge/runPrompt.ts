import path from 'node:path';
import * as vscode from 'vscode';
import { isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { RunResult } from '../../core/systems/clawdforge/index.ts';
import type { Given } from '../accounts/system.ts';
import { givenOf } from '../commands/accounts.ts';
import { Dismissed } from '../commands/dismissed.ts';
import { cancellable } from '../commands/progress.ts';
import { pickStep } from '../commands/steps.ts';
import type { Services } from '../services.ts';
import { noticeText, oneLine, pickText } from '../tree/text.ts';
import { loadForge } from './access.ts';
import type { ForgeAccount } from './account.ts';
import { forgeFor } from './account.ts';
import { pickFiles, uploadTo } from './upload.ts';
import { failureDocument, runDocument, runWords } from './words.ts';

/** A run as it is put together. */
interface Draft {
  readonly prompt: string;
  readonly model: string;
  readonly system: string;
  /** Paths of files that are uploaded before it runs. */
  readonly files: readonly string[];
  /** Tokens of files that are there already. */
  readonly fileTokens: readonly string[];
  /** Seconds that the server may take. */
  readonly timeoutSecs: number;
}

/** As the server has them (clawdforge.md). */
const DEFAULTS = { model: 'sonnet', timeoutSecs: 120, least: 5, most: 600 } as const;

/** Run Prompt on clawdforge…: without a session. `{connectionId, prompt, model, system, files, fileTokens, timeoutSecs}` from code; with a prompt nothing is asked. */
export async function runPrompt(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const account = await forgeFor(services, target);
  const draft = typeof given['prompt'] === 'string' ? draftOf(given) : await put(account, { ...draftOf(given), prompt: await askPrompt(account, '') });
  const result = await run(services, account, draft);
  const { name, text } = runDocument(result);
  await services.documents.open(name, text);
  const well = result.ok && result.stopReason !== 'timeout' && result.stopReason !== 'error';
  if (well) vscode.window.setStatusBarMessage(`Pilothouse: the run is done (${oneLine(runWords(result), 60)})`, 8_000);
  else void vscode.window.showWarningMessage(noticeText(`The run did not end well: ${runWords(result)}. What it gave is shown.`));
}

function draftOf(given: Given): Draft {
  const text = (name: string): string => (typeof given[name] === 'string' ? given[name] : '');
  const texts = (name: string): readonly string[] => {
    const value: unknown = given[name];
    return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
  };
  const secs = given['timeoutSecs'];
  return { prompt: text('prompt'), model: text('model') || DEFAULTS.model, system: text('system'), files: texts('files'), fileTokens: texts('fileTokens'), timeoutSecs: typeof secs === 'number' ? secs : DEFAULTS.timeoutSecs };
}

async function ask(options: vscode.InputBoxOptions): Promise<string | null> {
  return (await vscode.window.showInputBox({ ignoreFocusOut: true, ...options })) ?? null;
}

async function askPrompt({ record }: ForgeAccount, value: string): Promise<string> {
  const prompt = await ask({ title: `Run Prompt on ${oneLine(record.name, 60)}`, prompt: 'What is to be done?', value, validateInput: (typed) => (typed.trim() === '' ? 'A prompt is needed.' : null) });
  if (prompt === null) throw new Dismissed();
  return prompt;
}

type What = 'run' | 'prompt' | 'selection' | 'model' | 'system' | 'files' | 'time';

/** The box in which a run is put together: Enter runs it as it is. Escape in one of its questions comes back here. */
async function put(account: ForgeAccount, begun: Draft): Promise<Draft> {
  const editor = vscode.window.activeTextEditor;
  const selected = editor === undefined ? '' : editor.document.getText(editor.selection);
  const step = { title: `Run Prompt on ${oneLine(account.record.name, 60)}`, step: 1, total: 1, back: false };
  for (let draft = begun; ;) {
    const files = [...draft.fileTokens, ...draft.files.map((file) => path.basename(file))];
    const items: readonly (vscode.QuickPickItem & { readonly what: What; readonly icon: string })[] = [
      { label: 'Run', description: pickText(draft.prompt, 100), icon: 'run', what: 'run' },
      { label: 'Prompt…', description: '', icon: 'edit', what: 'prompt' },
      ...(selected.trim() === '' ? [] : [{ label: 'Add the Selection to the Prompt', description: pickText(selected, 60), icon: 'selection', what: 'selection' as const }]),
      { label: 'Model…', description: pickText(draft.model), icon: 'chip', what: 'model' },
      { label: 'System Text…', description: pickText(draft.system, 100) || 'none', icon: 'book', what: 'system' },
      { label: 'Files…', description: pickText(files.join(', '), 100) || 'none', icon: 'file-add', what: 'files' },
      { label: 'Longest Time…', description: `${draft.timeoutSecs} s`, icon: 'watch', what: 'time' },
    ];
    const picked = await pickStep(step, 'Enter runs it. It costs tokens', items.map((item) => ({ ...item, iconPath: new vscode.ThemeIcon(item.icon) })));
    if (typeof picked === 'symbol') throw new Dismissed();
    if (picked.what === 'run') return draft;
    draft = picked.what === 'selection' ? { ...draft, prompt: `${draft.prompt}\n\n${selected}` } : { ...draft, ...(await change(account, picked.what, draft)) };
  }
}

/** What the person changed of it; nothing where they closed the question. */
async function change(account: ForgeAccount, what: Exclude<What, 'run' | 'selection'>, draft: Draft): Promise<Partial<Draft>> {
  const title = 'Run Prompt';
  try {
    switch (what) {
      case 'prompt':
        return { prompt: await askPrompt(account, draft.prompt) };
      case 'model': {
        const model = await ask({ title: `${title}: model`, prompt: 'sonnet, opus, haiku, or a model’s full name.', value: draft.model, validateInput: (value) => (value.trim() === '' ? 'A model is needed.' : null) });
        return model === null ? {} : { model: model.trim() };
      }
      case 'system': {
        const system = await ask({ title: `${title}: system text`, prompt: 'What the model is told beforehand. Leave it empty for nothing.', value: draft.system });
        return system === null ? {} : { system: system.trim() };
      }
      case 'files':
        return { files: [...draft.files, ...(await pickFiles(true))] };
      case 'time': {
        const isTime = (value: string): boolean => /^\d+$/.test(value.trim()) && Number(value) >= DEFAULTS.least && Number(value) <= DEFAULTS.most;
        const secs = await ask({ title: `${title}: longest time`, prompt: 'Seconds that the server may take, from 5 to 600.', value: String(draft.timeoutSecs), validateInput: (value) => (isTime(value) ? null : 'A whole number of seconds from 5 to 600.') });
        return secs === null ? {} : { timeoutSecs: Number(secs) };
      }
    }
  } catch (error) {
    if (error instanceof Dismissed) return {};
    throw error;
  }
}

/** Uploads the files, then runs it, once. Throws Dismissed where it was left. */
async function run(services: Services, { record, access }: ForgeAccount, draft: Draft): Promise<RunResult> {
  const { ForgeAPIError, ForgeTransportError } = await loadForge();
  let runs = false;
  try {
    return await cancellable(`Run on ${oneLine(record.name, 60)}`, async (signal, report) => {
      const files = [...draft.fileTokens];
      for (const file of draft.files) files.push((await uploadTo(access, file, { signal, report })).fileToken);
      runs = true;
      report(oneLine(draft.prompt, 80));
      const { prompt, model, system, timeoutSecs } = draft;
      return access.ask((forge) => forge.run({ prompt, model, timeoutSecs, signal, ...(system === '' ? {} : { system }), ...(files.length === 0 ? {} : { files }) }));
    });
  } catch (error) {
    if (isAbort(error)) {
      if (runs) void vscode.window.showInformationMessage(`The run is not waited for any more. A clawdforge server cannot be told to stop: it may go on for up to ${draft.timeoutSecs} s, and what it gives then is lost.`);
      throw new Dismissed();
    }
    if (error instanceof ForgeAPIError && error.code === 'run_failed') {
      const { name, text } = failureDocument(error.body);
      await services.documents.open(name, text);
    }
    if (runs && error instanceof ForgeTransportError && error.reached !== 'unsent') {
      throw new PilothouseError(error.code, `${error.message} It was not sent again: the server may have run it all the same, and each run costs tokens.`, { cause: error });
    }
    throw error;
  }
}
