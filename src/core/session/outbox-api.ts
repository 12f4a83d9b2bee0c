import type { Disposable } from '../model/backend.ts';
import type { Clock, Logger } from '../model/context.ts';
import type { Attachment } from '../model/entry.ts';
import type { SessionKey } from '../model/session.ts';
import type { OutboxItem, Store } from './store-api.ts';

export interface OutboxOptions {
  readonly store: Pick<Store, 'outbox' | 'saveOutbox' | 'removeOutbox'>;
  readonly session: SessionKey;
  readonly log: Logger;
  readonly clock: Clock;
  /** Hands a prompt over: resolves when the system has it, rejects when it certainly has not. Sent twice with one clientId it must exist once. */
  readonly send: (item: OutboxItem, signal: AbortSignal) => Promise<void>;
  /** True where a prompt may be sent again although nobody can say whether it arrived: the system knows its client id. */
  readonly repeatable?: boolean;
  /** True when the failure may pass by itself; one that the person must act on never counts. */
  readonly retryable: (error: unknown) => boolean;
  /** True while the system is out of reach: attempts are not counted, and what waits is not given up, however long that takes. False unless given. */
  readonly outOfReach?: () => boolean;
  /** True when this window may send; every window may change what waits. Asked before each prompt; true unless given. */
  readonly mayLead?: () => Promise<boolean>;
  /** Whether the system has a prompt that was on its way when a window died; `unknown` unless given. */
  readonly wasDelivered?: (clientId: string, signal: AbortSignal) => Promise<'yes' | 'no' | 'unknown'>;
}

/** The prompts of one session that the system does not have yet: pending (until the turn ends), queued, sending, failed. */
export interface Outbox extends AsyncDisposable {
  /** In the order in which they go out. */
  items(): readonly OutboxItem[];
  /** Tells of every change of `items`. */
  onChange(listener: () => void): Disposable;
  /** Reads what waits and begins to send. */
  start(): Promise<void>;
  /** Accepts a prompt; durable when it resolves. Rejects with `outbox_empty`. */
  enqueue(prompt: { readonly text: string; readonly attachments: readonly Attachment[]; readonly steer: boolean }): Promise<OutboxItem>;
  /** Another text; one that failed is tried again with it. Rejects with `outbox_gone`, `outbox_sending`, `outbox_uncertain`, `outbox_empty`. */
  edit(clientId: string, text: string): Promise<void>;
  /** Takes it back. One that is on its way is stopped; when it arrived nevertheless, it is delivered. Rejects with `outbox_sending` when that can't be told in time. */
  drop(clientId: string): Promise<void>;
  /** Tries a failed one again; one that its agent passed by under another id. */
  retry(clientId: string): Promise<void>;
  /** Hands it to the running turn instead of waiting for its end. */
  steer(clientId: string): Promise<void>;
  /** One place up (-1) or down (1). */
  move(clientId: string, by: -1 | 1): Promise<void>;
  /** Whether a turn runs. When one ended, the next pending prompt goes. */
  turnRunning(running: boolean): void;
  /** One that its agent seemed to have passed by was taken up after all: it waits no more. Others stay as they are. */
  delivered(clientId: string): Promise<void>;
  /** Reads what other windows changed. */
  reload(): Promise<void>;
  /** Circumstances changed: tries at once what waits for its next attempt. */
  poke(): void;
}
