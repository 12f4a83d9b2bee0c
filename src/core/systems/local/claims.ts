import type { BackendContext } from '../../model/context.ts';
import type { SessionOwner } from '../../model/session.ts';
import { createSessionLocks, runsElsewhere } from './sessionLock.ts';

export interface HeldElsewhere {
  readonly owner: Extract<SessionOwner, 'window' | 'foreign'>;
  /** In a person's words, within a sentence. */
  readonly name: string;
}

/** Who may run a session: one window of those that share the store (its lease), and one program of this computer (its lock). */
export interface Claims {
  /** Takes both; again is fine. Rejects with `session_runs_elsewhere`, which says who has it. */
  take(id: string): Promise<void>;
  release(id: string): Promise<void>;
  /** Who else has it; null when nobody has, or this backend. */
  other(id: string): Promise<HeldElsewhere | null>;
}

interface ClaimOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The agent's kind: ids that are no UUIDs are told apart by it. */
  readonly scope: string;
  /** This program in a person's words, within a sentence: `a VS Code window`. */
  readonly program: string | undefined;
}

export function createClaims(context: BackendContext, options: ClaimOptions): Claims {
  const { leases, stateDir, log } = context;
  const locks = createSessionLocks({ env: options.env, scope: options.scope, program: options.program ?? 'another program', stateDir, log });
  const leaseOf = (id: string): string => `session:${id}`;
  const working = new Map<string, Promise<void>>();
  /** One after the other: half of what is being given back must not be taken. */
  const inTurn = async (id: string, act: () => Promise<void>): Promise<void> => {
    const before = working.get(id);
    const mine = (async () => {
      await before?.catch(() => undefined);
      await act();
    })();
    working.set(id, mine);
    try {
      await mine;
    } finally {
      if (working.get(id) === mine) working.delete(id);
    }
  };
  return {
    take: (id) => inTurn(id, async () => {
      if (!(await leases.acquire(leaseOf(id)))) throw runsElsewhere('another window');
      try {
        await locks.acquire(id);
      } catch (error) {
        await leases.release(leaseOf(id));
        throw error;
      }
    }),
    release: (id) => inTurn(id, async () => {
      await locks.release(id);
      await leases.release(leaseOf(id));
    }),
    async other(id) {
      if ((await leases.holder(leaseOf(id))) === 'other') return { owner: 'window', name: 'another window' };
      const name = await locks.holder(id);
      return name === null ? null : { owner: 'foreign', name };
    },
  };
}
