import { z } from 'zod';
import { machineRow, messageRow, sessionRow } from './bodies.ts';

// What the socket pushes (happy.md B2). Loose, and with a case for everything else: a push of another kind is handed on as it came, never dropped.

const versioned = z.looseObject({ value: z.string().nullable(), version: z.number() });

const known = z.discriminatedUnion('t', [
  z.looseObject({ t: z.literal('new-message'), sid: z.string(), message: messageRow }),
  sessionRow.extend({ t: z.literal('new-session') }),
  z.looseObject({ t: z.literal('update-session'), id: z.string(), metadata: versioned.nullish(), agentState: versioned.nullish() }),
  z.looseObject({ t: z.literal('delete-session'), sid: z.string() }),
  machineRow.omit({ id: true }).extend({ t: z.literal('new-machine'), machineId: z.string() }),
  z.looseObject({
    t: z.literal('update-machine'), machineId: z.string(), metadata: versioned.nullish(), daemonState: versioned.nullish(), active: z.boolean().nullish(), activeAt: z.number().nullish(),
  }),
  z.looseObject({ t: z.literal('delete-machine'), machineId: z.string() }),
]);
export type UpdateBody = z.infer<typeof known>;

const envelope = z.looseObject({ id: z.string().optional(), seq: z.number().optional(), createdAt: z.number().optional(), body: z.looseObject({ t: z.string() }) });

export type Update =
  | { readonly kind: 'known'; readonly seq: number | null; readonly createdAt: number | null; readonly body: UpdateBody }
  /** Artifacts, account, relations, feed, key-values, and whatever comes to be: `t` as sent, null where it has none. */
  | { readonly kind: 'other'; readonly t: string | null; readonly raw: unknown };

/** An `update` event's payload. */
export function readUpdate(raw: unknown): Update {
  const outer = envelope.safeParse(raw);
  if (!outer.success) return { kind: 'other', t: null, raw };
  const body = known.safeParse(outer.data.body);
  if (!body.success) return { kind: 'other', t: outer.data.body.t, raw };
  return { kind: 'known', seq: outer.data.seq ?? null, createdAt: outer.data.createdAt ?? null, body: body.data };
}

const ephemeral = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('activity'), id: z.string(), active: z.boolean(), activeAt: z.number(), thinking: z.boolean().nullish() }),
  z.looseObject({ type: z.literal('machine-activity'), id: z.string(), active: z.boolean(), activeAt: z.number() }),
  z.looseObject({ type: z.literal('usage'), id: z.string(), key: z.string(), tokens: z.record(z.string(), z.number()), cost: z.record(z.string(), z.number()), timestamp: z.number() }),
  z.looseObject({ type: z.literal('session-event'), sessionId: z.string(), kind: z.string(), title: z.string().optional(), body: z.string().optional(), timestamp: z.number() }),
]);
export type Ephemeral = z.infer<typeof ephemeral>;

/** An `ephemeral` event's payload; null for one of another kind or shape (`machine-status` is no longer sent). */
export function readEphemeral(raw: unknown): Ephemeral | null {
  const parsed = ephemeral.safeParse(raw);
  return parsed.success ? parsed.data : null;
}

/** Acknowledgement of `update-metadata`, `update-state` and their twins of machines. */
export const changeAck = z.looseObject({
  result: z.enum(['success', 'version-mismatch', 'error']), version: z.number().optional(), metadata: z.string().nullish(), agentState: z.string().nullish(), message: z.string().optional(),
});

/** Acknowledgement of `rpc-call`. */
export const rpcAck = z.looseObject({ ok: z.boolean(), result: z.string().nullish(), error: z.string().nullish() });

/** Decrypted answer of `spawn-happy-session` and `resume-happy-session`. */
export const spawnAnswer = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('success'), sessionId: z.string().min(1) }),
  z.looseObject({ type: z.literal('requestToApproveDirectoryCreation'), directory: z.string() }),
  z.looseObject({ type: z.literal('pending'), clientRequestId: z.string().optional(), retryAfterMs: z.number().optional() }),
  z.looseObject({ type: z.literal('error'), errorMessage: z.string().optional() }),
]);
