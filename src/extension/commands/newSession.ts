import * as vscode from 'vscode';
import type { Connection } from '../../core/fleet/connection.ts';
import { refusalOf } from '../../core/fleet/dormant.ts';
import type { Places, SpawnOptions } from '../../core/model/backend.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Machine, Session } from '../../core/model/session.ts';
import { parseSessionKey, sessionKey } from '../../core/model/session.ts';
import type { Given } from '../accounts/system.ts';
import { UNTRUSTED } from '../connections.ts';
import type { Services } from '../services.ts';
import type { TreeNode } from '../tree/model.ts';
import { shortFolder } from '../tree/model.ts';
import { oneLine, pickText } from '../tree/text.ts';
import { givenOf } from './accounts.ts';
import { pickRemoteFolder } from './folderPicker.ts';
import { foldersHere, nameWorktree, onlyFolder, pickLocalFolder } from './localFolder.ts';
import { confirm, progress } from './progress.ts';
import { defaultMode, recentFolders } from './remotePlaces.ts';
import type { Beginning } from './review.ts';
import { review } from './review.ts';
import type { StartChoice, StartWish } from './startChoices.ts';
import { choiceLine, requireOnline, startChoices } from './startChoices.ts';
import type { Step } from './steps.ts';
import { BACK, pickStep } from './steps.ts';
import { startInWorktree } from './worktree.ts';

type Group = Extract<TreeNode, { kind: 'group' }>;
interface Start {
  readonly connection: Connection;
  readonly options: SpawnOptions;
  /** What the worktree that it gets is named after, empty for nothing; null where it works in the folder itself. */
  readonly worktree: string | null;
}

/**
 * New Session…: where, with which agent, in which folder. Arguments `{connectionId, machineId, folder, agent, title, mode, model, prompt}` answer the questions that they name; with `worktree: true` it
 * works in a worktree of that folder, named after the title.
 */
export async function newSession(services: Services, target: unknown): Promise<void> {
  const given = givenOf(target);
  const { connection, options, worktree } = await chooseStart(services, target, 'New Session', true);
  const start = (at: Connection, how: SpawnOptions): Promise<Session> => startSession(services, at, how);
  const session = await (worktree === null ? start(connection, options) : startInWorktree(services, { connection, options, name: worktree }, start));
  const key = sessionKey(session);
  const { prompt } = given;
  const asks = typeof prompt === 'string' && prompt !== '';
  if (!asks) await services.unused.began(key);
  services.panels.open(key);
  if (!asks) return;
  const runtime = await services.fleet.open(key);
  try {
    await runtime.send({ text: prompt, attachments: [] }, 'send');
  } finally {
    runtime.release();
  }
}

/**
 * Asks what the arguments leave open, a box each: where and with which agent, in which folder, and, on other machines, what the session begins with. Nothing is made before
 * the last one is answered; each goes back to the one before. `worktrees`: one may be given to it.
 */
export async function chooseStart(services: Services, target: unknown, title: string, worktrees = false): Promise<Start> {
  const given = givenOf(target);
  const node = typeof target === 'string' ? services.tree.node(target) : null;
  const group = node?.kind === 'group' ? node : null;
  await progress('Looking for agents…', () => services.ready.then(() => services.fleet.settled()));
  const all = services.fleet.connections();
  if (all.length > 0 && all.every((each) => each.dormant)) throw refusalOf(UNTRUSTED);
  const choices = await progress('Looking for agents…', () => startChoices(services.fleet, wishOf(all, target, given, group)));
  for (;;) {
    const choice = await pickChoice(choices, title);
    requireOnline(choice);
    const start = await startOf(services, choice, { title, first: choices.length > 1, given, group, worktrees });
    if (start !== BACK) return start;
  }
}

/** A folder that is missing is made where the person agrees. */
export async function startSession(services: Services, connection: Connection, options: SpawnOptions): Promise<Session> {
  const spawn = (more: Partial<SpawnOptions> = {}): Promise<Session> => progress(`Starting ${oneLine(connection.name, 60)}…`, () => services.fleet.spawn(connection.connectionId, { ...options, ...more }));
  try {
    return await spawn();
  } catch (error) {
    if (!(error instanceof PilothouseError) || error.code !== 'folder_missing' || options.createFolder === true || services.fleet.backend(connection.connectionId).places === undefined) throw error;
    const machine = services.fleet.machinesOf(connection.connectionId).find((each) => each.id === options.machineId);
    await confirm(`Create the folder ${oneLine(options.folder, 200)}?`, `It is not there on ${oneLine(machine?.name ?? 'that machine', 60)}. It is made, and the session starts in it.`, 'Create Folder');
    return spawn({ createFolder: true });
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function wishOf(all: readonly Connection[], target: unknown, given: Given, group: Group | null): StartWish {
  const named = group === null ? (textOf(target) ?? textOf(given['connectionId']) ?? parseSessionKey(textOf(given['key']) ?? '')?.connectionId) : group.connectionId;
  return { connectionId: all.find((each) => each.connectionId === named)?.connectionId ?? null, machineId: textOf(given['machineId']) ?? group?.machineId ?? null, agent: textOf(given['agent']) ?? null };
}

async function pickChoice(choices: readonly StartChoice[], title: string): Promise<StartChoice> {
  const [only] = choices;
  if (only !== undefined && choices.length === 1) return only;
  const now = Date.now();
  const items: (vscode.QuickPickItem & { readonly choice: StartChoice | null })[] = [];
  let group = '';
  for (const choice of choices) {
    const line = choiceLine(choice, now);
    if (line.group !== group) items.push({ label: pickText(line.group), kind: vscode.QuickPickItemKind.Separator, choice: null });
    ({ group } = line);
    items.push({ label: pickText(line.label), description: pickText(line.description), iconPath: new vscode.ThemeIcon(line.icon), choice });
  }
  // Without a box before there is no way back: only a choice comes of it.
  // How many follow depends on what is chosen.
  const picked = await pickStep({ title, step: 1, total: 1, back: false }, 'Which agent?', items);
  if (typeof picked === 'symbol' || picked.choice === null) throw new PilothouseError('nothing_chosen', 'Nothing was chosen.');
  return picked.choice;
}

interface Asking {
  readonly title: string;
  /** There was a box before. */
  readonly first: boolean;
  readonly given: Given;
  readonly group: Group | null;
  readonly worktrees: boolean;
}

async function startOf(services: Services, choice: StartChoice, asking: Asking): Promise<Start | typeof BACK> {
  const { connection, machine, places } = choice;
  if (places === null || machine === null) return await localStart(services, connection, asking);
  const options = await remoteOptions(services, { ...choice, machine, places }, asking);
  return options === BACK ? BACK : { connection, options, worktree: null };
}

async function askedFor(connection: Connection, folder: string, mode: string): Promise<void> {
  // Whoever can run commands could otherwise start an agent that asks for nothing.
  await confirm(`Start ${oneLine(connection.name, 60)} in the permission mode “${oneLine(mode, 60)}”?`, `In ${oneLine(folder, 200)}.`, 'Start');
}

async function localStart(services: Services, connection: Connection, asking: Asking): Promise<Start | typeof BACK> {
  const { given } = asking;
  const place = await localPlace(services, connection, asking);
  if (typeof place === 'symbol') return place;
  const { folder, worktree } = place;
  const [name, model, mode] = [textOf(given['title']), textOf(given['model']), textOf(given['mode'])];
  if (mode !== undefined) await askedFor(connection, folder, mode);
  const [machine] = services.fleet.machinesOf(connection.connectionId);
  const options = { machineId: machine?.id ?? '', folder, ...(name === undefined ? {} : { title: name }), ...(model === undefined ? {} : { model }), ...(mode === undefined ? {} : { mode }) };
  return { connection, options, worktree };
}

/** The folder, and what its worktree is named after: null for none. */
async function localPlace(services: Services, connection: Connection, { title, first, given, group, worktrees }: Asking): Promise<Pick<Start, 'worktree'> & { readonly folder: string } | typeof BACK> {
  const known = textOf(given['folder']) ?? group?.folder ?? null;
  const named = textOf(given['title']) ?? '';
  if (known !== null) return { folder: known, worktree: worktrees && given['worktree'] === true ? named : null };
  for (;;) {
    const folders = await foldersHere(services, connection.connectionId, worktrees);
    const only = onlyFolder(folders);
    const place = only === null ? await pickLocalFolder(services, folders, { title, step: first ? 2 : 1, total: first ? 2 : 1, back: first }) : { folder: only, worktree: false };
    if (typeof place === 'symbol') return place;
    if (!place.worktree) return { folder: place.folder, worktree: null };
    if (named !== '') return { folder: place.folder, worktree: named };
    const name = await nameWorktree(services, place.folder, { title: `${title}: worktree`, step: first ? 3 : 2, total: first ? 3 : 2, back: true });
    if (typeof name !== 'symbol') return { folder: place.folder, worktree: name };
  }
}

async function remoteOptions(services: Services, choice: StartChoice & { readonly machine: Machine; readonly places: Places }, { title, first, given, group }: Asking): Promise<SpawnOptions | typeof BACK> {
  const { fleet } = services;
  const { connection, machine, places } = choice;
  const chooses = connection.traits.choosesFolder === true;
  const known = chooses ? '' : (textOf(given['folder']) ?? group?.folder ?? undefined);
  const total = 1 + (first ? 1 : 0) + (known === undefined ? 1 : 0);
  const sessions = fleet.sessions().filter((session) => session.connectionId === connection.connectionId);
  for (;;) {
    const folder = known ?? (await pickRemoteFolder(places, machine, recentFolders(sessions, machine.id), { title, step: first ? 2 : 1, total, back: first }));
    if (typeof folder === 'symbol') return folder;
    // Pickers that could not be had are no reason not to start: the agent has its own defaults.
    const controls = await fleet.controls(connection.connectionId, { folder, machineId: machine.id, ...(choice.agent === null ? {} : { agent: choice.agent.id }) }).catch(() => null);
    const begin: Beginning = {
      title: textOf(given['title']) ?? '', mode: textOf(given['mode']) ?? (controls === null ? null : defaultMode(controls)), model: textOf(given['model']) ?? null, agent: choice.agent?.id ?? null,
    };
    const place = chooses ? '' : `: ${pickText(shortFolder(folder, machine.home === null ? [] : [machine.home]), 100)}`;
    const last: Step = { title: `${title}${place} on ${pickText(machine.name, 60)}`, step: total, total, back: total > 1 };
    const settled = textOf(given['folder']) === undefined ? await review(last, 'Start Session', controls, begin, places.moreAgents === true) : begin;
    if (settled === BACK && known === undefined) continue;
    if (settled === BACK) return BACK;
    if (typeof given['mode'] === 'string') await askedFor(connection, folder, given['mode']);
    return {
      machineId: machine.id, folder, ...(settled.agent === null ? {} : { agent: settled.agent }), ...(settled.title === '' ? {} : { title: settled.title }),
      ...(settled.mode === null ? {} : { mode: settled.mode }), ...(settled.model === null ? {} : { model: settled.model }),
    };
  }
}
