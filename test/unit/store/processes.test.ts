import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { StoreChange } from '../../../src/core/session/store-api.ts';
import { inFolder, LONG, openAt, outboxItem, SESSION, startChild, textEntry, until } from './support.ts';

describe('two processes on one store', () => {
  it('make it and write at once, and nothing of either is lost', async () => {
    await inFolder(async (folder) => {
      const children = [startChild(['some', folder, 'a', '120']), startChild(['some', folder, 'b', '120'])];
      await Promise.race(children.map((child) => child.line('open')));
      await using store = await openAt(folder, { busyMs: 5_000 });
      for (let index = 0; index < 120; index += 1) await store.put(SESSION, [textEntry(`c-${index}`, [index])]);
      for (const child of children) {
        expect(await child.line('wrote')).toBe('wrote {"status":"durable"}');
        expect(await child.ended()).toBe(0);
      }
      expect(store.health.status).toBe('durable');
      expect(await store.count(SESSION)).toBe(360);
      const { entries } = await store.rows(SESSION, 0, 360);
      expect(new Set(entries.map((entry) => entry.id)).size).toBe(360);
    });
  });

  it('a follower is told of every kind of change within half a second, and reads what is new without a gap', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      await store.put(SESSION, [textEntry('mine', [0])]);
      const changes: StoreChange[] = [];
      const watching = store.watch((change) => changes.push(change));
      const mark = await store.mark(SESSION);
      expect((await store.entriesSince(SESSION, 0, 10)).entries).toEqual([]);
      await store.put(SESSION, [textEntry('mine too', [0])]);
      const child = startChild(['everything', folder]);
      await child.line('done');
      const told = Date.now();
      await until(() => (new Set(changes.map((change) => change.kind)).size === 4 ? true : null));
      expect(Date.now() - told).toBeLessThan(1_000);
      expect(changes.every((change) => change.session === SESSION)).toBe(true);
      const since = await store.entriesSince(SESSION, mark, 10);
      expect(since.entries.map((entry) => entry.id)).toEqual(['theirs']);
      expect(await store.entriesSince(SESSION, since.mark, 10)).toEqual({ entries: [], mark: since.mark });
      expect((await store.takeMail(SESSION)).map((mail) => mail.id)).toEqual(['their-mail']);
      await child.ended();
      watching.dispose();
      const seen = changes.length;
      expect(await startChild(['everything', folder]).ended()).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 600));
      expect(changes.length).toBe(seen);
    });
  });

  it('a follower pages through many changes with its marks, each version once', async () => {
    await inFolder(async (folder) => {
      await using writer = await openAt(folder);
      await using follower = await openAt(folder);
      const seen: string[] = [];
      let mark = 0;
      const follow = async (): Promise<void> => {
        for (;;) {
          const page = await follower.entriesSince(SESSION, mark, 7);
          ({ mark } = page);
          seen.push(...page.entries.map((entry) => `${entry.id}/${entry.rev}`));
          if (page.entries.length < 7) return;
        }
      };
      for (let round = 0; round < 5; round += 1) {
        await writer.put(SESSION, Array.from({ length: 30 }, (_, index) => textEntry(`e${index}`, [index], { rev: round })));
        await follow();
      }
      expect(seen).toEqual(Array.from({ length: 150 }, (_, index) => `e${index % 30}/${Math.floor(index / 30)}`));
      // What it writes itself is not told.
      await follower.put(SESSION, [textEntry('own', [1])]);
      await follow();
      expect(seen.length).toBe(150);
    });
  });

  it('a follower that fell behind the kept changes is told that everything may have changed', async () => {
    await inFolder(async (folder) => {
      await using writer = await openAt(folder);
      await using follower = await openAt(folder);
      const changes = new Set<string>();
      follower.watch((change) => changes.add(`${change.kind} ${change.session}`));
      await follower.count(SESSION);
      await writer.put('local-claude\u0000first', [textEntry('a', [1])]);
      await until(() => (changes.has('entries local-claude\u0000first') ? true : null));
      changes.clear();
      const file = path.join(folder, 'store-4bb06f8e.db');
      const db = new DatabaseSync(file);
      // As if thousands of changes had been made since.
      db.exec("UPDATE sqlite_sequence SET seq = seq + 10000 WHERE name = 'change'; DELETE FROM change; INSERT INTO change (kind, session, writer) VALUES (0, x'61', 99)");
      db.close();
      await until(() => (changes.has('entries local-claude\u0000first') && changes.has('mail local-claude\u0000first') ? true : null));
    });
  });
});

describe('a process that is killed in the middle of writing', () => {
  it('loses nothing that was confirmed and leaves a readable database', async () => {
    await inFolder(async (folder) => {
      const kills = LONG ? 40 : 3;
      const confirmed: string[] = [];
      for (let round = 0; round < kills; round += 1) {
        const child = startChild(['writer', folder, `w${round}`]);
        await child.line('confirmed 2');
        await new Promise((resolve) => setTimeout(resolve, (round * 37) % 90));
        await child.kill();
        confirmed.push(...child.lines.filter((line) => line.startsWith('confirmed')).map((line) => `w${round}-${line.split(' ')[1]}`));
      }
      await using store = await openAt(folder);
      expect(store.health).toEqual({ status: 'durable' });
      const total = await store.count(SESSION);
      const { entries } = await store.rows(SESSION, 0, total);
      const ids = new Set(entries.map((entry: Entry) => entry.id));
      expect(entries.every((entry) => entry.kind === 'text' && entry.text.length === 600)).toBe(true);
      for (const batch of confirmed) for (let index = 0; index < 20; index += 1) expect(ids.has(`${batch}-${index}`)).toBe(true);
      // A batch is there whole or not at all.
      expect(ids.size).toBe(total);
      expect(total % 20).toBe(0);
      const prompts = new Set((await store.outbox(SESSION)).map((item) => item.clientId));
      for (const batch of confirmed) expect(prompts.has(batch)).toBe(true);
      const db = new DatabaseSync(path.join(folder, 'store-4bb06f8e.db'));
      expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
      db.close();
    });
  }, 120_000);

  it('sends no prompt twice and loses none, with the real store', async () => {
    await inFolder(async (folder) => {
      const system = path.join(folder, 'system.txt');
      writeFileSync(system, '');
      const accepted: string[] = [];
      const kills = LONG ? 30 : 2;
      for (let round = 0; round < kills; round += 1) {
        const child = startChild(['outbox', folder, system, '40']);
        await child.line('accepted');
        await new Promise((resolve) => setTimeout(resolve, 20 + ((round * 53) % 120)));
        await child.kill();
        accepted.push(...child.lines.filter((line) => line.startsWith('accepted')).map((line) => line.split(' ')[1] ?? ''));
      }
      const last = startChild(['outbox', folder, system, '0']);
      await last.line('empty');
      expect(await last.ended()).toBe(0);
      const arrived = readFileSync(system, 'utf8').split('\n').filter((line) => line !== '');
      expect(accepted.length).toBeGreaterThan(kills);
      expect(new Set(arrived).size).toBe(arrived.length);
      for (const prompt of accepted) expect(arrived).toContain(prompt);
    });
  }, 120_000);
});

describe('leases over processes', () => {
  it('are held by one, freed at its end', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      const first = startChild(['lease', folder, 'agent']);
      expect(await first.line('acquired')).toBe('acquired true');
      expect(await store.leases.acquire('agent')).toBe(false);
      expect(await store.leases.holder('agent')).toBe('other');
      const second = startChild(['lease', folder, 'agent']);
      expect(await second.line('acquired')).toBe('acquired false');
      first.process.stdin?.end();
      expect(await first.ended()).toBe(0);
      expect(await store.leases.holder('agent')).toBe('nobody');
      expect(await store.leases.acquire('agent')).toBe(true);
      expect(await store.leases.holder('agent')).toBe('this');
      second.process.stdin?.end();
      await second.ended();
    });
  });

  it('of many that want one at once, exactly one gets it', async () => {
    await inFolder(async (folder) => {
      const children = Array.from({ length: 3 }, () => startChild(['lease', folder, 'agent']));
      const answers = await Promise.all(children.map((child) => child.line('acquired')));
      expect(answers.filter((answer) => answer === 'acquired true').length).toBe(1);
      for (const child of children) child.process.stdin?.end();
      await Promise.all(children.map((child) => child.ended()));
    });
  });

  it('of a killed process are taken over once its heartbeat is late', async () => {
    await inFolder(async (folder) => {
      let ahead = 0;
      const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now(), setTimeout: () => ({ cancel: () => undefined }) };
      await using store = await openAt(folder, { clock });
      const child = startChild(['lease', folder, 'agent']);
      expect(await child.line('acquired')).toBe('acquired true');
      ahead = 15_000;
      // Late, but its process lives.
      expect(await store.leases.acquire('agent')).toBe(false);
      ahead = 0;
      await child.kill();
      expect(await store.leases.acquire('agent')).toBe(false);
      ahead = 15_000;
      expect(await store.leases.holder('agent')).toBe('nobody');
      expect(await store.leases.acquire('agent')).toBe(true);
    });
  });

  it('stay with an owner whose prompts wait here too', async () => {
    await inFolder(async (folder) => {
      await using one = await openAt(folder);
      await using other = await openAt(folder);
      expect(await one.leases.acquire('outbox:s1')).toBe(true);
      await other.saveOutbox(outboxItem('p'));
      expect(await other.leases.acquire('outbox:s1')).toBe(false);
      await one.leases.release('outbox:s1');
      expect(await other.leases.acquire('outbox:s1')).toBe(true);
    });
  });
});
