import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as esbuild from 'esbuild';
import nacl from 'tweetnacl';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundles } from '../../../scripts/build/bundles.mjs';
import { fromBase64, fromLongBase64, toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { openBlobWith, sealBlobWith } from '../../../src/core/systems/happy/crypto/blob.ts';
import { BlobThread } from '../../../src/core/systems/happy/crypto/blobThread.ts';
import { dataKeyCipher } from '../../../src/core/systems/happy/crypto/cipher.ts';
import { bytes, CountedPace, flipped, hex, vectors } from './cryptoSupport.ts';

type Boxed = readonly [key: string, nonce: string, message: string, box: string];

const random = (length: number): Uint8Array => Uint8Array.from(randomBytes(length));
const root = fileURLToPath(new URL('../../..', import.meta.url));
const key = random(32);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-blobs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A thread's file that does `what` with each message `m`; `port` answers. */
function threadThat(what: string): string {
  const file = path.join(folder, `${randomBytes(6).toString('hex')}.cjs`);
  writeFileSync(file, `const port = require('node:worker_threads').parentPort; port.on('message', (m) => { ${what} });`);
  return file;
}

async function until(true_: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; !true_() && Date.now() < end;) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(true_()).toBe(true);
}

describe('attachments', () => {
  it('are a nonce and the secretbox of tweetnacl, here and in the thread', async () => {
    for (const length of [0, 1, 15, 16, 17, 65_495, 65_496, 65_535, 65_536, 65_537, 1_000_000]) {
      const [plain, nonce] = [random(length), random(24)];
      const given = Uint8Array.from(plain);
      const blob = await sealBlobWith(key, given, {}, nonce);
      expect(Buffer.from(blob).equals(Buffer.concat([nonce, nacl.secretbox(plain, nonce, key)])), `${length} bytes`).toBe(true);
      expect(Buffer.from((await openBlobWith(key, blob)) ?? []).equals(plain), `${length} bytes`).toBe(true);
      // Whoever gave them has them still.
      expect([given.length, blob.length]).toEqual([length, length + 40]);
    }
  });

  it('never have the same nonce', async () => {
    const plain = new Uint8Array(70_000);
    const nonces = await Promise.all(Array.from({ length: 20 }, async (_, index) => hex((await sealBlobWith(key, plain.subarray(0, index % 2 === 0 ? 10 : 70_000))).subarray(0, 24))));
    expect(new Set(nonces).size).toBe(20);
  });

  it('fail closed when cut at any byte, and with any bit of any byte turned', async () => {
    const blob = await sealBlobWith(key, random(100));
    for (let at = 0; at < blob.length; at += 1) {
      expect(await openBlobWith(key, blob.subarray(0, at)), `cut at ${at}`).toBeNull();
      for (let bit = 0; bit < 8; bit += 1) expect(await openBlobWith(key, flipped(blob, at, bit)), `bit ${bit} of byte ${at}`).toBeNull();
    }
    expect(await openBlobWith(random(32), blob)).toBeNull();
    const large = await sealBlobWith(key, random(100_000));
    for (const at of [0, 23, 24, 39, 40, 65_536, large.length - 1]) expect(await openBlobWith(key, flipped(large, at)), `byte ${at} of a large one`).toBeNull();
    expect(await openBlobWith(key, large.subarray(0, -1))).toBeNull();
    expect(await openBlobWith(random(32), large)).toBeNull();
  });

  it('of 10 MiB leave the event loop alone, and stop counting when they are aborted', async () => {
    const cipher = dataKeyCipher(random(32));
    const plain = new Uint8Array(10 * 1024 * 1024);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    const blob = await cipher.sealBlob(plain);
    expect(turns).toBeGreaterThan(5);
    turns = 0;
    expect(Buffer.from((await cipher.openBlob(blob)) ?? []).equals(plain)).toBe(true);
    expect(turns).toBeGreaterThan(5);
    clearInterval(timer);
    const [abort, reason] = [new AbortController(), new Error('the chat was closed')];
    const opening = cipher.openBlob(blob, { signal: abort.signal });
    abort.abort(reason);
    await expect(opening).rejects.toBe(reason);
    for (const aborted of [blob, blob.subarray(0, 100)]) await expect(cipher.openBlob(aborted, { signal: abort.signal })).rejects.toBe(reason);
    await expect(cipher.sealBlob(plain.subarray(0, 100), { signal: abort.signal })).rejects.toBe(reason);
  });
});

it('long base64 is read in slices as it is in one go, and refused for the same faults wherever they are', async () => {
  const group = 262_144;
  for (const length of [0, 1, 2, 3, 196_607, 196_608, 196_609, 196_610, 1_000_000]) {
    const data = random(length);
    expect(Buffer.from((await fromLongBase64(toBase64(data))) ?? []).equals(data), `${length} bytes`).toBe(true);
  }
  const text = toBase64(random(600_000));
  const pace = new CountedPace(3);
  expect(await fromLongBase64(text, { pace })).toEqual(fromBase64(text));
  expect(pace.slices.length).toBeGreaterThan(1);
  // Padding that ends a piece is padding in the middle all the same.
  const padded = `${text.slice(0, group - 1)}=${text.slice(group)}`;
  for (const bad of [padded, `${text.slice(0, group - 2)}==${text.slice(group)}`, `${text.slice(0, 300_000)} ${text.slice(300_001)}`, text.slice(0, -1), `${text}=`, `${text.slice(0, 500)}-${text.slice(501)}`, '!']) {
    expect([fromBase64(bad), await fromLongBase64(bad)]).toEqual([null, null]);
  }
  await expect(fromLongBase64(text, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
});

describe('the thread of attachments', () => {
  it('ends when nothing comes for a while, and begins again', async () => {
    const thread = new BlobThread({ idleMs: 30 });
    const work = { work: 'seal', key, bytes: random(10), nonce: random(24) } as const;
    expect(thread.runs).toBe(false);
    const [one, two] = await Promise.all([thread.do(work), thread.do(work)]);
    expect(thread.runs).toBe(true);
    await until(() => !thread.runs);
    expect([hex(two), hex(await thread.do(work))]).toEqual([hex(one), hex(one)]);
  });

  it.each([
    ['that dies', () => threadThat('process.exit(1)')], ['that fails', () => threadThat('throw new Error("no")')], ['that is not there', () => path.join(folder, 'none.cjs')], ['that cannot be asked for', () => 'none.cjs'],
  ])('%s leaves the work to this one', async (_what, workerUrl) => {
    const thread = new BlobThread({ workerUrl: workerUrl() });
    const [plain, nonce] = [random(1_000), random(24)];
    const blob = Buffer.concat([nonce, nacl.secretbox(plain, nonce, key)]);
    const [sealed, opened, refused] = await Promise.all([thread.do({ work: 'seal', key, bytes: plain, nonce }), thread.do({ work: 'open', key, bytes: blob }), thread.do({ work: 'open', key, bytes: flipped(blob, 50) })]);
    expect([hex(sealed), hex(opened), refused]).toEqual([hex(blob), hex(plain), null]);
    expect(thread.runs).toBe(false);
    await expect(thread.do({ work: 'seal', key: key.subarray(1), bytes: plain, nonce })).rejects.toMatchObject({ code: 'encryption_failed' });
  });

  it('that is stuck is given up at the deadline; what waits behind is done by another', async () => {
    const thread = new BlobThread({ deadlineMs: 1_500, workerUrl: threadThat("if (m.work === 'open') for (;;); port.postMessage({ id: m.id, bytes: m.bytes });") });
    const bytes_ = random(100);
    const stuck = expect(thread.do({ work: 'open', key, bytes: bytes_ })).rejects.toMatchObject({ code: 'encryption_failed' });
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(hex(await thread.do({ work: 'seal', key, bytes: bytes_ }))).toBe(hex(bytes_));
    await stuck;
  });

  it('is found beside the bundle, in the extension and in the library and command line, and stands up to the vectors of tweetnacl-js', async () => {
    const all = bundles({ root, dist: folder });
    const entry = 'src/core/systems/happy/crypto/blobThread.ts';
    const [extension, library] = [path.join(folder, 'thread.cjs'), path.join(folder, 'thread.mjs')];
    await Promise.all([
      esbuild.build(all['attachment-worker'] ?? {}), esbuild.build({ ...all['extension'], entryPoints: [entry], outfile: extension }), esbuild.build({ ...all['core'], entryPoints: [entry], outfile: library }),
    ]);
    const made = [createRequire(extension)(extension), await import(pathToFileURL(library).href)] as { readonly BlobThread: typeof BlobThread }[];
    for (const { BlobThread: Bundled } of made) {
      const thread = new Bundled();
      for (const [boxKey, nonce, message, box] of vectors('tweetnacl-secretbox.json') as readonly Boxed[]) {
        const blob = Buffer.concat([bytes(nonce), bytes(box)]);
        expect(hex(await thread.do({ work: 'seal', key: bytes(boxKey), bytes: bytes(message), nonce: bytes(nonce) }))).toBe(hex(blob));
        expect(hex(await thread.do({ work: 'open', key: bytes(boxKey), bytes: blob }))).toBe(hex(bytes(message)));
      }
      expect(thread.runs).toBe(true);
    }
  });
});
