import * as vscode from 'vscode';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import { commandId } from '../contributions.ts';
import type { Services } from '../services.ts';
import { noticeText } from '../tree/text.ts';
import { Dismissed } from './dismissed.ts';
import { progress } from './progress.ts';

const GO_ON = 'Go On';
const SHOW = 'Show What Is Sent';

/** `1,240 characters, some 310 tokens`. Four characters a token is what English text comes to. */
function sizeWords(text: string): string {
  return `${text.length.toLocaleString('en')} characters, some ${Math.ceil(text.length / 4).toLocaleString('en')} tokens`;
}

/**
 * Goes on in a fresh session for one that is closed, once the person has seen what that takes: what was said goes along with the next prompt, and is paid for. Prompts that
 * wait for that, or came back, go out then. Throws Dismissed.
 */
export async function goOnFresh(services: Services, runtime: SessionRuntime): Promise<void> {
  const told = await progress('Reading what was said…', () => runtime.reach.carried());
  if (told !== '') await agreed(services, told);
  await progress('Making a fresh session…', () => runtime.resume());
  // One of which nobody knows whether it arrived is the person's to send again.
  for (const item of runtime.outboxItems()) if (item.delivery !== 'sending' && item.uncertain !== true) await runtime.outboxDo(item.clientId, 'retry');
}

async function agreed(services: Services, told: string): Promise<void> {
  const part = told.includes('----------\n[…]') ? 'The newest part of what was said here' : 'What was said here';
  const detail = `This one is closed, and a fresh session of the server knows nothing of it. ${part} goes along with your next prompt, before its words: ${sizeWords(told)}, which are paid for like any others.`;
  const choice = await vscode.window.showWarningMessage('Go on in a fresh session, with the transcript at hand?', { modal: true, detail }, GO_ON, SHOW);
  if (choice === GO_ON) return;
  if (choice !== SHOW) throw new Dismissed();
  await services.documents.open('goes along with the next prompt.txt', told);
  const question = noticeText(`Go on in a fresh session? This document goes along with your next prompt: ${sizeWords(told)}.`);
  if ((await vscode.window.showInformationMessage(question, GO_ON, 'Cancel')) !== GO_ON) throw new Dismissed();
}

/** What is sent to a session that goes on only in a fresh one waits for that: whether it is to be made is asked at once. Not waited for: the person takes their time. */
export function offerToGoOn({ fleet }: Services, { key, traits }: SessionRuntime): void {
  if (traits.goesOnFresh === true && fleet.session(key)?.state === 'stopped') void vscode.commands.executeCommand(commandId('resumeSession'), { key });
}
