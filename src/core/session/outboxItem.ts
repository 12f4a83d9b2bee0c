import { randomUUID } from 'node:crypto';
import { describeError, PilothouseError } from '../model/errors.ts';
import type { OutboxItem } from './store-api.ts';

const LONGEST_ERROR = 500;

/** To be sent again, as if for the first time; one that its agent passed by goes as another prompt, for under its id the system has it already. */
export function requeued(item: OutboxItem): OutboxItem {
  const { passedBy = false, ...rest } = item;
  return { ...rest, clientId: passedBy ? randomUUID() : item.clientId, delivery: 'queued', attempts: 0, error: null };
}

/** Failed for good; `error` is told in one line. */
export function failedWith(item: OutboxItem, error: unknown): OutboxItem {
  const text = error instanceof PilothouseError ? error.message : describeError(error);
  const passedBy = error instanceof PilothouseError && error.code === 'not_taken_up';
  return { ...item, delivery: 'failed', error: text.replaceAll(/\s+/gu, ' ').trim().slice(0, LONGEST_ERROR), ...(passedBy ? { passedBy } : {}) };
}

/** To be tried again. Why it waits is said while it waits, and while it is tried. */
export function retrying(item: OutboxItem, error: unknown): OutboxItem {
  return { ...item, delivery: 'queued', error: error instanceof PilothouseError ? failedWith(item, error).error : null };
}

/** Failed, and nobody can say whether the system has it. `why` is a clause. */
export function uncertain(item: OutboxItem, why: string): OutboxItem {
  return { ...item, delivery: 'failed', error: `This prompt may have arrived: ${why}. Look for it in the chat before you retry.`, uncertain: true };
}

export function requireContent(item: OutboxItem): OutboxItem {
  if (item.text.trim() !== '' || item.attachments.length > 0) return item;
  throw new PilothouseError('outbox_empty', 'There is nothing to send. Write a prompt or attach a file.');
}

export function requireUnsent(item: OutboxItem): OutboxItem {
  if (item.delivery !== 'sending') return item;
  throw new PilothouseError('outbox_sending', 'This prompt is being sent. Wait until it arrived or failed.');
}

export function requireCertain(item: OutboxItem): OutboxItem {
  if (item.uncertain !== true) return item;
  throw new PilothouseError('outbox_uncertain', 'This prompt may have arrived already, so it can’t be changed. Retry it as it is, or drop it and write another.');
}
