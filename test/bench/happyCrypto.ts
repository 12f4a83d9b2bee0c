/**
 * The keys and the metadata of 2,000 Happy sessions: our way (X25519 of node:crypto, in slices) against the way of Happy's own clients
 * (`nacl.box.open` for each key, in one go), with data keys and under the master; and an attachment of 10 MiB. Baseline: their way, in the same run,
 * in turns with ours. `longestHoldMs` is the longest time for which a timer had to wait, `longestHoldCpuMs` what of it the loop's own thread worked.
 */
import { createDecipheriv, randomBytes } from 'node:crypto';
import nacl from 'tweetnacl';
import { fromBase64, fromLongBase64, toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import type { Cipher } from '../../src/core/systems/happy/crypto/cipher.ts';
import { dataKeyCipher, legacyCipher } from '../../src/core/systems/happy/crypto/cipher.ts';
import { Keyring } from '../../src/core/systems/happy/crypto/keyring.ts';
import { contentKeyPair, wrapKey } from '../../src/core/systems/happy/crypto/keys.ts';
import { openAll, openEach } from '../../src/core/systems/happy/crypto/openAll.ts';
import type { Hold } from './measure.ts';
import { HoldWatch, ratio, summarise } from './measure.ts';

const RUNS = 5;

type Work = () => Promise<void> | void;
interface Timed extends Hold {
  readonly ms: number;
}

export async function benchHappyCrypto(count = 2_000): Promise<Record<string, unknown>> {
  const master = Uint8Array.from(randomBytes(32));
  const { publicKey, secretKey } = contentKeyPair(master);
  const legacy = legacyCipher(master);
  const rows = Array.from({ length: count }, (_row, index) => {
    const key = Uint8Array.from(randomBytes(32));
    return { id: `session${index}`, dataEncryptionKey: toBase64(wrapKey(key, publicKey)), metadata: dataKeyCipher(key).seal(metadataOf(index)), legacy: legacy.seal(metadataOf(index)) };
  });
  const file = Uint8Array.from(randomBytes(10 * 1024 * 1024));
  const blob = await legacy.sealBlob(file);
  const box = nacl.secretbox(file, blob.slice(0, 24), master);
  const text = toBase64(file);
  const keys = new Map<string, Uint8Array>();
  let ciphers = new Map<string, Cipher | null>();

  const unwrapping = await compare(
    async () => void (ciphers = await new Keyring({ master }).unwrapAll(rows)),
    () => rows.forEach((row) => keys.set(row.id, naclUnwrap(row.dataEncryptionKey, secretKey))),
  );
  const records = await compare(
    async () => (await openEach(rows.map((row) => ({ cipher: ciphers.get(row.id), text: row.metadata })))).forEach(requireOpen),
    () => rows.forEach((row) => requireOpen(gcmOpen(row.metadata, keys.get(row.id) ?? master))),
  );
  const [ours, theirs] = [unwrapping.ours.ms + records.ours.ms, unwrapping.theirs.ms + records.theirs.ms];
  return {
    rows: count,
    keys: unwrapping,
    records,
    keysAndRecords: { ours: Math.round(ours), theirs: Math.round(theirs), ratio: ratio(ours, theirs) },
    recordsUnderMaster: await compare(
      async () => (await openAll(legacy, rows.map((row) => row.legacy))).forEach(requireOpen),
      () => rows.forEach((row) => requireOpen(naclOpen(row.legacy, master))),
    ),
    sealing10MiB: await compare(
      async () => requireOpen(await legacy.sealBlob(file)),
      () => void nacl.secretbox(file, blob.slice(0, 24), master),
    ),
    opening10MiB: await compare(
      async () => requireOpen(await legacy.openBlob(blob)),
      () => void nacl.secretbox.open(box, blob.slice(0, 24), master),
    ),
    base64Of10MiB: await compare(
      async () => requireOpen(await fromLongBase64(text)),
      () => requireOpen(fromBase64(text)),
    ),
  };
}

/** Medians of several runs of each, in turns; of the holds the worst. */
async function compare(ours: Work, theirs: Work): Promise<{ readonly ours: Timed; readonly theirs: Timed; readonly ratio: number }> {
  const runs: Record<'ours' | 'theirs', Timed[]> = { ours: [], theirs: [] };
  for (let run = 0; run < RUNS; run += 1) {
    runs.theirs.push(await timed(theirs));
    runs.ours.push(await timed(ours));
  }
  const of = (all: readonly Timed[]): Timed => ({ ms: summarise(all.map((each) => each.ms)).median, longestHoldMs: summarise(all.map((each) => each.longestHoldMs)).worst, longestHoldCpuMs: summarise(all.map((each) => each.longestHoldCpuMs)).worst });
  const result = { ours: of(runs.ours), theirs: of(runs.theirs) };
  return { ...result, ratio: ratio(result.ours.ms, result.theirs.ms) };
}

async function timed(work: Work): Promise<Timed> {
  // What the runs before left behind is not ours.
  globalThis.gc?.();
  const watch = new HoldWatch();
  await new Promise((resolve) => setTimeout(resolve, 20));
  watch.lap();
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { ms, ...watch.end() };
}

function metadataOf(index: number): Readonly<Record<string, string | number | boolean>> {
  return {
    path: `/home/dev/projects/service-${index}`, host: `machine-${index % 7}`, version: '1.2.5', os: 'linux', machineId: `machine-${index % 7}`, homeDir: '/home/dev', happyHomeDir: '/home/dev/.happy',
    startedBy: 'daemon', startedFromDaemon: true, lifecycleState: 'running', lifecycleStateSince: 1_700_000_000_000 + index, flavor: 'claude', summary: `Step ${index}: move the totals to the ledger. `.repeat(12), hostPid: index,
  };
}

function requireOpen(value: unknown): void {
  if (value === undefined || value === null) throw new Error('a record of the measurement did not open');
}

function naclUnwrap(text: string, secretKey: Uint8Array): Uint8Array {
  const wrapped = new Uint8Array(Buffer.from(text, 'base64'));
  const key = nacl.box.open(wrapped.slice(57), wrapped.slice(33, 57), wrapped.slice(1, 33), secretKey);
  if (key === null) throw new Error('a key of the measurement did not open');
  return key;
}

function gcmOpen(text: string, key: Uint8Array): unknown {
  const bundle = new Uint8Array(Buffer.from(text, 'base64'));
  const decipher = createDecipheriv('aes-256-gcm', key, bundle.slice(1, 13)).setAuthTag(bundle.slice(-16));
  return JSON.parse(new TextDecoder().decode(Buffer.concat([decipher.update(bundle.slice(13, -16)), decipher.final()])));
}

function naclOpen(text: string, key: Uint8Array): unknown {
  const record = new Uint8Array(Buffer.from(text, 'base64'));
  const plain = nacl.secretbox.open(record.slice(24), record.slice(0, 24), key);
  return plain === null ? undefined : JSON.parse(new TextDecoder().decode(plain));
}
