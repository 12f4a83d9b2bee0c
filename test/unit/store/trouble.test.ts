import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import { inFolder, openAt, outboxItem, recordingLog, SESSION, sessionRecord, startChild, textEntry, until } from './support.ts';

const ENTRIES = Array.from({ length: 400 }, (_, index) => textEntry(`e${index}`, [index], { text: `text ${index} ${'x'.repeat(300)}` }));

const template = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-store-'));
afterAll(() => rmSync(template, { recursive: true, force: true }));

beforeAll(async () => {
  await using store = await openAt(template);
  await store.put(SESSION, ENTRIES);
  await store.saveSessions([sessionRecord('s1')]);
  await store.saveOutbox(outboxItem('p'));
  await store.keep('drafts').set('x', 'draft');
});

/** Puts a filled store, closed by its owner, into the folder, and gives the path of its file. */
function filled(folder: string): string {
  const file = databaseIn(template);
  const copy = path.join(folder, path.basename(file));
  copyFileSync(file, copy);
  return copy;
}

function databaseIn(folder: string): string {
  const name = readdirSync(folder).find((file) => /^store-[0-9a-f]+\.db$/u.test(file));
  return path.join(folder, name ?? 'none');
}

/** Changes rows behind the store's back. */
function tamper(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

async function worksInMemory(store: Awaited<ReturnType<typeof openAt>>): Promise<void> {
  await store.put('local-claude\u0000live', [textEntry('a', [1]), textEntry('b', [2])]);
  expect((await store.rows('local-claude\u0000live', -1, 1)).entries.map((entry) => entry.id)).toEqual(['b']);
  await store.saveOutbox(outboxItem('later'));
  expect((await store.outbox()).map((item) => item.clientId)).toContain('later');
  expect(await store.leases.acquire('name')).toBe(true);
}

describe('a database that can’t be used', () => {
  const breakages: Readonly<Record<string, (file: string) => void>> = {
    'random bytes': (file) => writeFileSync(file, Buffer.from(Array.from({ length: 9_000 }, (_, index) => (index * 7_919) % 256))),
    'a text file': (file) => writeFileSync(file, 'not a database, but long enough to be looked at as one, which takes a hundred bytes or more of something else\n'.repeat(9)),
    'cut in its first page': (file) => truncateSync(file, 700),
    'without its tables': (file) => tamper(file, 'DROP TABLE entry; DROP TABLE meta;'),
    'with a broken first page': (file) => {
      const bytes = readFileSync(file);
      bytes.fill(0xaa, 100, 4_000);
      writeFileSync(file, bytes);
    },
  };
  for (const [what, breakIt] of Object.entries(breakages)) {
    it(`${what}: is set aside, and the store goes on in memory`, async () => {
      await inFolder(async (folder) => {
        const file = filled(folder);
        breakIt(file);
        const broken = readFileSync(file);
        const { log, lines } = recordingLog();
        {
          await using store = await openAt(folder, { log });
          expect(store.health).toEqual({ status: 'memory', reason: expect.stringMatching(/^the /u), setAside: expect.stringContaining('.db.broken-') });
          const { setAside } = store.health as { setAside: string };
          expect(readFileSync(setAside).equals(broken)).toBe(true);
          expect(existsSync(file)).toBe(false);
          expect(lines.filter((line) => line.startsWith('error')).length).toBe(1);
          await worksInMemory(store);
        }
        await using next = await openAt(folder);
        expect(next.health).toEqual({ status: 'durable' });
        expect(await next.count(SESSION)).toBe(0);
      });
    });
  }

  it('cut in the middle: goes on in memory when the damage is met, with what a live session had and every prompt', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      truncateSync(file, Math.floor(statSync(file).size / 2 / 4_096) * 4_096);
      await using store = await openAt(folder);
      const healths: unknown[] = [];
      store.onHealth((health) => healths.push(health));
      await store.put(SESSION, [textEntry('live', [1_000])]);
      for (let start = 0; start < 400 && store.health.status === 'durable'; start += 50) await store.rows(SESSION, start, 50);
      for (let index = 0; index < 40 && store.health.status === 'durable'; index += 1) await store.put(SESSION, [textEntry(`more${index}`, [2_000 + index], { text: 'z'.repeat(9_000) })]);
      expect(store.health).toMatchObject({ status: 'memory', setAside: expect.stringContaining('broken') });
      if (healths.length > 0) expect(healths).toEqual([store.health]);
      await worksInMemory(store);
    });
  });

  it('damaged while it is open: the live session and the prompts are in memory then', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      await using store = await openAt(folder);
      const healths: unknown[] = [];
      store.onHealth((health) => healths.push(health));
      await store.put(SESSION, [textEntry('live', [1_000])]);
      // A column that no program of ours could have written: as good as a damaged page.
      tamper(file, "UPDATE session SET top_rows = 'many'");
      expect(await store.count(SESSION)).toBe(401);
      expect(healths).toEqual([store.health]);
      expect(store.health).toMatchObject({ status: 'memory', setAside: expect.stringContaining('broken') });
      expect((await store.rows(SESSION, -2, 2)).entries.map((entry) => entry.id).sort()).toEqual(['e399', 'live']);
      expect((await store.outbox()).map((item) => item.clientId)).toEqual(['p']);
      expect(await store.keep('drafts').get('x')).toBe('draft');
      expect((await store.sessions('local-claude')).length).toBe(1);
      await worksInMemory(store);
    });
  });

  it('locked by another program: stays, and is used at the next start', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      const child = startChild(['lock', file]);
      try {
        await child.line('locked');
        await using store = await openAt(folder);
        expect(store.health).toEqual({ status: 'memory', reason: expect.stringContaining('locked'), setAside: null });
        await worksInMemory(store);
      } finally {
        await child.kill();
      }
      await using next = await openAt(folder);
      expect(next.health.status).toBe('durable');
      expect(await next.count(SESSION)).toBe(400);
    });
  });

  it('locked while it is open: goes on in memory, no call rejects', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      await using store = await openAt(folder, { busyMs: 100 });
      expect(store.health.status).toBe('durable');
      const blocker = new DatabaseSync(file);
      blocker.exec('BEGIN IMMEDIATE');
      try {
        await store.put(SESSION, [textEntry('live', [1_000])]);
        expect(store.health).toMatchObject({ status: 'memory', setAside: null, reason: expect.stringContaining('locked') });
        expect((await store.rows(SESSION, -1, 1)).entries.map((entry) => entry.id)).toEqual(['live']);
        await worksInMemory(store);
      } finally {
        blocker.exec('ROLLBACK');
        blocker.close();
      }
    });
  });

  it('of a later version: stays untouched', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      tamper(file, 'PRAGMA user_version = 99');
      const before = readFileSync(file);
      {
        await using store = await openAt(folder);
        expect(store.health).toEqual({ status: 'memory', reason: expect.stringContaining('later version'), setAside: null });
        await worksInMemory(store);
      }
      expect(readFileSync(file).equals(before)).toBe(true);
    });
  });

  it('of another key: is neither read, emptied nor sealed anew', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      const other = new Uint8Array(32).fill(9);
      {
        await using store = await openAt(folder, { key: other });
        expect(store.health.status).toBe('durable');
        expect(await store.count(SESSION)).toBe(0);
        await store.put(SESSION, [textEntry('mine', [1])]);
      }
      expect(readdirSync(folder).length).toBe(2);
      // The same name with another key, as after a copy.
      {
        await using store = await openAt(folder, { key: other, keyFingerprint: path.basename(file, '.db').slice('store-'.length) });
        expect(store.health).toMatchObject({ status: 'memory', setAside: null, reason: expect.stringContaining('another key') });
        await worksInMemory(store);
      }
      await using store = await openAt(folder);
      expect(await store.count(SESSION)).toBe(400);
      expect((await store.outbox()).length).toBe(1);
    });
  });

  it('in a folder that can’t be written to: goes on in memory', async () => {
    await inFolder(async (folder) => {
      const place = path.join(folder, 'readonly');
      mkdirSync(place);
      filled(place);
      for (const file of readdirSync(place)) chmodSync(path.join(place, file), 0o444);
      chmodSync(place, 0o555);
      chmodSync(folder, 0o755);
      // root may write everywhere, so it is somebody else who tries.
      const child = startChild(['health', place], process.getuid?.() === 0 ? { uid: 65_534 } : {});
      expect(await child.line('opened')).toMatch(/"status":"memory".*"setAside":null/u);
      expect(await child.line('rows')).toBe('rows 1');
      expect(await child.ended()).toBe(0);
      chmodSync(place, 0o755);
      await using store = await openAt(path.join(folder, 'file'));
      expect(store.health.status).toBe('durable');
    });
  });

  it('below something that is no folder: goes on in memory', async () => {
    await inFolder(async (folder) => {
      writeFileSync(path.join(folder, 'file'), '');
      await using store = await openAt(path.join(folder, 'file', 'below'));
      expect(store.health).toMatchObject({ status: 'memory', setAside: null });
      await worksInMemory(store);
    });
  });

  it('on a disk that gets full: goes on in memory with what the session had', { skip: process.platform === 'win32' }, async () => {
    await inFolder(async (folder) => {
      const script = fileURLToPath(new URL('./child.ts', import.meta.url));
      const child = spawn('sh', ['-c', 'ulimit -f 400; exec "$0" --disable-warning=ExperimentalWarning "$@"', process.execPath, script, 'health', folder, '300'], { stdio: ['ignore', 'pipe', 'inherit'] });
      let told = '';
      child.stdout.on('data', (data: Buffer) => (told += data.toString()));
      await until(() => (told.includes('rows') ? true : null));
      expect(told).toMatch(/opened \{"status":"durable"\}\nhealth \{"status":"memory".*"setAside":null\}\nrows 300\n/u);
    });
  });
});

describe('a damaged row', () => {
  it('is an unknown entry in its place, the others are as they were, and the system’s copy heals it', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      tamper(file, "UPDATE entry SET sealed = substr(sealed, 1, 30) || x'00ff' || substr(sealed, 33) WHERE id = CAST('e7' AS BLOB)");
      tamper(file, "UPDATE entry SET sealed = (SELECT sealed FROM entry WHERE id = CAST('e9' AS BLOB)) WHERE id = CAST('e8' AS BLOB)");
      tamper(file, "UPDATE entry SET sealed = x'' WHERE id = CAST('e10' AS BLOB)");
      const { log, lines } = recordingLog();
      await using store = await openAt(folder, { log });
      const page = await store.rows(SESSION, 5, 8);
      const kinds = new Map(page.entries.map((entry) => [entry.id, entry.kind]));
      expect(page.entries.length).toBe(8);
      expect([...kinds].filter(([, kind]) => kind === 'unknown').map(([id]) => id).sort()).toEqual(['e10', 'e7', 'e8']);
      const lost = page.entries.find((entry) => entry.id === 'e7') as Extract<Entry, { kind: 'unknown' }>;
      expect(lost).toMatchObject({ row: 'e7', order: [7], source: 'store', raw: { code: 'store_unreadable', message: expect.stringContaining('can’t be read') } });
      expect(lines.filter((line) => line.includes('could not be read'))).toEqual([expect.stringContaining('count="3"')]);
      expect(store.health.status).toBe('durable');
      await store.put(SESSION, ENTRIES.slice(7, 8));
      expect(await store.entriesOf(SESSION, ['e7'])).toEqual([ENTRIES[7]]);
    });
  });

  it('of another kind costs itself only', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      tamper(file, "UPDATE outbox SET sealed = x'01'; UPDATE session SET record = x'01'; UPDATE keep SET sealed = x'01'; UPDATE meta SET value = x'01'");
      await using store = await openAt(folder);
      expect(store.health.status).toBe('durable');
      expect(await store.outbox()).toEqual([expect.objectContaining({ clientId: 'p', session: SESSION, delivery: 'failed', text: '', error: expect.stringContaining('can’t be read') })]);
      expect(await store.sessions('local-claude')).toEqual([]);
      expect(await store.keep('drafts').get('x')).toBeNull();
      expect(await store.count(SESSION)).toBe(400);
      expect((await store.rows(SESSION, 0, 1)).entries).toEqual([ENTRIES[0]]);
    });
  });

  it('is found whichever byte of the file was flipped: nothing wrong is ever shown', async () => {
    await inFolder(async (folder) => {
      const file = filled(folder);
      const good = path.join(folder, 'good');
      copyFileSync(file, good);
      const texts = new Map(ENTRIES.map((entry) => [entry.id, JSON.stringify(entry)]));
      const size = statSync(good).size;
      for (let round = 0; round < 6; round += 1) {
        const bytes = readFileSync(good);
        const at = (round * 104_729 + 8_191) % size;
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (round % 8));
        for (const other of readdirSync(folder)) if (other.includes('-wal') || other.includes('-shm')) truncateSync(path.join(folder, other));
        writeFileSync(file, bytes);
        await using store = await openAt(folder);
        const { entries } = await store.rows(SESSION, 0, 500);
        for (const entry of entries) if (entry.kind !== 'unknown') expect(JSON.stringify(entry)).toBe(texts.get(entry.id));
        await worksInMemory(store);
      }
    });
  });
});
