import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Retention } from '../../../src/core/fleet/retention.ts';
import { loggedOf } from '../../../src/core/model/context.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { openName } from '../../../src/core/session/store-api.ts';
import type { OwnedStore } from '../../../src/core/session/store/open.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { inFolder, openAt, outboxItem, sessionRecord, SimClock, textEntry, until } from './support.ts';

const DAY = 86_400_000;
const KNOWN = ['local-claude', 'local-acp'];
const ALL = { before: Number.MAX_SAFE_INTEGER, spare: [], known: KNOWN };
const key = (id: string, connectionId = 'local-claude'): string => sessionKey({ connectionId, id });
const fixed = (now: () => number) => ({ now, monotonic: now, setTimeout: () => ({ cancel: () => undefined }) });
const counts = (store: OwnedStore, ids: readonly string[]): Promise<number[]> => Promise.all(ids.map((id) => store.count(key(id))));

it('names what may be forgotten: untouched for long enough, and nothing that anybody would miss', async () => {
  await inFolder(async (folder) => {
    let now = 1_000;
    await using store = await openAt(folder, { clock: fixed(() => now) });
    for (const id of ['old', 'old2', 'active', 'queued', 'drafted', 'with files', 'pinned', 'journal', 'open']) await store.put(key(id), [textEntry('a', [1])]);
    await store.put(key('acp', 'local-acp'), [textEntry('a', [1])]);
    await store.saveSessions([sessionRecord('active', { updatedAt: 9_000 }), sessionRecord('empty', { updatedAt: 1 })]);
    await store.saveOutbox(outboxItem('p', { session: key('queued'), delivery: 'failed' }));
    await store.keep('drafts').set(key('drafted'), 'half a sentence');
    await store.keep('drafts').set(`${key('with files')}\u0000files`, '[]');
    await store.keep('pins').set(key('pinned'), '1');
    await store.keep('backend:local-claude').set(`${loggedOf('journal')}0`, '[]');
    await store.leases.acquire(`local-claude/${openName('open')}x`);
    now = 5_000;
    await store.put(key('written'), [textEntry('a', [1])]);
    const rule = { before: 5_000, spare: ['local-acp'], known: KNOWN };
    const survey = await store.survey(rule);
    expect([...survey.sessions].toSorted()).toEqual([key('old'), key('old2')]);
    expect(survey.kept).toEqual({ open: 1, prompts: 1, draft: 2, pinned: 1, onlyHere: 2, gone: 0 });
    expect((await Promise.all(['queued', 'drafted', 'with files', 'pinned', 'journal', 'open', 'active', 'written'].map((id) => store.forget(key(id), rule))))).toEqual(Array.from({ length: 8 }, () => false));
    // Somebody began to write meanwhile.
    await store.keep('drafts').set(key('old2'), 'wait');
    expect([await store.forget(key('old'), rule), await store.forget(key('old2'), rule)]).toEqual([true, false]);
    expect(await counts(store, ['old', 'old2', 'active', 'written'])).toEqual([0, 1, 1, 1]);
  });
});

it('forgets what was said and keeps the session, which is read again from its end to its beginning', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    await store.saveSessions([sessionRecord('a')]);
    await store.put(key('a'), [textEntry('one', [1]), textEntry('two', [2])]);
    await store.keep('history').set(key('a'), '{"newest":["two"]}');
    expect(await store.forget(key('a'), ALL)).toBe(true);
    expect(await store.sessions('local-claude')).toHaveLength(1);
    expect([await store.count(key('a')), (await store.rows(key('a'), 0, 9)).entries, await store.keep('history').get(key('a'))]).toEqual([0, [], null]);
    await store.put(key('a'), [textEntry('two', [2])]);
    expect((await store.rows(key('a'), 0, 9)).entries.map(({ id }) => id)).toEqual(['two']);
  });
});

it('transcripts of a connection that is not there any more stay: nobody could read them again', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    const gone = key('a', 'acp-removed');
    await store.put(gone, [textEntry('one', [1])]);
    await store.put(key('a'), [textEntry('one', [1])]);
    let known: readonly string[] = ['local-claude'];
    const retention = new Retention({ store, clock: new SimClock(), log: silentLogger, days: () => 0, spare: () => [], known: () => known, forgotten: () => undefined });
    expect(await retention.survey()).toMatchObject({ sessions: [key('a')], kept: { gone: 1 } });
    expect(await store.forget(gone, { before: Number.MAX_SAFE_INTEGER, spare: [], known })).toBe(false);
    expect(await retention.clear(new AbortController().signal, () => undefined)).toMatchObject({ sessions: 1 });
    expect([await store.count(gone), await store.count(key('a'))]).toEqual([1, 0]);
    // Added again, it is as any other.
    known = ['acp-removed'];
    expect(await retention.survey()).toMatchObject({ sessions: [gone], kept: { gone: 0 } });
  });
});

it('a session that somebody opened is not old, and is cleared all the same', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder, { clock: fixed(() => 1_000) });
    await store.put(key('a'), [textEntry('one', [1])]);
    await store.keep('opened').set(key('a'), '4000');
    expect((await store.survey({ before: 4_000, spare: [], known: KNOWN })).sessions).toEqual([]);
    expect(await store.forget(key('a'), { before: 4_000, spare: [], known: KNOWN })).toBe(false);
    expect((await store.survey({ before: 4_001, spare: [], known: KNOWN })).sessions).toEqual([key('a')]);
    expect(await store.forget(key('a'), ALL)).toBe(true);
    expect(await store.keep('opened').get(key('a'))).toBeNull();
  });
});

it('a session that another window has open stays, until that window is gone', async () => {
  await inFolder(async (folder) => {
    const other = await openAt(folder);
    await using store = await openAt(folder);
    await store.put(key('a'), [textEntry('one', [1])]);
    await other.leases.acquire(`local-claude/${openName('a')}x`);
    expect(await store.forget(key('a'), ALL)).toBe(false);
    await other[Symbol.asyncDispose]();
    expect(await store.forget(key('a'), ALL)).toBe(true);
  });
});

it('gives the disk back what it took, and lets others in between', async () => {
  await inFolder(async (folder) => {
    await using store = await openAt(folder);
    const size = (): number => readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
    for (const id of ['a', 'b', 'c']) await store.put(key(id), Array.from({ length: 1_500 }, (_, index) => textEntry(`e${index}`, [index], { text: 'x'.repeat(4_000) })));
    const before = size();
    expect((await store.survey(ALL)).bytes).toBeGreaterThan(12_000_000);
    const order: string[] = [];
    let trims = 0;
    const retention = new Retention({ store, clock: new SimClock(), log: silentLogger, days: () => 0, spare: () => [], known: () => KNOWN, forgotten: () => void (trims += 1) });
    const cleared = retention.clear(new AbortController().signal, (done, all) => {
      order.push(`${done} of ${all}`);
      void store.count(key('c')).then(() => order.push('another'));
    });
    expect(await cleared).toMatchObject({ sessions: 3 });
    expect(order.slice(0, 4)).toEqual(['0 of 3', 'another', '1 of 3', 'another']);
    expect(trims).toBe(1);
    expect((await cleared).after).toBeLessThan((await cleared).before / 5);
    expect(size()).toBeLessThan(before / 5);
  });
});

it('is applied a minute after the start and every six hours, by one window at a time, as the setting says', async () => {
  await inFolder(async (folder) => {
    const clock = new SimClock();
    const at = { now: clock.now() };
    await using store = await openAt(folder, { clock: { ...fixed(() => at.now) } });
    await store.put(key('a'), [textEntry('one', [1])]);
    at.now += 3 * DAY;
    let days = 0;
    let blocked = true;
    const seen: string[] = [];
    const leases = { ...store.leases, holder: (name: string) => (seen.push('asked'), blocked ? Promise.resolve('other' as const) : store.leases.holder(name)), acquire: (name: string) => store.leases.acquire(name), release: (name: string) => store.leases.release(name) };
    const guarded = { survey: store.survey.bind(store), forget: store.forget.bind(store), shrink: store.shrink.bind(store), leases };
    const retention = new Retention({ store: guarded, clock: { now: () => at.now, monotonic: () => clock.monotonic(), setTimeout: (callback, ms) => clock.setTimeout(callback, ms) }, log: silentLogger, days: () => days, spare: () => [], known: () => KNOWN, forgotten: () => undefined });
    retention.start();
    await clock.advance(61_000);
    // Off.
    expect([seen, await store.count(key('a'))]).toEqual([[], 1]);
    days = 2;
    await clock.advance(6 * 3_600_000);
    await until(() => seen.length === 1);
    expect(await store.count(key('a'))).toBe(1);
    blocked = false;
    days = 4;
    retention.settingChanged();
    await clock.advance(2_000);
    await until(() => seen.length === 2 && clock.waiting === 1);
    expect(await store.count(key('a'))).toBe(1);
    days = 2;
    retention.settingChanged();
    await clock.advance(2_000);
    await until(async () => (await store.count(key('a'))) === 0);
    await retention[Symbol.asyncDispose]();
    expect(clock.waiting).toBe(0);
  });
});

it('what another window is clearing is not cleared twice at once', async () => {
  await inFolder(async (folder) => {
    await using other = await openAt(folder);
    await using store = await openAt(folder);
    await other.leases.acquire('retention');
    const retention = new Retention({ store, clock: new SimClock(), log: silentLogger, days: () => 0, spare: () => [], known: () => KNOWN, forgotten: () => undefined });
    await expect(retention.clear(new AbortController().signal, () => undefined)).rejects.toMatchObject({ code: 'retention_busy' });
  });
});
