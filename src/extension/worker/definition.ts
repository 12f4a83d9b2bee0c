import { z } from 'zod';

/** A worker as the person set it up, without any secret. */
export interface WorkerDefinition {
  readonly id: string;
  /** The account of hebing that it works for. */
  readonly connectionId: string;
  readonly capabilityKey: string;
  readonly capabilityName: string;
  /** Whether the capability promises an object. */
  readonly wantsObject: boolean;
  /** Where its sessions run, and with which agent. `local`: on this computer, in a folder of the workspace. */
  readonly place: { readonly connectionId: string; readonly machineId: string; readonly folder: string; readonly agent: string | null; readonly model: string | null; readonly local: boolean };
  readonly template: string;
  /** The person looks at answers before they are submitted. */
  readonly review: boolean;
  /** Highest `max_budget_nc` of a job; null: any. */
  readonly ceilingNc: number | null;
  /** Jobs at once. */
  readonly concurrency: number;
  /** Of the window that it was made in: it is offered in no other. */
  readonly workspace: string;
  /** It was started and not stopped. */
  readonly running: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** Jobs at once at most: each is an agent on somebody's computer. */
export const MOST_JOBS = 8;

const text = z.string().min(1).max(2_000);
const schema = z.object({
  id: z.string().regex(/^[0-9a-f-]{36}$/),
  connectionId: text,
  capabilityKey: text,
  capabilityName: text,
  wantsObject: z.boolean(),
  place: z.object({ connectionId: text, machineId: z.string().max(2_000), folder: z.string().max(10_000), agent: text.nullable(), model: text.nullable(), local: z.boolean() }),
  template: z.string().min(1).max(100_000),
  review: z.boolean(),
  ceilingNc: z.number().min(0).nullable(),
  concurrency: z.number().int().min(1).max(MOST_JOBS),
  workspace: z.string().max(20_000),
  running: z.boolean(),
  createdAt: z.number().int().min(0),
});

/** A definition as its file holds it; null for anything else. Never throws. */
export function readDefinition(file: string): WorkerDefinition | null {
  try {
    const parsed = schema.safeParse(JSON.parse(file));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** The text of a definition's file. Throws for what `readDefinition` would not read back. */
export function writeDefinition(definition: WorkerDefinition): string {
  return `${JSON.stringify(schema.parse(definition), null, 2)}\n`;
}

/** The lease in the store by which one window works for an account and a capability. */
export function leaseOf({ connectionId, capabilityKey }: Pick<WorkerDefinition, 'connectionId' | 'capabilityKey'>): string {
  return `worker:${connectionId}:${capabilityKey}`;
}
