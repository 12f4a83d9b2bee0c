import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { wantsObject } from '../../core/fleet/workerAnswer.ts';
import { checkTemplate, DEFAULT_TEMPLATE } from '../../core/fleet/workerTemplate.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Capability } from '../../core/systems/hebing/index.ts';
import type { Given } from '../accounts/system.ts';
import type { SignedIn } from '../hebing/calling.ts';
import type { JobNode } from '../hebing/jobsModel.ts';
import type { Services } from '../services.ts';
import { shortFolder } from '../tree/model.ts';
import { oneLine, pickText } from '../tree/text.ts';
import type { WorkerDefinition } from '../worker/definition.ts';
import { MOST_JOBS } from '../worker/definition.ts';
import { TEMPLATE_FILE, WORKER_SCHEME } from '../worker/files.ts';
import { refusal, roots, workspaceName } from '../worker/start.ts';
import { givenOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import { accountFor } from './hebingAccount.ts';
import { chooseStart } from './newSession.ts';
import { homesOf } from './pick.ts';
import { progress } from './progress.ts';
import type { Step } from './steps.ts';
import { pickStep } from './steps.ts';

const TITLE = 'Start Worker';
type Rules = Pick<WorkerDefinition, 'template' | 'review' | 'ceilingNc' | 'concurrency'>;

/**
 * Start Worker…: one that was set up in this workspace, or another: which capability (or the one of the tree that it was called on), with which agent, in which folder of the workspace, and by which rules. Arguments `{workerId}`, or
 * `{connectionId, capability, agentConnectionId, machineId, folder, agent, template, review, ceilingNc, concurrency}`, answer the questions that they name; with `capability` the rules are not asked for.
 */
export async function startWorker(services: Services, target: unknown): Promise<void> {
  const why = refusal();
  if (why !== null) throw new PilothouseError('untrusted_workspace', why, { personMustAct: true });
  await services.ready;
  const given = givenOf(target);
  const node = typeof target === 'string' ? services.jobs.node(target) : null;
  const calledOn = node?.kind === 'capability' ? node : null;
  const known = typeof given['workerId'] === 'string' ? need(services, given['workerId']) : given['capability'] === undefined && calledOn === null ? await pickKnown(services) : null;
  const definition = known ?? (await setUp(services, given, calledOn));
  if (definition === null) return;
  await saveOpenPrompt(definition.id);
  await progress(`Starting the worker for ${oneLine(definition.capabilityName, 60)}…`, () => services.workers.start(services.workers.definition(definition.id) ?? definition));
}

function need({ workers }: Services, id: string): WorkerDefinition {
  const definition = workers.definition(id);
  if (definition === null) throw new PilothouseError('no_worker', 'This worker was not set up in this workspace. Use Start Worker… to set up another one.');
  return definition;
}

/** A prompt that is still being edited counts as it is. */
async function saveOpenPrompt(id: string): Promise<void> {
  for (const document of vscode.workspace.textDocuments) if (document.isDirty && document.uri.scheme === WORKER_SCHEME && document.uri.path === `/${id}/${TEMPLATE_FILE}`) await document.save();
}

/** One that was set up before and does not run; null: another one. */
async function pickKnown(services: Services): Promise<WorkerDefinition | null> {
  const running = new Set(services.workers.workers().map(({ definition }) => definition.id));
  const known = services.workers.definitions().filter(({ id }) => !running.has(id));
  if (known.length === 0) return null;
  const names = new Map(services.fleet.connections().map((connection) => [connection.connectionId, connection.name]));
  const forget: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('trash'), tooltip: 'Forget This Worker' };
  const items = known.map((definition) => ({
    label: pickText(definition.capabilityName), description: pickText(`${names.get(definition.place.connectionId) ?? 'an agent that is gone'} · ${shortFolder(definition.place.folder, homesOf(services))}`, 200), detail: rulesLine(definition), buttons: [forget], definition,
  }));
  return new Promise((resolve, reject) => {
    const box = vscode.window.createQuickPick<vscode.QuickPickItem & { readonly definition: WorkerDefinition | null }>();
    let chosen: WorkerDefinition | null | undefined;
    const another = { label: 'Another worker…', iconPath: new vscode.ThemeIcon('add'), definition: null };
    box.title = TITLE;
    box.placeholder = 'Which worker?';
    box.items = [...items, another];
    box.onDidTriggerItemButton(({ item }) => {
      if (item.definition !== null) services.workers.forget(item.definition.id);
      box.items = box.items.filter((each) => each !== item);
    });
    box.onDidAccept(() => {
      const [item] = box.selectedItems;
      if (item !== undefined) chosen = item.definition;
      box.hide();
    });
    box.onDidHide(() => {
      box.dispose();
      if (chosen === undefined) reject(new Dismissed());
      else resolve(chosen);
    });
    box.show();
  });
}

/** Null where the person goes to edit the prompt first. */
async function setUp(services: Services, given: Given, calledOn: Extract<JobNode, { kind: 'capability' }> | null): Promise<WorkerDefinition | null> {
  const account = await accountFor(services, calledOn?.connectionId ?? given['connectionId']);
  const capability = calledOn?.capability ?? (await capabilityOf(account, given['capability']));
  const { machineId, folder, agent } = given;
  const { connection, options } = await chooseStart(services, { connectionId: given['agentConnectionId'], machineId, folder, agent }, TITLE);
  const { places } = services.fleet.backend(connection.connectionId);
  const local = places === undefined && connection.traits.choosesFolder !== true;
  if (local && roots().length === 0) throw new PilothouseError('no_folder', 'A worker on this computer works within a folder of a trusted workspace. Open that folder first.', { personMustAct: true });
  const made: WorkerDefinition = {
    id: randomUUID(), connectionId: account.record.connectionId, capabilityKey: capability.capabilityKey, capabilityName: oneLine(capability.name, 200), wantsObject: wantsObject(capability['outputSchema']),
    place: { connectionId: connection.connectionId, machineId: options.machineId, folder: options.folder, agent: options.agent ?? null, model: options.model ?? null, local },
    ...rulesOf(given), workspace: workspaceName(), running: false, createdAt: Date.now(),
  };
  checkTemplate(made.template);
  const rules = typeof given['capability'] === 'string' ? made : await askRules(made);
  const definition = { ...made, ...(rules === 'edit-prompt' ? {} : rules) };
  services.workers.save(definition);
  if (rules !== 'edit-prompt') return definition;
  await editPrompt(services, definition);
  return null;
}

async function capabilityOf({ board }: SignedIn, wanted: unknown): Promise<Capability> {
  const state = await progress('Reading what hebing can do…', () => board.loaded());
  const named = state.capabilities.find(({ capabilityKey }) => capabilityKey === wanted);
  if (named !== undefined) return named;
  if (typeof wanted === 'string') throw new PilothouseError('unknown_capability', `hebing has no capability ${oneLine(wanted, 80)} for this key. Refresh the Jobs view.`);
  if (state.capabilities.length === 0) throw new PilothouseError('no_capability', state.problem ?? 'hebing lists no capability for this key.');
  const items = state.capabilities.map((capability) => ({ label: pickText(capability.name), description: pickText(capability.capabilityKey), detail: pickText(capability.description ?? '', 200), capability }));
  const picked = await vscode.window.showQuickPick(items, { title: TITLE, placeHolder: 'Do the jobs of which capability?', matchOnDescription: true, matchOnDetail: true });
  if (picked === undefined) throw new Dismissed();
  return picked.capability;
}

function rulesOf(given: Given): Rules {
  const { template, review, ceilingNc, concurrency } = given;
  return {
    template: typeof template === 'string' ? template : DEFAULT_TEMPLATE, review: review !== false, ceilingNc: typeof ceilingNc === 'number' && ceilingNc >= 0 ? ceilingNc : null,
    concurrency: typeof concurrency === 'number' && Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= MOST_JOBS ? concurrency : 1,
  };
}

function rulesLine({ review, ceilingNc, concurrency }: Rules): string {
  return [review ? 'you review answers' : 'answers go out unseen', ceilingNc === null ? 'any budget' : `up to ${ceilingNc} NC`, concurrency === 1 ? 'one job at once' : `${concurrency} jobs at once`].join(' · ');
}

/** The last box: Enter starts the worker as it stands; its rules may be changed before. */
async function askRules(made: WorkerDefinition): Promise<Rules | 'edit-prompt'> {
  const step: Step = { title: `${TITLE}: ${pickText(made.capabilityName, 80)}`, step: 1, total: 1, back: false };
  let now: Rules = made;
  for (;;) {
    const items = [
      { label: 'Start Worker', description: rulesLine(now), icon: 'play', what: 'start' as const }, { label: 'Review Answers', description: now.review ? 'yes: nothing goes out unseen' : 'no', icon: 'eye', what: 'review' as const },
      { label: 'Highest Budget…', description: now.ceilingNc === null ? 'any' : `${now.ceilingNc} NC`, icon: 'credit-card', what: 'ceiling' as const }, { label: 'Jobs at Once…', description: String(now.concurrency), icon: 'layers', what: 'concurrency' as const },
      { label: 'Edit Prompt…', description: pickText(now.template.split('\n')[0] ?? '', 80), icon: 'edit', what: 'prompt' as const },
    ].map((item) => ({ ...item, iconPath: new vscode.ThemeIcon(item.icon) }));
    const picked = await pickStep(step, 'Enter starts the worker', items);
    if (typeof picked === 'symbol') throw new Dismissed();
    if (picked.what === 'start') return now;
    if (picked.what === 'prompt') return 'edit-prompt';
    if (picked.what === 'review') now = { ...now, review: !now.review };
    if (picked.what === 'ceiling') now = { ...now, ceilingNc: await askNumber('Take jobs with a budget of at most so many NC; empty: any.', now.ceilingNc, 0, 1e12) };
    if (picked.what === 'concurrency') now = { ...now, concurrency: (await askNumber(`How many jobs at once, 1 to ${MOST_JOBS}?`, now.concurrency, 1, MOST_JOBS)) ?? 1 };
  }
}

/** Null for an empty one; what it was for a box that is closed. */
async function askNumber(prompt: string, before: number | null, least: number, most: number): Promise<number | null> {
  const fits = (text: string): boolean => text.trim() === '' || (/^\d+(?:\.\d+)?$/.test(text.trim()) && Number(text) >= least && Number(text) <= most && (least === 0 || Number.isInteger(Number(text))));
  const text = await vscode.window.showInputBox({ title: TITLE, prompt, value: before === null ? '' : String(before), validateInput: (value) => (fits(value) ? null : `A number from ${least} to ${most}.`) });
  if (text === undefined) return before;
  return text.trim() === '' ? null : Number(text);
}

/** The prompt as a file: saving keeps it with the worker, and *Start Worker* stands above its first line. */
async function editPrompt({ workers, workerFiles }: Services, definition: WorkerDefinition): Promise<void> {
  const save = (text: string): void => {
    checkTemplate(text);
    const now = workers.definition(definition.id);
    if (now === null) throw new PilothouseError('no_worker', 'This worker was forgotten. Set up another one with Start Worker….');
    workers.save({ ...now, template: text });
  };
  await workerFiles.show(workerFiles.put(definition.id, TEMPLATE_FILE, definition.template, save));
}
