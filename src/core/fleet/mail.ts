import { z } from 'zod';
import type { CallOptions, Decision, SessionHandle } from '../model/backend.ts';
import type { Clock, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import type { JsonValue } from '../model/json.ts';
import type { SessionKey } from '../model/session.ts';
import type { MailItem, Store } from '../session/store-api.ts';

/** What one window asks of the window that runs a session. */
export type MailBody =
  | { readonly do: 'interrupt' }
  | { readonly do: 'stop' }
  | { readonly do: 'answer'; readonly requestId: string; readonly decision: Decision }
  | { readonly do: 'set'; readonly what: 'model' | 'mode' | 'effort'; readonly value: string }
  | { readonly do: 'rename'; readonly title: string }
  | { readonly do: 'archive'; readonly archived: boolean }
  | { readonly do: 'remove' };

/** A request that lay this long found nobody: whoever asked has seen that nothing came of it. */
const FRESH_MS = 60_000;

const decision = z.object({
  outcome: z.enum(['allow', 'allow-session', 'allow-always', 'deny', 'answer']),
  optionId: z.string().optional(), reason: z.string().optional(), answers: z.record(z.string(), z.array(z.string())).optional(),
});
const body = z.discriminatedUnion('do', [
  z.object({ do: z.literal('interrupt') }),
  z.object({ do: z.literal('stop') }),
  z.object({ do: z.literal('answer'), requestId: z.string(), decision }),
  z.object({ do: z.literal('set'), what: z.enum(['model', 'mode', 'effort']), value: z.string() }),
  z.object({ do: z.literal('rename'), title: z.string() }),
  z.object({ do: z.literal('archive'), archived: z.boolean() }),
  z.object({ do: z.literal('remove') }),
]);

/** Puts a request where the window that runs the session finds it; durable when it resolves. */
export async function postMail(store: Store, clock: Clock, session: SessionKey, request: MailBody): Promise<void> {
  await store.post({ id: crypto.randomUUID(), session, body: request as unknown as JsonValue, createdAt: clock.now() });
}

/**
 * The request if it is one that this window should do, else null: the store is shared with other versions of ourselves, and what was asked of a
 * window that died is done only where it still means something. `runs`: the session's agent runs in this window; else nobody runs it.
 */
export function requestOf(mail: MailItem, now: number, runs: boolean): MailBody | null {
  if (now - mail.createdAt > FRESH_MS) return null;
  const request = readMail(mail.body);
  if (request === null || runs) return request;
  // A turn, a process and a permission ended with the window that had them; a setting and a name outlive it.
  return request.do === 'set' || request.do === 'rename' || request.do === 'archive' ? request : null;
}

/** A request if it is one, else null. */
export function readMail(value: JsonValue): MailBody | null {
  const parsed = body.safeParse(value);
  if (!parsed.success) return null;
  const mail = parsed.data;
  if (mail.do !== 'answer') return mail;
  const { outcome, optionId, reason, answers } = mail.decision;
  return {
    do: 'answer', requestId: mail.requestId,
    decision: { outcome, ...(optionId === undefined ? {} : { optionId }), ...(reason === undefined ? {} : { reason }), ...(answers === undefined ? {} : { answers }) },
  };
}

/** Does what was asked by mail, one after the other. What came too late or fails is logged. */
export async function carryOutAll(mails: readonly MailItem[], how: { readonly now: number; readonly runs: boolean; readonly handle: SessionHandle; readonly log: Logger; readonly deadline: () => CallOptions }): Promise<void> {
  for (const mail of mails) {
    const request = requestOf(mail, how.now, how.runs);
    if (request === null) {
      how.log.info('a request to another window came too late', { mail: mail.id });
      continue;
    }
    try {
      await carryOut(request, how.handle, how.deadline);
    } catch (error) {
      how.log.warn('a request of another window could not be done', { do: request.do, error: describeError(error) });
    }
  }
}

/** Does what was asked. `deadline` is made anew for each call. */
export async function carryOut(request: MailBody, handle: SessionHandle, deadline: () => CallOptions): Promise<void> {
  switch (request.do) {
    case 'interrupt':
      await handle.interrupt(deadline());
      return;
    case 'stop':
      await handle.stop(deadline());
      return;
    case 'answer':
      return handle.answer(request.requestId, request.decision, deadline());
    case 'rename':
      return handle.rename(request.title, deadline());
    case 'archive':
      return handle.archive(request.archived, deadline());
    case 'remove':
      return handle.remove(deadline());
    case 'set':
      if (request.what === 'model') return handle.setModel(request.value, deadline());
      if (request.what === 'mode') return handle.setMode(request.value, deadline());
      return handle.setEffort(request.value, deadline());
  }
}
