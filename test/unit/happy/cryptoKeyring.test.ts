import { randomBytes } from 'node:crypto';
import { format, inspect } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { dataKeyCipher, legacyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import type { KeyedRow } from '../../../src/core/systems/happy/crypto/keyring.ts';
import { Keyring } from '../../../src/core/systems/happy/crypto/keyring.ts';
import { contentKeyPair, wrapKey } from '../../../src/core/systems/happy/crypto/keys.ts';
import { openAll, openEach } from '../../../src/core/systems/happy/crypto/openAll.ts';
import { inSlices, SLICE_MS } from '../../../src/core/transport/slices.ts';
import type * as x25519 from '../../../src/core/systems/happy/crypto/x25519.ts';
import { bytes, CountedPace, flipped, happy } from './cryptoSupport.ts';

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const master = bytes(happy.accounts.A.masterSecret);
const { publicKey } = contentKeyPair(master);
const agree = vi.hoisted(() => ({ calls: 0 }));

vi.mock('../../../src/core/systems/happy/crypto/x25519.ts', async (original) => {
  const real = await original<typeof x25519>();
  return {
    ...real,
    agreementOf: (secretKey: Uint8Array) => {
      const agreement = real.agreementOf(secretKey);
      return (theirs: Uint8Array) => {
        agree.calls += 1;
        return agreement(theirs);
      };
    },
  };
});

/** Rows with data keys of their own, wrapped to account A. */
function rowsWith(count: number): { readonly rows: KeyedRow[]; readonly keys: Map<string, Uint8Array> } {
  const keys = new Map(Array.from({ length: count }, (_row, index) => [`row${index}`, random(32)]));
  return { keys, rows: [...keys].map(([id, key]) => ({ id, dataEncryptionKey: toBase64(wrapKey(key, publicKey)) })) };
}

describe('a keyring', () => {
  it('opens the recorded rows of the real server: machines and sessions, with data keys and without', async () => {
    const ring = new Keyring({ master });
    const ciphers = await ring.unwrapAll(happy.rows);
    expect(happy.rows).toHaveLength(5);
    for (const row of happy.rows) expect(ciphers.get(row.id)?.open(row.metadata)).toMatchObject(row.holds);
    expect([...ciphers.values()].filter((cipher) => cipher?.kind === 'dataKey')).toHaveLength(3);
    for (const row of happy.wrapped.filter((each) => each.account === 'A')) {
      const sealed = (row.kind === 'dataKey' ? dataKeyCipher : legacyCipher)(bytes(row.key)).seal({ row: row.id });
      expect(ring.cipherFor(row)?.open(sealed)).toEqual({ row: row.id });
    }
  });

  it('of another account reads none of them and breaks on none', async () => {
    const other = await new Keyring({ master: bytes(happy.accounts.B.masterSecret) }).unwrapAll(happy.rows);
    for (const row of happy.rows) expect(other.get(row.id)?.open(row.metadata)).toBeUndefined();
    expect([...other.values()].filter((cipher) => cipher === null)).toHaveLength(3);
  });

  it('takes of two keys that may be a row\'s the one that opens its record', () => {
    const key = random(32);
    const ring = new Keyring({ master, knownKeys: new Map([['s', key]]) });
    const legacy = { id: 's', dataEncryptionKey: null };
    const theirs = legacyCipher(key).seal({ a: 1 });
    expect(ring.cipherFor({ ...legacy, sample: theirs })?.open(theirs)).toEqual({ a: 1 });
    const ours = legacyCipher(master).seal({ a: 2 });
    expect(ring.cipherFor({ ...legacy, sample: ours })?.open(ours)).toEqual({ a: 2 });
    const wrapped = { id: 's', dataEncryptionKey: toBase64(wrapKey(random(32), publicKey)) };
    const known = dataKeyCipher(key).seal({ a: 3 });
    expect(ring.cipherFor({ ...wrapped, sample: known })?.open(known)).toEqual({ a: 3 });
    // What neither opens is damaged, not out of reach.
    expect(ring.cipherFor({ ...legacy, sample: 'Z2FyYmFnZQ==' })).not.toBeNull();
  });

  it('gives null for every broken key, and the others are read all the same', async () => {
    const { rows, keys } = rowsWith(4);
    const good = bytes(rows[0]?.dataEncryptionKey ?? '');
    const lowOrder = Uint8Array.from([...good].fill(0, 1, 33));
    const broken = [flipped(good, 0), flipped(good, 40), flipped(good, 100), good.subarray(0, 104), new Uint8Array(), lowOrder, random(105), wrapKey(random(32), contentKeyPair(random(32)).publicKey)];
    const texts = [...broken.map((each) => toBase64(each)).filter((text) => text !== ''), 'no base64!', 'AA', `${rows[0]?.dataEncryptionKey ?? ''} `, '\u{1F642}'];
    const ring = new Keyring({ master });
    const ciphers = await ring.unwrapAll([...texts.map((dataEncryptionKey, index) => ({ id: `bad${index}`, dataEncryptionKey })), ...rows]);
    for (const [index] of texts.entries()) expect(ciphers.get(`bad${index}`), `broken key ${index}`).toBeNull();
    for (const [id, key] of keys) expect(ciphers.get(id)?.open(dataKeyCipher(key).seal(id))).toBe(id);
    expect(ciphers.size).toBe(texts.length + 4);
  });

  it('unwraps a key once, a broken one too, and knows a changed one for another', () => {
    const ring = new Keyring({ master });
    const { rows: [row] } = rowsWith(1);
    const bad = { id: 'bad', dataEncryptionKey: toBase64(flipped(bytes(row?.dataEncryptionKey ?? ''), 90)) };
    agree.calls = 0;
    const first = row === undefined ? null : ring.cipherFor(row);
    expect(first).not.toBeNull();
    for (let round = 0; round < 5; round += 1) expect([row === undefined ? null : ring.cipherFor(row), ring.cipherFor({ id: 'other', dataEncryptionKey: row?.dataEncryptionKey ?? null }), ring.cipherFor(bad)]).toEqual([first, first, null]);
    expect(agree.calls).toBe(2);
  });

  it('without a master reads what it knows the key of, and says null to the rest', () => {
    const { rows, keys } = rowsWith(3);
    const knownKeys = new Map([...keys].slice(0, 2));
    const legacyKey = random(32);
    const ring = new Keyring({ knownKeys: new Map([...knownKeys, ['old', legacyKey], ['row2', random(31)]]) });
    expect(rows.map((row) => ring.cipherFor(row)?.open(dataKeyCipher(keys.get(row.id) ?? master).seal(row.id)) ?? null)).toEqual(['row0', 'row1', null]);
    expect(rows.map((row) => ring.cipherFor(row) === ring.cipherFor(row))).toEqual([true, true, true]);
    expect(ring.cipherFor({ id: 'old', dataEncryptionKey: null })?.open(legacyCipher(legacyKey).seal('old'))).toBe('old');
    for (const dataEncryptionKey of [null, '']) expect(ring.cipherFor({ id: 'other', dataEncryptionKey })).toBeNull();
    expect(new Keyring({}).cipherFor({ id: 'row0', dataEncryptionKey: rows[0]?.dataEncryptionKey ?? null })).toBeNull();
    for (const dataEncryptionKey of [null, '']) expect(new Keyring({ master }).cipherFor({ id: 'x', dataEncryptionKey })?.kind).toBe('legacy');
  });

  it('falls back to a known key where the wrapped one is broken, and never the other way round', () => {
    const { rows: [row], keys } = rowsWith(1);
    const stale = random(32);
    const sealed = dataKeyCipher(keys.get('row0') ?? master).seal('current');
    const ring = new Keyring({ master, knownKeys: new Map([['row0', stale]]) });
    expect(ring.cipherFor({ id: 'row0', dataEncryptionKey: row?.dataEncryptionKey ?? null })?.open(sealed)).toBe('current');
    expect(ring.cipherFor({ id: 'row0', dataEncryptionKey: 'broken' })?.open(dataKeyCipher(stale).seal('known'))).toBe('known');
  });

  it('uses the machine key for a row only when it opens what the row shows', () => {
    const machineKey = random(32);
    const ring = new Keyring({ machineKey });
    const own = { id: 'machine', dataEncryptionKey: toBase64(wrapKey(machineKey, publicKey)) };
    expect(ring.cipherFor({ ...own, sample: dataKeyCipher(machineKey).seal({ host: 'vm' }) })?.open(dataKeyCipher(machineKey).seal(1))).toBe(1);
    expect(ring.cipherFor(own)).toBeNull();
    expect(ring.cipherFor({ ...own, sample: dataKeyCipher(random(32)).seal({ host: 'vm' }) })).toBeNull();
    expect(ring.cipherFor({ ...own, dataEncryptionKey: null, sample: dataKeyCipher(machineKey).seal({ host: 'vm' }) })).toBeNull();
  });

  it('shows none of its keys in a print of it or in an error, and has none after it was disposed', async () => {
    const secrets = [random(32), random(32), random(32)] as const;
    const [ownMaster, machineKey, known] = secrets;
    const ring = new Keyring({ master: ownMaster, machineKey, knownKeys: new Map([['id', known]]) });
    const data = random(32);
    const row = { id: 'row', dataEncryptionKey: toBase64(wrapKey(data, contentKeyPair(ownMaster).publicKey)) };
    const cipher = (await ring.unwrapAll([row, { id: 'id', dataEncryptionKey: null }])).get('row');
    const shown = [inspect(ring, { depth: 20, showHidden: true, getters: true, showProxy: true, maxArrayLength: null }), inspect(cipher, { depth: 20, showHidden: true }), JSON.stringify(ring), format('%s %o %O %j', ring, ring, ring, ring)].join('\n');
    const thrown = [() => new Keyring({ master: ownMaster.subarray(1) }), () => new Keyring({ machineKey: machineKey.subarray(1) })].map((make) => {
      try {
        return inspect(make());
      } catch (error) {
        return `thrown ${inspect(error)}`;
      }
    });
    expect(thrown.every((text) => /^thrown .*must be 32 bytes long, not 31\. Sign in/.test(text))).toBe(true);
    for (const secret of [...secrets, data, contentKeyPair(ownMaster).secretKey]) {
      for (const form of [Buffer.from(secret).toString('base64').slice(2, 10), Buffer.from(secret).toString('hex').slice(2, 10), [...secret.subarray(1, 4)].join(','), [...secret.subarray(1, 4)].join(', '), inspect(Buffer.from(secret)).slice(11, 22)]) {
        expect(shown).not.toContain(form);
        expect(thrown.join('\n')).not.toContain(form);
      }
    }
    ring[Symbol.dispose]();
    expect([ring.cipherFor(row), ring.cipherFor({ id: 'id', dataEncryptionKey: null }), ring.cipherFor({ id: 'x', dataEncryptionKey: null })]).toEqual([null, null, null]);
    expect(cipher?.open(dataKeyCipher(data).seal('still'))).toBe('still');
    expect(ownMaster.some((byte) => byte !== 0) && known.some((byte) => byte !== 0)).toBe(true);
  });
});

describe('slices', () => {
  it('hold the event loop for a slice and one item, however many rows there are', async () => {
    const { rows, keys } = rowsWith(60);
    // 2.5 ms go by with each row.
    const pace = new CountedPace(2.5);
    const ciphers = await new Keyring({ master }).unwrapAll(rows, { pace });
    expect([...ciphers.keys()]).toEqual([...keys.keys()]);
    expect([...ciphers.values()].every((cipher) => cipher?.kind === 'dataKey')).toBe(true);
    expect(Math.max(...pace.slices) * 2.5).toBeLessThanOrEqual(16);
    expect(pace.slices.length).toBeGreaterThanOrEqual(60 / 5);
    expect(SLICE_MS).toBeLessThanOrEqual(8);
  });

  it('let timers and input through between them on the real clock', async () => {
    const { rows } = rowsWith(100);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const busy = (): void => {
      for (const until = performance.now() + 1; performance.now() < until;);
    };
    await inSlices(rows, busy);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });

  it('end with the abort: before the first row, and between two slices', async () => {
    const { rows } = rowsWith(40);
    const ring = new Keyring({ master });
    agree.calls = 0;
    await expect(ring.unwrapAll(rows, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(agree.calls).toBe(0);
    const abort = new AbortController();
    const reason = new Error('the view was closed');
    await expect(ring.unwrapAll(rows, { signal: abort.signal, pace: new CountedPace(4, () => abort.abort(reason)) })).rejects.toBe(reason);
    const done = agree.calls;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(5);
    await ring.unwrapAll(rows);
    expect(agree.calls).toBe(40);
  });

  it('open many records in their order, with undefined in the place of each that does not open', async () => {
    for (const cipher of [dataKeyCipher(random(32)), legacyCipher(random(32))]) {
      const texts = Array.from({ length: 50 }, (_text, index) => (index % 7 === 3 ? 'AAAA' : cipher.seal({ index })));
      const pace = new CountedPace(3);
      expect(await openAll(cipher, texts, { pace })).toEqual(texts.map((_text, index) => (index % 7 === 3 ? undefined : { index })));
      expect(Math.max(...pace.slices) * 3).toBeLessThanOrEqual(16);
      expect(pace.slices.length).toBeGreaterThan(10);
      expect(await openAll(cipher, [])).toEqual([]);
      await expect(openAll(cipher, texts, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    }
  });

  it('open one record of each of many rows, with undefined where a row has no cipher', async () => {
    const ciphers = Array.from({ length: 40 }, (_cipher, index) => (index % 9 === 4 ? null : dataKeyCipher(random(32))));
    const records = ciphers.map((cipher, index) => ({ cipher, text: cipher?.seal({ index }) ?? 'AAAA' }));
    const pace = new CountedPace(3);
    expect(await openEach(records, { pace })).toEqual(ciphers.map((cipher, index) => (cipher === null ? undefined : { index })));
    expect(Math.max(...pace.slices) * 3).toBeLessThanOrEqual(16);
    expect(pace.slices.length).toBeGreaterThan(8);
  });

  it('give a big record a slice of its own', async () => {
    const cipher = legacyCipher(random(32));
    const [small, big] = [cipher.seal('small'), cipher.seal('x'.repeat(100_000))];
    const pace = new CountedPace(0.5);
    const values = await openAll(cipher, [small, small, big, big, small], { pace });
    expect(values.map((value) => (typeof value === 'string' ? value.length : null))).toEqual([5, 5, 100_000, 100_000, 5]);
    // small small | big | big small
    expect(pace.slices.length).toBe(3);
  });
});
