import * as vscode from 'vscode';
import { PilothouseError } from '../../core/model/errors.ts';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { Capability, Job } from '../../core/systems/hebing/index.ts';
import type { CommandName } from '../contributions.ts';
import { pretty } from '../hebing/artifact.ts';
import type { SignedIn } from '../hebing/calling.ts';
import { checkInput, followJob, openResult, sendCall } from '../hebing/calling.ts';
import { inputOfDraft, targetOfDraft } from '../hebing/draft.ts';
import { formOf } from '../hebing/form.ts';
import { askInput } from '../hebing/inputForm.ts';
import { jobDescription, statusText } from '../hebing/jobsModel.ts';
import type { JobNode } from '../hebing/jobsModel.ts';
import type { PendingCall } from '../hebing/pendingCalls.ts';
import type { Services } from '../services.ts';
import { age, oneLine, pickText } from '../tree/text.ts';
import { givenOf } from './accounts.ts';
import { Dismissed } from './dismissed.ts';
import type { Handler } from './handler.ts';
import { accountFor } from './hebingAccount.ts';
import { progress } from './progress.ts';

/** The node of the tree that a command was called on. */
function nodeOf({ jobs }: Services, target: unknown): JobNode | null {
  return typeof target === 'string' ? jobs.node(target) : null;
}

async function capabilitiesOf({ board }: SignedIn): Promise<readonly Capability[]> {
  const state = await progress('Reading what hebing can do…', () => board.loaded());
  if (state.capabilities.length === 0) throw new PilothouseError('no_capability', state.problem ?? 'hebing lists no capability for this key.');
  return state.capabilities;
}

async function callCapability(services: Services, target: unknown): Promise<void> {
  const node = nodeOf(services, target);
  const given = givenOf(target);
  const account = await accountFor(services, node?.connectionId ?? given['connectionId']);
  const capabilities = await capabilitiesOf(account);
  const wanted = node?.kind === 'capability' ? node.capability.capabilityKey : given['capability'];
  const named = capabilities.find(({ capabilityKey }) => capabilityKey === wanted);
  if (named === undefined && typeof wanted === 'string') throw new PilothouseError('unknown_capability', `hebing has no capability ${oneLine(wanted, 80)} for this key. Refresh the Jobs view.`);
  const { capability, input } = named === undefined ? await pickCapability(services, account, capabilities) : { capability: named, input: given['input'] as JsonValue | undefined };
  if (isJsonObject(input)) return call(services, account, capability, input);
  await fillAndCall(services, account, capability, {});
}

/** A capability, or a call that was sent and whose outcome is not known. */
async function pickCapability(services: Services, account: SignedIn, capabilities: readonly Capability[]): Promise<{ readonly capability: Capability; readonly input: JsonObject | undefined }> {
  const pending = (await services.calls.of(account.record.connectionId)).flatMap((one) => capabilities.filter(({ capabilityKey }) => capabilityKey === one.capabilityKey).map((capability) => ({ one, capability })));
  const now = Date.now();
  const items = [
    ...pending.map(({ one, capability }) => ({ label: `$(history) ${pickText(capability.name)}`, description: `sent ${sentAgo(one, now)}, outcome not known: send it again`, detail: pickText(JSON.stringify(one.input), 200), capability, input: one.input as JsonObject | undefined })),
    ...capabilities.map((capability) => ({ label: pickText(capability.name), description: pickText(capability.capabilityKey), detail: pickText(capability.description ?? '', 200), capability, input: undefined })),
  ];
  const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Call which capability?', matchOnDescription: true, matchOnDetail: true });
  if (picked === undefined) throw new Dismissed();
  return picked;
}

function sentAgo({ sentAt }: PendingCall, now: number): string {
  const ago = age(sentAt, now);
  return ago === 'now' ? 'just now' : `${ago} ago`;
}

/** Asks for the input: a form where the schema is flat, else, or where the person wants, an editor, from which it is sent later. */
async function fillAndCall(services: Services, account: SignedIn, capability: Capability, before: JsonObject): Promise<void> {
  const fields = formOf(capability.inputSchema);
  const { next, input } = fields === null ? { next: 'edit', input: before } : await askInput(capability, fields, before);
  if (next === 'edit') await services.callDrafts.open(account.record.connectionId, capability, input);
  else await call(services, account, capability, input);
}

async function call(services: Services, account: SignedIn, capability: Capability, input: JsonObject): Promise<void> {
  checkInput(capability, input);
  const job = await sendCall(services, { account, capability, input });
  await services.jobs.reveal(account.record.connectionId, job.id, false);
  await followJob(services, account, job, capability.name);
}

/** Sends the draft that an editor shows. */
async function sendDraft(services: Services, target: unknown): Promise<void> {
  const { uri } = givenOf(target);
  const document = vscode.workspace.textDocuments.find((each) => each.uri.toString() === (typeof uri === 'string' ? uri : target instanceof vscode.Uri ? target.toString() : '')) ?? vscode.window.activeTextEditor?.document;
  const draft = document === undefined ? null : targetOfDraft(document.getText());
  if (document === undefined || draft === null) throw new PilothouseError('no_draft', 'This editor holds no input of a capability. Use Call Capability….');
  const input = inputOfDraft(document.getText());
  const account = await accountFor(services, draft.connectionId);
  const capability = (await capabilitiesOf(account)).find(({ capabilityKey }) => capabilityKey === draft.capabilityKey);
  if (capability === undefined) throw new PilothouseError('unknown_capability', `hebing has no capability ${oneLine(draft.capabilityKey, 80)} for this key any more.`);
  await call(services, account, capability, input);
}

async function showJob(services: Services, target: unknown): Promise<void> {
  const node = nodeOf(services, target);
  const given = givenOf(target);
  const account = await accountFor(services, node?.connectionId ?? given['connectionId']);
  const id = node !== null && 'job' in node ? node.job.id : typeof given['jobId'] === 'string' ? given['jobId'] : await pickJob(account);
  const [job, events] = await progress('Reading the job…', () => Promise.all([account.access.job(id), account.access.events(id)]));
  account.board.put(job);
  const name = await nameOf(account, job);
  await services.documents.open(`${oneLine(name, 60)} job.json`, pretty({ ...job, events: events.map((event) => ({ ...event })) } as unknown as JsonObject));
  await services.jobs.reveal(account.record.connectionId, job.id, true);
}

/** One of the account's jobs, or the id that the person types. */
async function pickJob({ board }: SignedIn): Promise<string> {
  const state = await progress('Reading jobs…', () => board.loaded());
  const names = new Map(state.capabilities.map((capability) => [capability.capabilityKey, capability.name]));
  const now = Date.now();
  const known = state.jobs.map((job) => ({ label: pickText(names.get(job.capabilityKey) ?? job.capabilityKey), description: pickText(`${statusText(job)} · ${jobDescription(job, now)}`, 160), detail: pickText(job.id), id: job.id }));
  return new Promise((resolve, reject) => {
    const box = vscode.window.createQuickPick<(typeof known)[number]>();
    let chosen: string | null = null;
    box.placeholder = 'Show which job? Pick one, or type its id';
    box.matchOnDescription = true;
    box.matchOnDetail = true;
    box.items = known;
    box.onDidChangeValue((value) => {
      const typed = value.trim();
      const other = typed === '' || known.some((item) => item.id === typed) ? [] : [{ label: `$(search) ${pickText(typed)}`, description: 'the job of that id', detail: '', id: typed, alwaysShow: true }];
      box.items = [...known, ...other];
    });
    box.onDidAccept(() => {
      chosen = box.selectedItems[0]?.id ?? null;
      box.hide();
    });
    box.onDidHide(() => {
      box.dispose();
      if (chosen === null) reject(new Dismissed());
      else resolve(chosen);
    });
    box.show();
  });
}

async function nameOf({ board }: SignedIn, job: Job): Promise<string> {
  return (await board.loaded()).capabilities.find(({ capabilityKey }) => capabilityKey === job.capabilityKey)?.name ?? job.capabilityKey;
}

async function openJobPart(services: Services, target: unknown): Promise<void> {
  const node = nodeOf(services, target);
  if (node === null || (node.kind !== 'part' && node.kind !== 'artifact')) throw new PilothouseError('not_found', 'This is not there any more. Refresh the Jobs view.');
  const account = await accountFor(services, node.connectionId);
  if (node.kind === 'artifact') return services.artifacts.open(account.access, node.connectionId, node.job, node.index);
  const name = await nameOf(account, node.job);
  if (node.part === 'result') return openResult(services, node.job, name);
  await services.documents.open(`${oneLine(name, 60)} ${node.part}.json`, pretty(node.part === 'input' ? node.job.inputPayload : node.job.error));
}

async function saveArtifact(services: Services, target: unknown): Promise<void> {
  const node = nodeOf(services, target);
  if (node?.kind !== 'artifact') throw new PilothouseError('not_found', 'This artifact is not there any more. Refresh the Jobs view.');
  const { access } = await accountFor(services, node.connectionId);
  await services.artifacts.save(access, node.job, node.index);
}

async function copyJobId(services: Services, target: unknown): Promise<void> {
  const node = nodeOf(services, target);
  if (node === null || !('job' in node)) return;
  await vscode.env.clipboard.writeText(node.job.id);
  vscode.window.setStatusBarMessage('Pilothouse: the job’s id was copied.', 4_000);
}

export const jobCommands = { callCapability, sendCall: sendDraft, showJob, openJobPart, saveArtifact, copyJobId } as const satisfies Partial<Record<CommandName, Handler>>;
