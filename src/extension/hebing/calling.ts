import * as vscode from 'vscode';
import { isAbort, PilothouseError } from '../../core/model/errors.ts';
import type { JsonObject } from '../../core/model/json.ts';
import type { Capability, HebingClient, Job } from '../../core/systems/hebing/index.ts';
import { Dismissed } from '../commands/dismissed.ts';
import { cancellable } from '../commands/progress.ts';
import { commandId } from '../contributions.ts';
import type { Services } from '../services.ts';
import { failureText, noticeText, oneLine } from '../tree/text.ts';
import type { HebingAccess } from './access.ts';
import { resultDocument } from './artifact.ts';
import type { HebingAccount } from './boards.ts';
import { errorText, statusText } from './jobsModel.ts';
import { isOver } from './jobState.ts';
import { outcomeUnknown } from './pendingCalls.ts';
import { complaintLine, complaints } from './schema.ts';

/** How long a job is followed at most, in seconds; its row in the tree goes on by itself. */
const FOLLOWED_SECONDS = 24 * 3_600;

/** An account that somebody is signed in to. */
export interface SignedIn extends HebingAccount {
  readonly access: HebingAccess;
}
interface Call {
  readonly account: SignedIn;
  readonly capability: Capability;
  readonly input: JsonObject;
}

/** Throws `invalid_argument`, which names the field, for an input that the capability does not take. */
export function checkInput(capability: Capability, input: JsonObject): void {
  const wrong = complaints(capability.inputSchema, input);
  if (wrong.length === 0) return;
  const more = wrong.length > 3 ? `, and ${wrong.length - 3} more` : '';
  throw new PilothouseError('invalid_argument', `The input is not what ${oneLine(capability.name, 60)} takes. ${wrong.slice(0, 3).map(complaintLine).join(' ')}${more}`, { personMustAct: true });
}

/**
 * Sends a call and gives its job, as it was made. Where it is not known whether it was, the person can send it again, which makes no second one. Rejects as the client does where hebing
 * refused it, and with Dismissed where the person leaves it.
 */
export async function sendCall(services: Services, { account, capability, input }: Call): Promise<Job> {
  const { record, access, board } = account;
  const name = oneLine(capability.name, 60);
  for (;;) {
    try {
      const job = await cancellable(`Calling ${name}…`, (signal) => services.calls.send(access, { connectionId: record.connectionId, capability, input, signal }));
      board.put(job);
      return job;
    } catch (error) {
      const left = isAbort(error);
      if (!left && !(await outcomeUnknown(error))) throw error;
      const why = left ? 'You cancelled it.' : failureText(error);
      const choice = await vscode.window.showWarningMessage(`${noticeText(name)}: ${why} It is not known whether hebing has made the job. Sending it again makes no second one; Call Capability… offers it for a day.`, 'Send Again');
      if (choice !== 'Send Again') throw new Dismissed();
    }
  }
}

/** Waits for a job with its progress, which can be left: the job goes on. Its end is told, a result opened. */
export async function followJob(services: Services, account: SignedIn, job: Job, name: string): Promise<Job | null> {
  const { access, board } = account;
  let last = job;
  try {
    last = isOver(job) ? job : await cancellable(oneLine(name, 60), (signal, report) => access.ask((client: HebingClient) => client.wait(job.id, {
      timeout: FOLLOWED_SECONDS, signal,
      onJob: (seen) => {
        board.put(seen);
        report(statusText(seen));
      },
    })));
  } catch (error) {
    if (!isAbort(error)) throw error;
    vscode.window.setStatusBarMessage('Pilothouse: the job goes on. The Jobs view has it.', 6_000);
    return null;
  }
  board.put(last);
  if (last.status === 'succeeded') await openResult(services, last, name);
  else tellEnd(account.record.connectionId, last, name);
  return last;
}

/** A job's result as a document; one that has none is shown whole. */
export async function openResult(services: Services, job: Job, name: string): Promise<void> {
  const { name: file, text } = job.output === null ? { name: `${oneLine(name, 60)} job.json`, text: `${JSON.stringify(job, null, 2)}\n` } : resultDocument(`${oneLine(name, 60)} result`, job.output);
  await services.documents.open(file, text);
}

/** Not waited for: the person answers when they like. */
function tellEnd(connectionId: string, job: Job, name: string): void {
  const why = errorText(job.error);
  const text = `${noticeText(name, 60)} ${job.status === 'failed' ? 'failed' : `is ${noticeText(statusText(job), 40)}`}${why === '' ? '.' : `: ${noticeText(why)}`}`;
  void vscode.window.showWarningMessage(text, 'Show Job').then((choice) => (choice === undefined ? undefined : vscode.commands.executeCommand(commandId('showJob'), { connectionId, jobId: job.id })));
}
