import { createHash } from 'node:crypto';
import { appendFileSync, truncateSync } from 'node:fs';
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Forge } from '../../../src/core/systems/clawdforge/client.ts';
import { multipart } from '../../../src/core/systems/clawdforge/upload.ts';
import { ForgeTestServer } from '../../loopback/clawdforge/server.ts';
import { rejection } from '../../contract/helpers.ts';

let server: ForgeTestServer;
let forge: Forge;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-forge-upload-'));
  server = await new ForgeTestServer().start();
  forge = new Forge({ baseUrl: server.url, token: server.token() });
});
afterEach(async () => {
  await forge.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

it('sends a file from disk, a Blob, a File and bytes, each to the last byte', async () => {
  const bytes = new Uint8Array(200_003).map((_, index) => (index * 7) % 251);
  const file = path.join(folder, 'recipe.png');
  await writeFile(file, bytes);
  const sent: number[] = [];
  expect(await forge.uploadFile(file, { ttlSecs: 60, onProgress: (done, total) => sent.push(done / total) })).toEqual({ fileToken: 'ff_1', ttlSecs: 60, size: bytes.length });
  await forge.uploadFile(new Blob([bytes], { type: 'image/png' }));
  await forge.uploadFile(new File([bytes], 'named.txt', { type: 'text/plain' }));
  await forge.uploadFile(bytes, { filename: 'a "quoted"\r\nnäme.txt', contentType: 'text/plain; charset=utf-8' });
  await forge.uploadFile(new Uint8Array(0));
  expect(server.uploads.map(({ filename, contentType, size, fields }) => [filename, contentType, size, fields['ttl_secs']])).toEqual([
    ['recipe.png', 'application/octet-stream', bytes.length, '60'], ['file', 'image/png', bytes.length, '3600'], ['named.txt', 'text/plain', bytes.length, '3600'],
    ['a %22quoted%22%0D%0Anäme.txt', 'text/plain; charset=utf-8', bytes.length, '3600'], ['file', 'application/octet-stream', 0, '3600'],
  ]);
  expect(server.uploads.slice(0, 4).every((upload) => upload.sha256 === sha256(bytes))).toBe(true);
  expect(sent.at(-1)).toBe(1);
  expect(sent).toEqual(sent.toSorted((one, other) => one - other));
  expect(sent.length).toBeGreaterThan(2);
});

it('reads 50 MB piece by piece, no further ahead than the server takes them', async () => {
  const size = 50 * 1024 * 1024;
  const file = path.join(folder, 'large.bin');
  await writeFile(file, '');
  await truncate(file, size);
  // Pieces of the body itself: none is larger than 64 KiB, and none is made before it is asked for.
  const { body } = await multipart(file, { ttlSecs: 60 });
  let largest = 0;
  let pieces = 0;
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    largest = Math.max(largest, piece.length);
    pieces += 1;
  }
  expect(largest).toBeLessThanOrEqual(64 * 1024);
  expect(pieces).toBe(size / (64 * 1024) + 2);
  // A server that takes nothing is sent no more than sockets hold.
  const gate = Promise.withResolvers<void>();
  server.uploadGate = () => gate.promise;
  let sent = 0;
  const uploading = forge.uploadFile(file, { onProgress: (done) => (sent = done) });
  await expect.poll(() => sent).toBeGreaterThan(0);
  for (let before = -1; before !== sent;) {
    before = sent;
    await new Promise((resolve) => {
      setTimeout(resolve, 150);
    });
  }
  expect(sent).toBeLessThan(16 * 1024 * 1024);
  gate.resolve();
  expect((await uploading).size).toBe(size);
  expect(sent).toBe(size);
});

it('says what keeps a file from being read, before anything is sent', async () => {
  for (const file of [path.join(folder, 'none'), folder]) expect(await rejection(forge.uploadFile(file))).toMatchObject({ code: 'file_not_readable', name: 'ForgeError' });
  expect(await rejection(forge.uploadFile(7 as unknown as string))).toMatchObject({ code: 'invalid_argument' });
  expect(server.requests).toEqual([]);
});

it.each(['grows', 'shrinks'])('gives up a file that %s while it is sent', async (how) => {
  const file = path.join(folder, 'log.txt');
  await writeFile(file, 'x'.repeat(300_000));
  let changed = false;
  const error = await rejection(forge.uploadFile(file, { onProgress: () => {
    if (changed) return;
    changed = true;
    if (how === 'grows') appendFileSync(file, 'more'.repeat(50_000));
    else truncateSync(file, 70_000);
  } }));
  expect(error).toMatchObject({ code: 'file_changed', message: expect.stringContaining('log.txt') as string });
  expect(server.uploads).toEqual([]);
  expect(server.count('POST', /files/)).toBe(1);
});

it('is sent once: also where the connection breaks within it, and where it is aborted; the file is closed', async () => {
  const file = path.join(folder, 'large.bin');
  await writeFile(file, '');
  await truncate(file, 20 * 1024 * 1024);
  server.faults.push({ method: 'POST', path: /files/ });
  expect(await rejection(forge.uploadFile(file))).toMatchObject({ name: 'ForgeTransportError', reached: 'unanswered' });
  const abort = new AbortController();
  const reason = new Error('enough');
  expect(await rejection(forge.uploadFile(file, { signal: abort.signal, onProgress: () => abort.abort(reason) }))).toBe(reason);
  expect(server.count('POST', /files/)).toBeLessThanOrEqual(2);
  expect(server.uploads).toEqual([]);
  const handle = await open(file, 'r+');
  await handle.close();
});
