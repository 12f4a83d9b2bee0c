import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { sessionKey } from '../../../src/core/model/session.ts';
import { inFolder, KEY, openAt, outboxItem, SESSION, sessionRecord, textEntry } from './support.ts';

describe('merging', () => {
  it('keeps the higher rev, then the greater canonical JSON, whatever came first', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      const text = async (id: string): Promise<unknown> => (await store.entriesOf(SESSION, [id])).map((entry) => (entry.kind === 'text' ? [entry.rev, entry.text] : null));
      await store.put(SESSION, [textEntry('a', [1], { rev: 2, text: 'second' })]);
      await store.put(SESSION, [textEntry('a', [1], { rev: 1, text: 'zzz' })]);
      expect(await text('a')).toEqual([[2, 'second']]);
      await store.put(SESSION, [textEntry('a', [1], { rev: 2, text: 'aaa' })]);
      expect(await text('a')).toEqual([[2, 'second']]);
      await store.put(SESSION, [textEntry('a', [1], { rev: 2, text: 'third' }), textEntry('a', [1], { rev: 2, text: 'the same batch' })]);
      expect(await text('a')).toEqual([[2, 'third']]);
      const mark = await store.mark(SESSION);
      // The same value with its keys in another order is no change.
      const { kind, id, ...others } = textEntry('a', [1], { rev: 2, text: 'third' });
      await store.put(SESSION, [{ ...others, id, kind }]);
      expect(await store.mark(SESSION)).toBe(mark);
    });
  });

  it('takes a batch whole or not at all', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      await expect(store.put(SESSION, [textEntry('a', [1]), { kind: 'text' } as never])).rejects.toMatchObject({ code: 'store_invalid_entry' });
      const circular: Record<string, unknown> = {};
      circular['self'] = circular;
      await expect(store.put(SESSION, [circular as never])).rejects.toMatchObject({ code: 'store_invalid_entry' });
      expect(await store.count(SESSION)).toBe(0);
    });
  });

  it('keeps entries without a row, which no page shows', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      await store.put(SESSION, [textEntry('usage', [1], { row: null }), textEntry('shown', [2])]);
      expect(await store.count(SESSION)).toBe(1);
      expect((await store.rows(SESSION, 0, 10)).entries.map((entry) => entry.id)).toEqual(['shown']);
    });
  });
});

describe('records', () => {
  it('come back after the store was closed and opened', async () => {
    await inFolder(async (folder) => {
      const session = sessionRecord('s1');
      {
        await using store = await openAt(folder);
        await store.saveSessions([sessionRecord('older', { updatedAt: 1 }), session, sessionRecord('elsewhere', { connectionId: 'other' })]);
        await store.put(SESSION, [textEntry('a', [1], { text: 'é😀\u0000\ud800' })]);
        await store.saveOutbox(outboxItem('p2', { position: 2 }));
        await store.saveOutbox(outboxItem('p1'));
        await store.saveOutbox(outboxItem('p2', { position: 2, text: 'changed' }));
        await store.post({ id: 'm2', session: SESSION, body: { n: 2 }, createdAt: 2 });
        await store.post({ id: 'm1', session: SESSION, body: { n: 1 }, createdAt: 1 });
        await store.keep('drafts').set('x', 'draft');
      }
      await using store = await openAt(folder);
      expect(store.health).toEqual({ status: 'durable' });
      expect(await store.sessions('local-claude')).toEqual([session, sessionRecord('older', { updatedAt: 1 })]);
      expect(await store.entriesOf(SESSION, ['a'])).toEqual([textEntry('a', [1], { text: 'é😀\u0000\ud800' })]);
      expect((await store.outbox(SESSION)).map((item) => [item.clientId, item.text])).toEqual([['p1', 'prompt p1'], ['p2', 'changed']]);
      expect((await store.outbox()).length).toBe(2);
      await store.removeOutbox('p1');
      expect((await store.outbox()).map((item) => item.clientId)).toEqual(['p2']);
      expect((await store.takeMail(SESSION)).map((mail) => mail.body)).toEqual([{ n: 1 }, { n: 2 }]);
      expect(await store.takeMail(SESSION)).toEqual([]);
      expect(await store.keep('drafts').get('x')).toBe('draft');
    });
  });

  it('are kept by scope and prefix', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      const [one, other] = [store.keep('backend:a'), store.keep('backend:b')];
      await one.set('title/1', 'one');
      await one.set('title/2', 'two');
      await one.set('titleX', 'no');
      await other.set('title/1', 'other');
      expect([...await one.list('title/')]).toEqual([['title/1', 'one'], ['title/2', 'two']]);
      expect((await one.list('')).size).toBe(3);
      await one.set('title/1', null);
      expect(await one.get('title/1')).toBeNull();
      expect(await other.get('title/1')).toBe('other');
    });
  });

  it('vanish with their session', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      await store.saveSessions([sessionRecord('s1')]);
      await store.put(SESSION, [textEntry('a', [1])]);
      await store.saveOutbox(outboxItem('p'));
      await store.post({ id: 'm', session: SESSION, body: null, createdAt: 1 });
      await store.removeSession(SESSION);
      expect([await store.count(SESSION), await store.mark(SESSION), await store.outbox(), await store.takeMail(SESSION), await store.sessions('local-claude')]).toEqual([0, 0, [], [], []]);
      await store.put(SESSION, [textEntry('b', [1])]);
      expect((await store.rows(SESSION, 0, 9)).entries.map((entry) => entry.id)).toEqual(['b']);
    });
  });

  it('that are pruned take along what a backend logged of them, and nothing else that it keeps; those that are removed are the backend’s own to forget', async () => {
    await inFolder(async (folder) => {
      let now = 1_000;
      const clock = { now: () => now, monotonic: () => now, setTimeout: () => ({ cancel: () => undefined }) };
      await using store = await openAt(folder, { clock });
      const keep = store.keep('backend:forge');
      const names = ['log:a:0', 'log:a:12', 'log:a%3Ab:0', 'log:ab:0', 'session:a', 'note'];
      for (const name of names) await keep.set(name, 'said');
      await store.keep('backend:other').set('log:a:0', 'said');
      await store.saveSessions([sessionRecord('a', { connectionId: 'forge', updatedAt: 1_000 }), sessionRecord('ab', { connectionId: 'forge', updatedAt: 9_000 })]);
      now = 5_000;
      expect(await store.prune(5_000)).toBe(1);
      expect([...(await keep.list('')).keys()].toSorted()).toEqual(names.slice(2).toSorted());
      expect(await store.keep('backend:other').get('log:a:0')).toBe('said');
      await store.removeSession(sessionKey({ connectionId: 'forge', id: 'ab' }));
      expect(await keep.get('log:ab:0')).toBe('said');
    });
  });

  it('are pruned by age but for those with prompts on their way, and cleared', async () => {
    await inFolder(async (folder) => {
      let now = 1_000;
      const clock = { now: () => now, monotonic: () => now, setTimeout: () => ({ cancel: () => undefined }) };
      await using store = await openAt(folder, { clock });
      const key = (id: string): string => sessionKey({ connectionId: 'local-claude', id });
      await store.put(key('old'), [textEntry('a', [1])]);
      await store.put(key('old but queued'), [textEntry('a', [1])]);
      await store.saveOutbox(outboxItem('p', { session: key('old but queued') }));
      await store.saveSessions([sessionRecord('active', { updatedAt: 9_000 })]);
      now = 5_000;
      await store.put(key('written'), [textEntry('a', [1])]);
      expect(await store.prune(5_000)).toBe(1);
      expect(await Promise.all(['old', 'old but queued', 'written'].map((id) => store.count(key(id))))).toEqual([0, 1, 1]);
      expect((await store.sessions('local-claude')).map((session) => session.id)).toEqual(['active']);
      await store.clear();
      expect(await Promise.all(['old but queued', 'written'].map((id) => store.count(key(id))))).toEqual([0, 0]);
      expect(await store.outbox()).toEqual([]);
    });
  });

  it('give the disk back what they took', async () => {
    await inFolder(async (folder) => {
      await using store = await openAt(folder);
      const size = (): number => readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
      await store.put(SESSION, Array.from({ length: 1_000 }, (_, index) => textEntry(`e${index}`, [index], { text: 'x'.repeat(2_000) })));
      const before = size();
      await store.prune(Number.MAX_SAFE_INTEGER);
      expect(before).toBeGreaterThan(2_000_000);
      expect(size()).toBeLessThan(before / 5);
    });
  });

  it('lie on disk sealed: no text, title, folder, prompt or kept value in clear', async () => {
    await inFolder(async (folder) => {
      {
        await using store = await openAt(folder);
        await store.put(SESSION, [textEntry('a', [1], { text: 'canary-text' })]);
        await store.saveSessions([sessionRecord('s1', { title: 'canary-title', folder: '/canary-folder' })]);
        await store.saveOutbox(outboxItem('p', { text: 'canary-prompt' }));
        await store.post({ id: 'm', session: SESSION, body: 'canary-mail', createdAt: 1 });
        await store.keep('drafts').set('x', 'canary-draft');
        for (const file of readdirSync(folder)) expect(readFileSync(path.join(folder, file)).includes('canary')).toBe(false);
      }
      const files = readdirSync(folder);
      expect(files).toEqual([expect.stringMatching(/^store-[0-9a-f]{8}\.db$/u)]);
      const bytes = readFileSync(path.join(folder, files[0] ?? ''));
      expect(bytes.includes('canary')).toBe(false);
      expect(bytes.includes(Buffer.from(KEY))).toBe(false);
      // What is in clear, to see that the search can find something.
      expect(bytes.includes('local-claude')).toBe(true);
    });
  });

  it('are refused once the store is closed', async () => {
    await inFolder(async (folder) => {
      const store = await openAt(folder);
      const closing = store[Symbol.asyncDispose]();
      await expect(store.count(SESSION)).rejects.toMatchObject({ code: 'store_closed' });
      await closing;
      await store[Symbol.asyncDispose]();
    });
  });

  it('need a key of 32 bytes', async () => {
    await inFolder(async (folder) => {
      await expect(openAt(folder, { key: new Uint8Array(16) })).rejects.toMatchObject({ code: 'store_bad_key' });
      await expect(openAt(folder, { keyFingerprint: '../../x' })).rejects.toMatchObject({ code: 'store_bad_key' });
      expect(readdirSync(folder)).toEqual([]);
    });
  });
});
