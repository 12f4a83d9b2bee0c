import path from 'node:path';
import * as vscode from 'vscode';
import type { Fleet } from '../../core/fleet/fleet.ts';
import { sentenceOf } from '../../core/fleet/workerJob.ts';
import type { JobEnd } from '../../core/fleet/workerJob.ts';
import type { WorkerJob } from '../../core/fleet/worker.ts';
import type { Logger } from '../../core/model/context.ts';
import { describeError } from '../../core/model/errors.ts';
import type { Store } from '../../core/session/store-api.ts';
import { systemClock } from '../../core/transport/clock.ts';
import { commandId } from '../contributions.ts';
import type { HebingBoards } from '../hebing/boards.ts';
import { vscodeProxy } from '../proxy.ts';
import type { Services } from '../services.ts';
import { failureText, noticeText } from '../tree/text.ts';
import type { WaitingAnswer } from './answers.ts';
import { Answers } from './answers.ts';
import type { WorkerDefinition } from './definition.ts';
import { leaseOf } from './definition.ts';
import { WorkerFiles } from './files.ts';
import { WorkerLenses } from './lenses.ts';
import { clockTime } from './line.ts';
import { WorkerStatus } from './status.ts';
import { Workers } from './workers.ts';

interface Parts {
  readonly fleet: Fleet;
  readonly store: Pick<Store, 'keep' | 'leases'>;
  readonly boards: HebingBoards;
  readonly log: Logger;
  /** Folder of ours in global storage. */
  readonly stateDir: string;
}
interface Work extends vscode.Disposable {
  readonly parts: Pick<Services, 'workers' | 'answers' | 'workerFiles'>;
  /** What workers show, and the question whether to go on with those that ran here. */
  offer(services: Services): vscode.Disposable;
  close(): Promise<void>;
}

/** A window that was killed looks alive for ten seconds: how often, and how far apart in milliseconds, it is looked at again. */
const LOOKS = 6;
const LOOK_MS = 4_000;

/** Loaded when a worker is started: every start of the extension would wait for hebing's modules. */
const loadRun = () => import('./run.ts');

/** Says why no worker works in this window; null where one may. */
export function refusal(): string | null {
  return vscode.workspace.isTrusted ? null : 'This workspace is not trusted: workers do not run here.';
}

/** Folders of this window on this computer. */
export function roots(): readonly string[] {
  return (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file' || uri.scheme === 'vscode-remote').map(({ uri }) => uri.fsPath);
}

/** What tells this window's workspace from others. */
export function workspaceName(): string {
  return vscode.workspace.workspaceFile?.toString() ?? (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.toString()).sort().join('\n');
}

/** All of workers in the editor. Nothing is loaded or asked of a server before one is started. */
export function startWorkers({ fleet, store, boards, log, stateDir }: Parts): Work {
  const answers = new Answers((error) => log.error('a listener of the answers failed', { error: describeError(error) }));
  const files = new WorkerFiles();
  const told: { end: (definition: WorkerDefinition, job: WorkerJob, end: JobEnd) => void; failed: (definition: WorkerDefinition, error: unknown) => void } = { end: () => undefined, failed: () => undefined };
  const workers = new Workers({
    folder: path.join(stateDir, 'workers'), log, workspace: workspaceName, access: (id) => boards.get(id)?.access ?? null, answers,
    run: async (own) => (await loadRun()).runWorker({ ...own, fleet, store, clock: systemClock, log, proxy: vscodeProxy, refuses: refusal, roots }),
    onEnd: (definition, job, end) => told.end(definition, job, end),
    onFailed: (definition, error) => told.failed(definition, error),
  });
  const watching = boards.onChange(() => workers.followAccounts());
  return {
    parts: { workers, answers, workerFiles: files },
    offer: (services) => {
      told.end = (definition, job, end) => void tellEnd(services, definition, job, end);
      told.failed = (definition, error) => void vscode.window.showErrorMessage(`The worker for ${noticeText(definition.capabilityName, 60)} was stopped: ${failureText(error)}`);
      const seen = new Set<string>();
      const listening = answers.onChange(() => {
        for (const answer of answers.all()) {
          if (seen.has(answer.id)) continue;
          seen.add(answer.id);
          void tellAnswer(services, answer);
        }
      });
      const asks = new AskAgain(services, store, log);
      void asks.look();
      services.jobs.showWorkers(workers);
      return vscode.Disposable.from(new WorkerStatus(workers, answers), new WorkerLenses(workers, answers), { dispose: () => listening.dispose() }, vscode.workspace.onDidGrantWorkspaceTrust(() => void asks.look()));
    },
    close: () => workers.close(),
    dispose: () => {
      watching.dispose();
      workers.dispose();
      files.dispose();
    },
  };
}

async function tellEnd({ panels, settings }: Services, { capabilityName }: WorkerDefinition, { session }: WorkerJob, end: JobEnd): Promise<void> {
  const name = noticeText(capabilityName, 60);
  if (end.how === 'submitted') vscode.window.setStatusBarMessage(`Pilothouse: a job of ${name} was done and submitted.`, 8_000);
  if (end.how === 'submitted' || end.how === 'discarded' || end.how === 'given-up' || settings.get('notifications') === 'none') return;
  const choice = await vscode.window.showWarningMessage(`${name}: ${noticeText(sentenceOf(end), 400)}`, ...(session === null ? [] : ['Open Session']));
  if (choice !== undefined && session !== null) panels.open(session);
}

async function tellAnswer({ settings }: Services, answer: WaitingAnswer): Promise<void> {
  if (settings.get('notifications') === 'none') return;
  const again = answer.refusal === null ? '' : ' hebing refused it as it was.';
  const choice = await vscode.window.showInformationMessage(`${noticeText(answer.capabilityName, 60)}: an answer waits for your review until ${clockTime(answer.until)}.${again}`, 'Review Answer…');
  if (choice !== undefined) await vscode.commands.executeCommand(commandId('reviewAnswer'), { answerId: answer.id });
}

/** Workers that ran in this workspace when VS Code ended: what they left is ended, and the person says whether they go on. Never by themselves. */
class AskAgain {
  private readonly services: Services;
  private readonly store: Pick<Store, 'keep' | 'leases'>;
  private readonly log: Logger;
  private readonly asked = new Set<string>();
  private looking = false;

  constructor(services: Services, store: Pick<Store, 'keep' | 'leases'>, log: Logger) {
    this.services = services;
    this.store = store;
    this.log = log;
  }

  /** Never rejects. */
  async look(): Promise<void> {
    const { fleet, ready } = this.services;
    try {
      await ready;
      if (refusal() !== null || this.looking) return;
      this.looking = true;
      await fleet.settled();
      for (let looked = 1; (await this.lookOnce()) && looked < LOOKS; looked += 1) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    } catch (error) {
      this.log.warn('workers that ran here could not be looked for', { error: describeError(error) });
    }
  }

  /** True where a window has, or seems to have, what else would be ended or asked for. */
  private async lookOnce(): Promise<boolean> {
    const { fleet, workers } = this.services;
    const left = this.store.keep('worker');
    if ((await left.list('')).size > 0) await (await loadRun()).endLeft({ fleet, store: this.store, log: this.log }, null);
    let others = (await left.list('')).size > 0;
    for (const definition of workers.definitions()) {
      if (!definition.running || this.asked.has(definition.id)) continue;
      const holder = await this.store.leases.holder(leaseOf(definition));
      if (holder === 'other') others = true;
      if (holder !== 'nobody') continue;
      this.asked.add(definition.id);
      void this.ask(definition);
    }
    return others;
  }

  private async ask(definition: WorkerDefinition): Promise<void> {
    const { workers } = this.services;
    const choice = await vscode.window.showInformationMessage(`A worker for ${noticeText(definition.capabilityName, 60)} ran here when VS Code closed. Its jobs were given up.`, 'Start Worker', 'Not Now');
    if (choice === 'Start Worker') await vscode.commands.executeCommand(commandId('startWorker'), { workerId: definition.id });
    else if (choice === 'Not Now' && workers.definition(definition.id)?.running === true) workers.save({ ...definition, running: false });
  }
}
