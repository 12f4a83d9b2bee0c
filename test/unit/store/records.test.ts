import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
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
