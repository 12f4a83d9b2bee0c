import fc from 'fast-check';
import type { CatsyphonFault } from '../../loopback/catsyphon/faults.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';
import { startCatsyphonServer } from '../../loopback/catsyphon/server.ts';

const fault: fc.Arbitrary<CatsyphonFault> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(503, 502, 504, 429, 408, 500).chain((status) => fc.boolean().map((applied): CatsyphonFault => ({ kind: 'status', status, applied: applied && status !== 429 }))) },
  { weight: 5, arbitrary: fc.constantFrom('before' as const, 'after' as const).map((when): CatsyphonFault => ({ kind: 'drop', when })) },
  { weight: 1, arbitrary: fc.constantFrom('before' as const, 'after' as const).map((when): CatsyphonFault => ({ kind: 'silence', when })) },
);
/** Faults of requests: each strikes a sending, or a look at a session, after `skip` of these. */
export const troubles = fc.array(fc.record({ fault, look: fc.boolean(), skip: fc.integer({ min: 0, max: 3 }) }), { maxLength: 5 });
type Troubles = typeof troubles extends fc.Arbitrary<infer T> ? T : never;

/** The server is to have these troubles, and none of before. */
export function trouble(server: CatsyphonTestServer, list: Troubles): void {
  server.faults.clear();
  for (const { fault: one, look, skip } of list) {
    let left = skip;
    const path = look ? /^GET .*sessions/ : /^POST .*events$/;
    server.faults.add({ test: (text: string) => path.test(text) && (left -= 1) < 0 } as RegExp, one);
  }
}

/** Servers side by side: a run mostly waits for time-outs and pauses, in which others go on. */
export class Lanes {
  readonly servers: CatsyphonTestServer[] = [];

  async open(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      const server = await startCatsyphonServer();
      // Two requests with one event at once store it twice, as they do in the real one.
      server.kernel.ingestMs = 2;
      server.kernel.poison = (data) => JSON.stringify(data).includes('poison');
      this.servers.push(server);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }

  /** Checks `runs` worlds, one a server at a time. Where one fails it is told as it is: what depends on time cannot be made smaller. */
  async assert<World>(worlds: fc.Arbitrary<World>, runs: number, check: (server: CatsyphonTestServer, world: World) => Promise<void>): Promise<void> {
    const width = this.servers.length;
    await fc.assert(fc.asyncProperty(fc.array(worlds, { minLength: width, maxLength: width, size: 'max' }), async (some) => {
      const results = await Promise.allSettled(some.map((world, lane) => check(this.servers[lane] ?? this.servers[0] as CatsyphonTestServer, world)));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    }), { numRuns: Math.ceil(runs / width), endOnFailure: true });
  }
}
