/**
 * A window in a process of its own, to be killed: `crashChild <JSON of CrashOrder>`. It opens a chat of a clawdforge session on the store of a folder and sends the prompts that were not sent yet. At
 * the `die`th thing that it writes it kills itself, before or after, as the system does when memory is short.
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { Clock, Keep } from '../../../src/core/model/context.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { Store } from '../../../src/core/session/store-api.ts';
import { openStore } from '../../../src/core/session/store/open.ts';
import { forgeConnection } from '../../../src/core/systems/clawdforge/connection.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';

export interface CrashOrder {
  readonly folder: string;
  readonly workerUrl: string;
  readonly url: string;
  readonly token: string;
  readonly sessionId: string;
  /** Milliseconds by which its clock is ahead: leases of the life before are late then. */
  readonly ahead: number;
  /** Which write kills it, from 1 on, before it is made or after; null: none does. */
  readonly die: { readonly nth: number; readonly after: boolean } | null;
  /** Sent once it has read what there is; null: it only looks. */
  readonly prompt: string | null;
}
/** What it prints at its end, as one line of JSON: what is shown, and what waits in the outbox. `told` lines before say which turns it saw end. */
export interface CrashLook {
  readonly rows: readonly { readonly kind: string; readonly text: string; readonly state: string }[];
  readonly outbox: readonly string[];
  /** Writes that were made. */
  readonly writes: number;
}

async function main(order: CrashOrder): Promise<void> {
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + order.ahead };
  const store = await openStore({ directory: `${order.folder}/store`, key: new Uint8Array(32).fill(7), log: silentLogger, clock, busyMs: 2_000, workerUrl: order.workerUrl });
  let writes = 0;
  let working = false;
  const written = async (work: () => Promise<void>): Promise<void> => {
    if (working) writes += 1;
    const due = working && order.die?.nth === writes ? order.die : null;
    if (due !== null && !due.after) process.kill(process.pid, 'SIGKILL');
    await work();
    if (due?.after === true) process.kill(process.pid, 'SIGKILL');
  };
  const keep = (scope: string): Keep => {
    const kept = store.keep(scope);
    return { get: (name) => kept.get(name), list: (prefix) => kept.list(prefix), set: (name, value) => written(() => kept.set(name, value)) };
  };
  const watched: Store = {
    get health() { return store.health; },
    put: (session, entries) => written(() => store.put(session, entries)),
    count: (session) => store.count(session), rows: (session, start, limit) => store.rows(session, start, limit), entriesOf: (session, rows) => store.entriesOf(session, rows),
    entriesSince: (session, after, limit) => store.entriesSince(session, after, limit), mark: (session) => store.mark(session),
    saveSessions: (sessions) => store.saveSessions(sessions), sessions: (connectionId) => store.sessions(connectionId), removeSession: (session) => store.removeSession(session),
    outbox: (session) => store.outbox(session), saveOutbox: (item) => written(() => store.saveOutbox(item)), removeOutbox: (clientId) => written(() => store.removeOutbox(clientId)),
    post: (mail) => store.post(mail), takeMail: (session) => store.takeMail(session), keep, leases: store.leases, watch: (listener) => store.watch(listener),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  const fleet = new Fleet({ store: watched, log: silentLogger, clock, stateDir: `${order.folder}/state` });
  const key = sessionKey({ connectionId: 'forge', id: order.sessionId });
  await fleet.setConnections([forgeConnection({ connectionId: 'forge', name: 'Forge', serverUrl: order.url, token: order.token })]);
  const runtime = await fleet.open(key);
  await runtime.historyRead();
  runtime.transcript.onChange(() => {
    const last = runtime.transcript.tail.at(-1);
    if (last?.kind === 'turn') process.stdout.write(`told ${last.key} ${last.state}\n`);
  });
  const rests = async (): Promise<void> => {
    for (let calm = 0; calm < 3;) {
      await sleep(40);
      const busy = fleet.session(key)?.state === 'running' || runtime.outboxItems().some((item) => item.delivery !== 'failed');
      calm = busy ? 0 : calm + 1;
    }
  };
  await rests();
  if (order.prompt !== null) {
    working = true;
    process.stdout.write(`wanted ${order.prompt}\n`);
    await runtime.send({ text: order.prompt, attachments: [] }, 'send');
    process.stdout.write(`accepted ${order.prompt}\n`);
    await rests();
  }
  await runtime.transcript.flush();
  const look: CrashLook = {
    rows: runtime.transcript.tail.map((row) => ({ kind: row.kind, text: 'text' in row ? row.text : '', state: row.kind === 'turn' ? row.state : row.kind === 'text' && row.streaming ? 'streaming' : '' })),
    outbox: runtime.outboxItems().map((item) => item.text), writes,
  };
  working = false;
  runtime.release();
  await fleet[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  process.stdout.write(`${JSON.stringify(look)}\n`);
}

/** Run as a program, not for its names. */
const [, , given] = process.argv;
if (given?.startsWith('{') === true) await main(JSON.parse(given) as CrashOrder);
