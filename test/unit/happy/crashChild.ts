/**
 * A window in a process of its own, to be killed: `crashChild <JSON of CrashOrder>`. It opens a chat of a Happy account on the store of a folder, answers `look` on its stdin with what it shows,
 * and begins to work with `go`. At the point that it was told it kills itself, as the system does when memory is short.
 */
import { createInterface } from 'node:readline';
import process from 'node:process';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import type { Clock, Keep } from '../../../src/core/model/context.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { Store } from '../../../src/core/session/store-api.ts';
import { openStore } from '../../../src/core/session/store/open.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { happyConnection } from '../../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { createLogger } from '../../../src/core/transport/logger.ts';

/** Points that the process reaches by itself; at all others it is killed from outside. */
export const OWN_POINTS = [
  'outbox append: before', 'outbox append: after', 'outbox mark: before', 'outbox mark: after', 'POST answered', 'outbox emptied', 'row applied: before', 'row applied: after',
  'watermark saved: before', 'watermark saved: after', 'key cached', 'lease taken', 'rename answered', 'approval confirmed',
] as const;
export type OwnPoint = (typeof OWN_POINTS)[number];

export interface CrashOrder {
  readonly folder: string;
  readonly workerUrl: string;
  readonly url: string;
  readonly token: string;
  readonly secret: string;
  readonly sessionId: string;
  readonly haste: number;
  /** Milliseconds by which its clock is ahead. */
  readonly ahead: number;
  readonly die: { readonly at: OwnPoint; readonly nth: number } | null;
  readonly prompts: readonly string[];
  readonly title: string;
}

/** What the window shows, and what its store holds. */
export interface CrashLook {
  readonly ready: boolean;
  readonly shown: readonly unknown[];
  readonly stored: readonly unknown[];
  readonly outbox: readonly { readonly text: string; readonly delivery: string; readonly error: string | null }[];
  readonly title: string | null;
  readonly waiting: readonly string[];
  readonly clockLagMs: number;
}

async function main(order: CrashOrder): Promise<void> {
  const clock: Clock = { now: () => systemClock.now() + order.ahead, monotonic: () => systemClock.monotonic() * order.haste, setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms / order.haste) };
  const log = createLogger((level, line) => {
    if (level !== 'debug') process.stderr.write(`${level} ${line}\n`);
  });
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  let left = order.die?.nth ?? 0;
  let working = false;
  const point = (name: OwnPoint): void => {
    if (order.die?.at !== name) return;
    left -= 1;
    if (left <= 0) process.kill(process.pid, 'SIGKILL');
  };
  /** Kills only once it works: what an earlier life left is settled before. */
  const later = (name: OwnPoint): void => {
    if (working) point(name);
  };

  const store = await openStore({ directory: `${order.folder}/store`, key: new Uint8Array(32).fill(7), log, clock, busyMs: 2_000, workerUrl: order.workerUrl });
  const key = sessionKey({ connectionId: 'happy', id: order.sessionId });
  const keep = (scope: string): Keep => {
    const kept = store.keep(scope);
    if (scope !== 'history') return kept;
    return {
      get: (name) => kept.get(name), list: (prefix) => kept.list(prefix),
      set: async (name, value) => {
        point('watermark saved: before');
        await kept.set(name, value);
        point('watermark saved: after');
      },
    };
  };
  const watched: Store = {
    get health() { return store.health; },
    put: async (session, entries) => {
      if (session === key) later('row applied: before');
      await store.put(session, entries);
      if (session === key) later('row applied: after');
    },
    count: (session) => store.count(session), rows: (session, start, limit) => store.rows(session, start, limit), entriesOf: (session, rows) => store.entriesOf(session, rows),
    entriesSince: (session, after, limit) => store.entriesSince(session, after, limit), mark: (session) => store.mark(session),
    saveSessions: (sessions) => store.saveSessions(sessions), sessions: (connectionId) => store.sessions(connectionId), removeSession: (session) => store.removeSession(session),
    outbox: (session) => store.outbox(session),
    saveOutbox: async (item) => {
      later(item.delivery === 'sending' ? 'outbox mark: before' : 'outbox append: before');
      await store.saveOutbox(item);
      later(item.delivery === 'sending' ? 'outbox mark: after' : 'outbox append: after');
    },
    removeOutbox: async (clientId) => {
      later('POST answered');
      await store.removeOutbox(clientId);
      later('outbox emptied');
    },
    post: (mail) => store.post(mail), takeMail: (session) => store.takeMail(session), keep,
    leases: {
      acquire: async (name) => {
        const taken = await store.leases.acquire(name);
        if (taken) point('lease taken');
        return taken;
      },
      release: (name) => store.leases.release(name), holder: (name) => store.leases.holder(name),
    },
    watch: (listener) => store.watch(listener),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };

  const fleet = new Fleet({ store: watched, log, clock, stateDir: `${order.folder}/state` });
  fleet.onChange((change) => {
    if (change.sessions.has(key) && fleet.session(key)?.state !== 'unknown') point('key cached');
  });
  const credentials = explicitCredentials({ token: order.token, secret: order.secret }, { serverUrl: order.url });
  fleet.attention({ focused: true, visible: true });
  const connection = happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl: order.url, credentials, allowPlainHttp: false, timing: { pong: 500, connect: 700 } });
  const setting = fleet.setConnections([{ ...connection, account: true }]);
  const opening = setting.then(() => fleet.open(key));
  opening.then(() => say('open'), (error: unknown) => say(`failed ${String(error)}`));

  const look = async (runtime: SessionRuntime): Promise<CrashLook> => {
    await runtime.transcript.flush();
    const followed = JSON.parse((await store.keep('backend:happy').get(`followed:${order.sessionId}`)) ?? '{}') as { readonly clockLagMs?: number | null };
    const shownOf = (rows: readonly Row[]): readonly unknown[] => rows.flatMap((row) => (row.kind === 'prompt' || row.kind === 'text' ? [[row.kind, row.key, row.text]] : []));
    const session = fleet.session(key);
    return {
      ready: fleet.connections()[0]?.state.status === 'ready' && !runtime.loading && session !== null && session.state !== 'unknown', shown: shownOf(runtime.transcript.tail),
      stored: shownOf(viewOf((await store.rows(key, 0, 10_000)).entries)), outbox: runtime.outboxItems().map(({ text, delivery, error }) => ({ text, delivery, error })),
      title: session?.title ?? null, waiting: session?.waiting.map(({ requestId }) => requestId) ?? [], clockLagMs: followed.clockLagMs ?? 0,
    };
  };
  const work = async (runtime: SessionRuntime): Promise<void> => {
    working = true;
    const sending = (async () => {
      for (const text of order.prompts) {
        say(`wanted ${text}`);
        await runtime.send({ text, attachments: [] }, 'send');
        say(`accepted ${text}`);
      }
    })();
    const renaming = (async () => {
      await fleet.rename(key, order.title);
      point('rename answered');
      say('renamed');
    })();
    const answering = Promise.all((fleet.session(key)?.waiting ?? []).map(async ({ requestId }) => {
      await runtime.answer(requestId, { outcome: 'allow' });
      point('approval confirmed');
      say(`answered ${requestId}`);
    }));
    await Promise.all([sending, renaming, answering]);
    say('worked');
  };

  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'look') say(`look ${JSON.stringify(await look(await opening))}`);
    else if (line === 'go') opening.then(work).catch((error: unknown) => say(`failed ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`));
    else if (line === 'end') break;
  }
  await fleet[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  // It ends by itself then: nothing else is left open.
  process.stdin.destroy();
}

/** Run as a program, not for its names. */
const [, , given] = process.argv;
if (given?.startsWith('{') === true) await main(JSON.parse(given) as CrashOrder);
