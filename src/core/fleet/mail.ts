import { z } from 'zod';
import type { Decision } from '../model/backend.ts';
import type { JsonValue } from '../model/json.ts';

/** What one window asks of the window that runs a session. */
export type MailBody =
  | { readonly do: 'interrupt' }
  | { readonly do: 'stop' }
  | { readonly do: 'answer'; readonly requestId: string; readonly decision: Decision }
  | { readonly do: 'set'; readonly what: 'model' | 'mode' | 'effort'; readonly value: string };

const decision = z.object({
  outcome: z.enum(['allow', 'allow-session', 'allow-always', 'deny', 'answer']),
  optionId: z.string().optional(), reason: z.string().optional(), answers: z.record(z.string(), z.array(z.string())).optional(),
});
const body = z.discriminatedUnion('do', [
  z.object({ do: z.literal('interrupt') }),
  z.object({ do: z.literal('stop') }),
  z.object({ do: z.literal('answer'), requestId: z.string(), decision }),
  z.object({ do: z.literal('set'), what: z.enum(['model', 'mode', 'effort']), value: z.string() }),
]);

/** A request if it is one, else null: the store is shared with other versions of ourselves. */
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
