import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import type { Database } from './database.ts';
import type { Faults } from './faults.ts';
import type { Hub } from './hub.ts';
import type { Presence } from './presence.ts';
import type { HappyTimes } from './times.ts';
import type { Tokens } from './tokens.ts';

/** A push to the owner's phone that the server was asked for. */
export interface PhonePush {
  readonly accountId: string;
  readonly sessionId: string;
  readonly kind: 'done' | 'permission' | 'question';
  readonly title: string;
  readonly body: string;
  readonly result: 'sent' | 'suppressed' | 'no_tokens';
  readonly at: number;
}

/** What every part of the server works on. */
export interface World {
  readonly database: Database;
  readonly hub: Hub;
  readonly presence: Presence;
  readonly faults: Faults;
  readonly tokens: Tokens;
  readonly times: HappyTimes;
  readonly pushes: PhonePush[];
  /** Aborts when the server closes for good. */
  readonly closing: AbortSignal;
}

/** The time that a real database takes between a read and the write that follows: what makes races possible. */
export async function afterRead(world: World): Promise<void> {
  if (world.faults.databaseMs > 0) await sleep(world.faults.databaseMs);
  else await breathe();
}
