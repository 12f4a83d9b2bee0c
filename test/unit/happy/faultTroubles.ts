import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from '../../loopback/happy/conversations.ts';
import { pick } from '../../loopback/happy/conversations.ts';
import type { HttpFault } from '../../loopback/happy/faults.ts';
import type { Direction, Toxic } from '../../loopback/happy/proxy.ts';
import type { FaultWorld } from './faultWorld.ts';
import { CLIENT } from './faultWorld.ts';

/** One way in which the network, the server or the computer is bad for a while. */
export interface Trouble {
  readonly name: string;
  /** Contact is lost for certain, so that the window must say so: `off` for as long as it lasts, `breaks` now and then. */
  readonly contact: 'kept' | 'breaks' | 'off';
  /** Others do not reach the server either. */
  readonly forAll?: true;
  /** Milliseconds by which the window's clock is off from the start. */
  readonly offset?: number;
  /** Begins it; the answer ends it. */
  begin(world: FaultWorld): Promise<() => Promise<void>>;
}

const DAY = 86_400_000;
const MINUTE = 60_000;

/** The window's own sockets, without a word of goodbye: it comes back and reads everything again. */
function dropOwn(world: FaultWorld): void {
  world.server.dropSockets(({ happyClient }) => happyClient === CLIENT);
}

export const healthy: Trouble = { name: 'nothing', contact: 'kept', begin: () => Promise.resolve(() => Promise.resolve()) };

/** reliability.md §8: the eight toxics; a timeout of 0, which never ends, is one of its own here. */
const toxics: Readonly<Record<string, (chance: Chance) => Toxic>> = {
  latency: () => ({ kind: 'latency', ms: 40, jitterMs: 30 }),
  bandwidth: () => ({ kind: 'bandwidth', bytesPerSecond: 15_000 }),
  slow_close: () => ({ kind: 'slowClose', ms: 150 }),
  timeout: (chance) => ({ kind: 'timeout', afterMs: 80 + chance() * 150 }),
  blackhole: () => ({ kind: 'blackhole' }),
  reset_peer: (chance) => ({ kind: 'reset', afterMs: chance() * 20 }),
  slicer: () => ({ kind: 'slicer', bytes: 40, gapMs: 1 }),
  limit_data: (chance) => ({ kind: 'limit', bytes: 250 + Math.floor(chance() * 1_200) }),
};
const directions: readonly Direction[] = ['up', 'down'];
/** What certainly ends an idle window's contact: bytes come down all the time, and go up only when it asks. */
const contacts: Readonly<Record<string, Trouble['contact']>> = { 'timeout up': 'off', 'timeout down': 'off', 'blackhole down': 'off', 'reset_peer down': 'off', 'limit_data down': 'breaks' };

function toxicTrouble(kind: string, make: (chance: Chance) => Toxic, direction: Direction): Trouble {
  const name = `${kind} ${direction}`;
  return {
    name, contact: contacts[name] ?? 'kept',
    begin: async (world) => {
      const heal = world.proxy.add(make(world.chance), { direction, random: world.chance });
      // Something must end for an end to be late.
      if (kind === 'slow_close') dropOwn(world);
      await sleep(world.chance() * 30);
      return async () => heal();
    },
  };
}

/** `down` has no direction of its own: going up nobody takes the connection, coming down the server behind the gateway is gone. */
function downTrouble(direction: Direction): Trouble {
  return {
    name: `down ${direction}`, contact: 'off',
    begin: async (world) => {
      await world.proxy.down(direction);
      return () => world.proxy.up();
    },
  };
}

export const toxicTroubles: readonly Trouble[] = directions.flatMap((direction) => [
  ...Object.entries(toxics).map(([kind, make]) => toxicTrouble(kind, make, direction)), downTrouble(direction),
]);

function httpTrouble(name: string, fault: (chance: Chance) => HttpFault): Trouble {
  return {
    name, contact: 'kept',
    begin: async (world) => {
      // Fewer than one call tries, or more than it does.
      const times = pick([1, 2, 3, 7, 15], world.chance);
      const struck = world.server.faults.http({ client: CLIENT, path: /^\/v[123]\// }, fault(world.chance), times);
      dropOwn(world);
      return async () => struck.remove();
    },
  };
}
/** Not the server's own word, or not for long: nobody needs to sign in when it is over, though somebody may have to look once more. */
const refusals = [401, 403].map((status): Trouble => {
  const trouble = httpTrouble(`${status}`, () => ({ kind: 'status', status }));
  return {
    name: trouble.name, contact: 'kept',
    begin: async (world) => {
      const heal = await trouble.begin(world);
      return async () => {
        await heal();
        if (world.status === 'needs-sign-in') await world.fleet.refresh();
      };
    },
  };
});
const statuses = [408, 409, 500, 502, 503, 504].map((status) => httpTrouble(`${status}`, (chance) => ({ kind: 'status', status, applied: chance() < 0.5 })));

/** A server that asks to be left alone for a while: an endpoint that was asked before that is over was asked too soon. */
const limited: Trouble = {
  name: '429 with Retry-After', contact: 'kept',
  begin: async (world) => {
    const struck = world.server.faults.http({ client: CLIENT, path: /^\/v[123]\// }, { kind: 'status', status: 429, headers: { 'retry-after': '3' } }, 4);
    dropOwn(world);
    return async () => struck.remove();
  },
};

/** More answers to one message are lost than a call tries: it is sent again from the outbox, and is there all the while. */
const stored: Trouble = {
  name: 'stored, never answered', contact: 'kept',
  begin: async (world) => {
    const fault: HttpFault = world.chance() < 0.5 ? { kind: 'drop', when: 'after' } : { kind: 'status', status: 500, applied: true };
    const struck = world.server.faults.http({ client: CLIENT, method: 'POST', path: /^\/v3\/sessions\/[^/]+\/messages$/ }, fault, 6);
    return async () => struck.remove();
  },
};

function clockTrouble(name: string, by: number, when: 'start' | 'jump'): Trouble {
  return {
    name, contact: 'kept', ...(when === 'start' ? { offset: by } : {}),
    begin: async (world) => {
      if (when === 'jump') world.clock.offset += by;
      if (world.chance() < 0.5) dropOwn(world);
      return () => Promise.resolve();
    },
  };
}

export const httpTroubles: readonly Trouble[] = [
  httpTrouble('dropped when it was written', () => ({ kind: 'drop', when: 'before' })),
  httpTrouble('dropped before its answer', () => ({ kind: 'drop', when: 'after' })),
  httpTrouble('taken twice', () => ({ kind: 'duplicate', what: 'request' })),
  httpTrouble('answered twice', () => ({ kind: 'duplicate', what: 'response' })),
  ...statuses, ...refusals, limited, stored,
  httpTrouble('cut body', (chance) => ({ kind: 'cut', ...(chance() < 0.5 ? {} : { bytes: 0 }) })),
  httpTrouble('stalled body', (chance) => ({ kind: 'stall', ...(chance() < 0.5 ? {} : { bytes: 0 }) })),
  httpTrouble('slow answer', (chance) => ({ kind: 'delay', ms: 80 + chance() * 150, when: pick(['before', 'after'], chance) })),
  httpTrouble('a page in place of JSON', () => ({ kind: 'garbage' })),
  httpTrouble('JSON of another kind', () => ({ kind: 'garbage', text: '{"unexpected":[1,2,3]}' })),
  clockTrouble('clock a day ahead', DAY, 'start'),
  clockTrouble('clock a day behind', -DAY, 'start'),
  clockTrouble('clock jumps ahead', DAY, 'jump'),
  clockTrouble('clock jumps back', -DAY, 'jump'),
];

const own = (data: unknown): data is { readonly method: string } => typeof data === 'object' && data !== null && 'method' in data;

export const socketTroubles: readonly Trouble[] = [
  {
    name: 'frozen server', contact: 'off', forAll: true,
    begin: async (world) => {
      world.server.freeze();
      return async () => world.server.thaw();
    },
  },
  {
    name: 'server restarts', contact: 'breaks', forAll: true,
    begin: async (world) => {
      const back = world.server.restart(100 + world.chance() * 300);
      back.catch(() => undefined);
      return () => back;
    },
  },
  {
    name: 'computer sleeps', contact: 'off',
    begin: async (world) => {
      const heal = world.proxy.add({ kind: 'blackhole' });
      world.clock.offset += 10 * MINUTE;
      return async () => {
        heal();
        if (world.chance() < 0.5) world.proxy.resetAll();
      };
    },
  },
  {
    name: 'revoked token', contact: 'breaks',
    begin: async (world) => {
      world.server.revoke(world.token);
      return async () => {
        world.server.restore(world.token);
        await world.fleet.refresh();
      };
    },
  },
  ...[true, false].map((applied): Trouble => ({
    name: applied ? 'lost acknowledgements' : 'lost events', contact: 'kept',
    begin: async (world) => {
      const { faults } = world.server;
      const times = 1 + Math.floor(world.chance() * 3);
      const struck = [faults.acks({ event: 'update-metadata' }, applied, times), faults.acks({ event: 'rpc-call', fits: own }, applied, times)];
      return async () => struck.forEach((fault) => fault.remove());
    },
  })),
  {
    name: 'updates come twice', contact: 'kept',
    begin: async (world) => {
      const struck = world.server.faults.pushes('twice');
      return async () => struck.remove();
    },
  },
  {
    name: 'updates come reversed', contact: 'kept',
    begin: async (world) => {
      const struck = world.server.faults.pushes('hold', ({ event }) => event === 'update');
      return async () => struck.release('reversed');
    },
  },
];
