import { z } from 'zod';
import type { SliceOptions } from '../../../transport/slices.ts';
import { inSlices } from '../../../transport/slices.ts';

// Shapes of HTTP answers, as the recordings 01–28 have them. All are loose: fields that are not named here stay in the value.

const time = z.number();
const sealed = z.string();

/** One row of a list of sessions. `metadata` and `agentState` are base64 of records. */
export const sessionRow = z.looseObject({
  id: z.string().min(1),
  seq: z.number().default(0),
  createdAt: time.default(0),
  updatedAt: time.default(0),
  active: z.boolean().default(false),
  activeAt: time.default(0),
  metadata: sealed,
  metadataVersion: z.number(),
  agentState: sealed.nullish().transform((value) => value ?? null),
  agentStateVersion: z.number().default(0),
  dataEncryptionKey: z.string().nullish().transform((value) => value ?? null),
});
export type SessionRow = z.infer<typeof sessionRow>;

export const machineRow = z.looseObject({
  id: z.string().min(1),
  createdAt: time.default(0),
  updatedAt: time.default(0),
  active: z.boolean().default(false),
  activeAt: time.default(0),
  metadata: sealed,
  metadataVersion: z.number(),
  daemonState: sealed.nullish().transform((value) => value ?? null),
  daemonStateVersion: z.number().default(0),
  dataEncryptionKey: z.string().nullish().transform((value) => value ?? null),
});
export type MachineRow = z.infer<typeof machineRow>;

/** One stored message; `content.c` is base64 of a record. */
export const messageRow = z.looseObject({
  id: z.string().min(1),
  seq: z.number().int().nonnegative(),
  content: z.looseObject({ t: z.string(), c: z.string() }),
  localId: z.string().nullish().transform((value) => value ?? null),
  createdAt: time.default(0),
  updatedAt: time.default(0),
});
export type MessageRow = z.infer<typeof messageRow>;

/** Rows are looked at one by one (`rowsOf`): a bad one costs itself only. */
export const sessionsPage = z.looseObject({ sessions: z.array(z.unknown()), nextCursor: z.string().nullish(), hasNext: z.boolean().nullish() });
export const messagesPage = z.looseObject({ messages: z.array(z.unknown()), hasMore: z.boolean() });
export const machinesList = z.array(z.unknown());
export const machineAnswer = z.looseObject({ machine: machineRow });
export const sentMessages = z.looseObject({
  messages: z.array(z.looseObject({ id: z.string(), seq: z.number().int(), localId: z.string().nullish(), createdAt: time.default(0), updatedAt: time.default(0) })),
});
export const authAnswer = z.looseObject({ success: z.boolean().optional(), token: z.string().min(1) });
export const linkState = z.union([
  z.looseObject({ state: z.literal('authorized'), token: z.string().min(1), response: z.string().min(1) }),
  z.looseObject({ state: z.literal('requested') }),
]);
export const profile = z.looseObject({ id: z.string(), firstName: z.string().nullish(), lastName: z.string().nullish(), username: z.string().nullish() });
export const settings = z.looseObject({ settings: z.string().nullable(), settingsVersion: z.number() });
export const uploadPlace = z.looseObject({ ref: z.string(), uploadUrl: z.string(), method: z.enum(['PUT', 'POST']), formFields: z.record(z.string(), z.string()).optional() });
export const downloadPlace = z.looseObject({ downloadUrl: z.string() });
export const usageAnswer = z.looseObject({
  usage: z.array(z.looseObject({ timestamp: time, tokens: z.record(z.string(), z.number()), cost: z.record(z.string(), z.number()), reportCount: z.number() })),
  groupBy: z.string(),
});
export type UsageAnswer = z.infer<typeof usageAnswer>;
export const artifactRow = z.looseObject({
  id: z.string(), header: sealed, headerVersion: z.number(), body: sealed.optional(), bodyVersion: z.number().optional(), dataEncryptionKey: z.string(), createdAt: time, updatedAt: time,
});
export type ArtifactRow = z.infer<typeof artifactRow>;

/** What the server accepts of each: the values that are rows, and how many were none. Looks at them in slices; rejects with the signal's reason when it is aborted. */
export async function rowsOf<T>(schema: z.ZodType<T>, values: readonly unknown[], { signal }: SliceOptions): Promise<{ readonly rows: readonly T[]; readonly bad: number }> {
  const rows: T[] = [];
  await inSlices(values, (value) => {
    const parsed = schema.safeParse(value);
    if (parsed.success) rows.push(parsed.data);
  }, { signal });
  return { rows, bad: values.length - rows.length };
}
