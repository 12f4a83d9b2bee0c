/** A process of its own for the store's tests: `child.ts <role> <folder or file> …`. Tells what it did in lines; lives until its stdin ends or it is killed. */
import { appendFileSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { createOutbox } from '../../../src/core/session/outbox.ts';
import { keyFromFile } from '../../../src/core/session/store/key.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { openStore } from '../../../src/core/session/store/open.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import type { Entry } from '../../../src/core/model/entry.ts';

const SESSION = 'local-claude\u0000s1';
const [role, place = '', ...rest] = process.argv.slice(2);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function open(): Promise<OwnedStore> {
  const worker = process.env['PILOTHOUSE_TEST_WORKER'];
  return openStore({ directory: place, key: new Uint8Array(32).fill(7), log: silentLogger, clock: systemClock, busyMs: 5_000, ...(worker === undefined ? {} : { workerUrl: worker }) });
}

function entry(id: string, order: number, text: string): Entry {
  return { kind: 'text', id, row: id, order: [order], rev: 1, at: order, turn: null, parent: null, text };
}

function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    process.stdin.resume();
    process.stdin.once('end', () => resolve());
  });
}

const roles: Readonly<Record<string, () => Promise<void>>> = {
  /** Writes batches of 20 without end; a line for each that was confirmed. */
  async writer() {
    const store = await open();
    const name = rest[0] ?? 'w';
    for (let batch = 0; ; batch += 1) {
      await store.put(SESSION, Array.from({ length: 20 }, (_, index) => entry(`${name}-${batch}-${index}`, batch * 20 + index, 'x'.repeat(600))));
      await store.saveOutbox({ clientId: `${name}-${batch}`, session: SESSION, text: 'p', attachments: [], delivery: 'queued', position: batch, createdAt: 1, attempts: 0, error: null, steer: false });
      say(`confirmed ${batch}`);
    }
  },
  /** Writes a number of entries one by one, then says so. */
  async some() {
    const store = await open();
    const [name = 's', count = '0'] = rest;
    say('open');
    for (let index = 0; index < Number(count); index += 1) await store.put(SESSION, [entry(`${name}-${index}`, index, `${name} ${index}`)]);
    say(`wrote ${JSON.stringify(store.health)}`);
    await store[Symbol.asyncDispose]();
  },
  /** A bit of everything that others are told of. */
  async everything() {
    const store = await open();
    await store.put(SESSION, [entry('theirs', 1, 'by the other process')]);
    await store.saveOutbox({ clientId: 'their-prompt', session: SESSION, text: 'p', attachments: [], delivery: 'queued', position: 1, createdAt: 1, attempts: 0, error: null, steer: false });
    await store.post({ id: 'their-mail', session: SESSION, body: { do: 'stop' }, createdAt: 1 });
    await store.saveSessions([{
      id: 's1', connectionId: 'local-claude', machineId: 'm', folder: '/f', agent: 'claude', title: 't', state: 'idle', createdAt: 1, updatedAt: 1, archived: false,
      owner: 'nobody', ownerName: null, branch: null, activity: null, usage: null, model: null, waiting: [], error: null,
    }]);
    say('done');
    await store[Symbol.asyncDispose]();
  },
  async lease() {
    const store = await open();
    say(`acquired ${await store.leases.acquire(rest[0] ?? 'name')}`);
    await untilTold();
    await store[Symbol.asyncDispose]();
  },
  /** Keeps the database locked against every other connection. */
  async lock() {
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(place);
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS locked (n); COMMIT; BEGIN EXCLUSIVE;');
    say('locked');
    await untilTold();
    db.close();
  },
  /** Opens, writes until `count` entries are in, and tells the health before and after. */
  async health() {
    const store = await open();
    say(`opened ${JSON.stringify(store.health)}`);
    for (let index = 0; index < Number(rest[0] ?? 1); index += 1) await store.put(SESSION, [entry(`h-${index}`, index, 'y'.repeat(2_000))]);
    say(`health ${JSON.stringify(store.health)}`);
    say(`rows ${await store.count(SESSION)}`);
    await store[Symbol.asyncDispose]();
  },
  async nothing() {
    say('nothing');
  },
  async key() {
    say(`key ${Buffer.from(await keyFromFile(place)).toString('hex')}`);
  },
  /** Sends every prompt of the outbox by appending its id to a file, which stands for the system. */
  async outbox() {
    const [system = '', prompts = '0'] = rest;
    const store = await open();
    const outbox = createOutbox({
      store, session: SESSION, log: silentLogger, clock: systemClock, retryable: () => true,
      send: async (item) => {
        await new Promise((resolve) => setTimeout(resolve, 3));
        appendFileSync(system, `${item.text}\n`);
        await new Promise((resolve) => setTimeout(resolve, 3));
      },
      wasDelivered: async (clientId) => {
        const item = outbox.items().find((each) => each.clientId === clientId);
        return item !== undefined && readFileSync(system, 'utf8').split('\n').includes(item.text) ? 'yes' : 'no';
      },
    });
    outbox.turnRunning(false);
    await outbox.start();
    for (let index = 0; index < Number(prompts); index += 1) {
      await outbox.enqueue({ text: `${process.pid}-${index}`, attachments: [], steer: true });
      say(`accepted ${process.pid}-${index}`);
    }
    while (outbox.items().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    say('empty');
    await outbox[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
  },
};

const run = roles[role ?? ''];
if (run === undefined) throw new Error(`no role ${role}`);
await run();
