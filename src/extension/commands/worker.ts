import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import type { CommandName } from '../contributions.ts';
import type { Given } from '../accounts/system.ts';
import type { Services } from '../services.ts';
import { pickText } from '../tree/text.ts';
import type { WaitingAnswer } from '../worker/answers.ts';
import { WORKER_SCHEME } from '../worker/files.ts';
import { clockTime, workerLine } from '../worker/line.ts';
import type { ShownWorker } from '../worker/workers.ts';
import { givenOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { confirm } from './progress.ts';
import { startWorker } from './workerSetUp.ts';

/** Stop Worker: the only one that runs here, or one picked; asks what becomes of its jobs. `{workerId, how: 'finish' | 'give-up'}` answer that. */
async function stopWorker(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const node = typeof target === 'string' ? services.jobs.node(target) : null;
  const { definition, state } = await pickWorker(services, node?.kind === 'worker' ? node.worker.definition.id : given['workerId']);
  const { how } = given;
  services.workers.stop(definition.id, how === 'finish' || how === 'give-up' ? how : state.jobs.length === 0 ? 'finish' : await askHow(definition.capabilityName, state.jobs.length));
}

async function pickWorker({ workers }: Services, id: unknown): Promise<ShownWorker> {
  const all = workers.workers();
  const fitting = typeof id === 'string' ? all.filter(({ definition }) => definition.id === id) : all;
  const [only] = fitting;
  if (only === undefined) throw new PilothouseError('no_worker', 'No worker runs in this window.');
  if (fitting.length === 1) return only;
  const items = fitting.map((worker) => ({ label: pickText(worker.definition.capabilityName), description: pickText(workerLine(worker.state)), worker }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Stop which worker?' });
  if (picked === undefined) throw new Dismissed();
  return picked.worker;
}

async function askHow(name: string, jobs: number): Promise<'finish' | 'give-up'> {
  const finish = jobs === 1 ? 'Finish the Job' : 'Finish the Jobs';
  const giveUp = 'Give Up Now';
  const detail = `${jobs === 1 ? 'A job is' : `${jobs} jobs are`} in work. Finished, ${jobs === 1 ? 'its answer is' : 'their answers are'} submitted, and no other job is taken. Given up, nothing is submitted, and hebing gives ${jobs === 1 ? 'it' : 'them'} to others.`;
  const choice = await vscode.window.showWarningMessage(`Stop the worker for ${pickText(name, 60)}?`, { modal: true, detail }, finish, giveUp);
  if (choice === undefined) throw new Dismissed();
  return choice === finish ? 'finish' : 'give-up';
}

/** Review Answer…: what becomes of an answer that waits. `{answerId, do: 'submit' | 'edit' | 'ask' | 'discard' | 'session', prompt}` answer that. */
async function reviewAnswer(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const answer = await pickAnswer(services, given['answerId']);
  if (given['do'] === undefined) await showAnswer(services, answer);
  await actOn(services, answer, typeof given['do'] === 'string' ? given['do'] : await pickAct(answer), given);
}

async function pickAnswer({ answers }: Services, id: unknown): Promise<WaitingAnswer> {
  const all = answers.all();
  const fitting = typeof id === 'string' ? all.filter((answer) => answer.id === id) : all;
  const [only] = fitting;
  if (only === undefined) throw new PilothouseError('answer_over', all.length === 0 ? 'No answer waits for your review.' : 'This answer does not wait any more: its job is over.');
  if (fitting.length === 1) return only;
  const items = fitting.map((answer) => ({ label: pickText(answer.capabilityName), description: `until ${clockTime(answer.until)}`, detail: pickText(answer.text, 200), answer }));
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Review which answer?' });
  if (picked === undefined) throw new Dismissed();
  return picked.answer;
}

/** The answer as a file that can be changed. What was changed in it before stays. */
async function showAnswer({ workerFiles }: Services, answer: WaitingAnswer): Promise<void> {
  const open = documentOf(answer.id);
  if (open !== null) await vscode.window.showTextDocument(open, { preview: false });
  else await workerFiles.show(workerFiles.put(answer.id, answer.name, answer.text, null));
}

function documentOf(id: string): vscode.TextDocument | null {
  return vscode.workspace.textDocuments.find(({ uri, isClosed }) => !isClosed && uri.scheme === WORKER_SCHEME && uri.path.startsWith(`/${id}/`)) ?? null;
}

async function pickAct(answer: WaitingAnswer): Promise<string> {
  const items = [
    { label: 'Submit', description: 'as the editor has it', icon: 'check', act: 'submit' }, { label: 'Edit', description: 'then submit it from the editor', icon: 'edit', act: 'edit' },
    { label: 'Ask Again…', description: 'say what is to be changed', icon: 'comment', act: 'ask' }, { label: 'Discard', description: 'nothing is submitted', icon: 'trash', act: 'discard' },
    { label: 'Open Session', description: '', icon: 'comment-discussion', act: 'session' },
  ].map((item) => ({ ...item, iconPath: new vscode.ThemeIcon(item.icon) }));
  const refused = answer.refusal === null ? '' : `hebing refused it as it was: ${pickText(answer.refusal, 120)}. `;
  const picked = await vscode.window.showQuickPick(items, { title: `${pickText(answer.capabilityName, 60)}: answer to ${pickText(answer.jobId, 60)}`, placeHolder: `${refused}Decide until ${clockTime(answer.until)}: the job is held meanwhile`, ignoreFocusOut: true });
  if (picked === undefined) throw new Dismissed();
  return picked.act;
}

async function actOn(services: Services, answer: WaitingAnswer, act: string, given: Given): Promise<void> {
  const { answers, workerFiles, panels } = services;
  switch (act) {
    case 'submit':
      answers.submit(answer.id, documentOf(answer.id)?.getText() ?? answer.text);
      return workerFiles.drop(answer.id);
    case 'ask': {
      const prompt = typeof given['prompt'] === 'string' ? given['prompt'] : await vscode.window.showInputBox({ title: 'Ask Again', prompt: 'What is to be changed? The agent answers again.', ignoreFocusOut: true });
      if (prompt === undefined || prompt.trim() === '') throw new Dismissed();
      answers.ask(answer.id, prompt);
      return workerFiles.drop(answer.id);
    }
    case 'discard':
      await confirm('Discard this answer?', 'Nothing is submitted, and hebing gives the job to another worker.', 'Discard');
      answers.discard(answer.id);
      return workerFiles.drop(answer.id);
    case 'session':
      panels.open(answer.session);
      return;
    default:
      return showAnswer(services, answer);
  }
}

export const workerCommands = { startWorker, stopWorker, reviewAnswer } as const satisfies Partial<Record<CommandName, Handler>>;
