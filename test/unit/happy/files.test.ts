import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionHandle } from '../../../src/core/model/backend.ts';
import { imageType, requireTaken } from '../../../src/core/systems/happy/backend/attachments.ts';
import { code } from '../../contract/helpers.ts';
import { HappyWorld } from './backendWorld.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
let root: string;
/** Frames of answers, bytes of what the machine says in them. */
let frames: number[];
let running: { now: number; most: number };
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 1, alive: false });
  root = mkdtempSync(path.join(tmpdir(), 'pilothouse-far-'));
  frames = [];
  running = { now: 0, most: 0 };
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

/** A session of a machine whose `bash` handler runs a real shell here, as Happy's does there. */
async function handle(before: () => Promise<void> | void = () => undefined): Promise<Required<Pick<SessionHandle, 'readFile' | 'fileInfo' | 'attachment'>>> {
  await world.daemon.online();
  world.daemon.machine.on('bash', async ({ command }) => {
    running.now += 1;
    running.most = Math.max(running.most, running.now);
    await before();
    const answer = await new Promise<{ success: boolean; stdout: string; stderr: string; exitCode: number }>((resolve) => {
      execFile('/bin/sh', ['-c', typeof command === 'string' ? command : ''], { cwd: root, maxBuffer: 8 * 1024 * 1024 }, (error, stdout, stderr) => resolve({ success: error === null, stdout, stderr, exitCode: error === null ? 0 : 1 }));
    });
    running.now -= 1;
    frames.push(Buffer.byteLength(world.daemon.machine.cipher.seal(answer)));
    return answer;
  });
  const agent = await world.daemon.start('/work');
  const session = (await world.connected()).backend.session(agent.id);
  if (session.readFile === undefined || session.fileInfo === undefined || session.attachment === undefined) throw new Error('files cannot be read');
  return { readFile: session.readFile.bind(session), fileInfo: session.fileInfo.bind(session), attachment: session.attachment.bind(session) };
}

describe('a file of a machine', () => {
  it('is told by kind, size and time, whatever its name', async () => {
    const there = await handle();
    const odd = path.join(root, `it's "a" $(touch ran) \`file\`\n.txt`);
    writeFileSync(odd, 'twelve bytes');
    utimesSync(odd, 1_700_000_000, 1_700_000_000);
    mkdirSync(path.join(root, 'folder'));
    expect(await there.fileInfo(odd)).toEqual({ kind: 'file', size: 12, modifiedAt: 1_700_000_000_000 });
    expect(await there.fileInfo(path.join(root, 'folder'))).toMatchObject({ kind: 'folder', size: 0 });
    expect(await there.fileInfo(path.join(root, 'gone'))).toMatchObject({ kind: 'none' });
    expect(await there.fileInfo(path.join(root, 'ran'))).toMatchObject({ kind: 'none' });
    expect(await there.fileInfo('/dev/null')).toMatchObject({ kind: 'other' });
    chmodSync(odd, 0);
    expect(await there.fileInfo(odd)).toMatchObject({ kind: process.getuid?.() === 0 ? 'file' : 'closed' });
  });

  it('is read whole in ranges that no socket falls over, several at once, and tells how far it is', async () => {
    const there = await handle();
    const bytes = randomBytes(2_500_000);
    const file = path.join(root, 'large.bin');
    writeFileSync(file, bytes);
    const told: number[] = [];
    expect(Buffer.from(await there.readFile(file, { onBytes: (count) => told.push(count) })).equals(bytes)).toBe(true);
    expect(Math.max(...frames)).toBeLessThan(500_000);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(bytes.length);
    expect(running.most).toBeGreaterThan(1);
    expect(running.most).toBeLessThanOrEqual(3);
  });

  it('is read in parts, fewer bytes where it ends, and none behind its end', async () => {
    const there = await handle();
    const bytes = randomBytes(600_000);
    const file = path.join(root, 'part.bin');
    writeFileSync(file, bytes);
    expect(Buffer.from(await there.readFile(file, { from: 1, length: 10 })).equals(bytes.subarray(1, 11))).toBe(true);
    expect(Buffer.from(await there.readFile(file, { from: 500_000, length: 5_000_000 })).equals(bytes.subarray(500_000))).toBe(true);
    expect(await there.readFile(file, { from: 600_000, length: 10 })).toHaveLength(0);
    writeFileSync(file, '');
    expect(await there.readFile(file)).toHaveLength(0);
    truncateSync(file, 65 * 1024 * 1024);
    expect(await code(there.readFile(file))).toBe('too_large');
  });

  it('that is none is refused with a code', async () => {
    const there = await handle();
    for (const at of [root, path.join(root, 'gone')]) {
      expect(await code(there.readFile(at))).toBe('file_not_found');
      expect(await code(there.readFile(at, { length: 10 }))).toBe('file_not_found');
    }
  });

  it('of a machine that is away says so', async () => {
    const there = await handle();
    world.daemon.machine.socket.disconnect();
    expect(await code(there.fileInfo('/etc/hosts'))).toBe('machine_offline');
  });

  it('is given up at once when the person ends it', async () => {
    const file = path.join(root, 'slow.bin');
    writeFileSync(file, randomBytes(3_000_000));
    const stop = new AbortController();
    const there = await handle(() => {
      if (frames.length > 3) stop.abort(new DOMException('ended', 'AbortError'));
    });
    await expect(there.readFile(file, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
    const asked = world.daemon.machine.calls.length;
    expect(asked).toBeLessThan(12);
  });
});

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

describe('a file that a row carries', () => {
  it('is fetched of any kind and of the largest size that Happy takes, by its row alone', async () => {
    const there = await handle();
    const [agent] = world.daemon.agents;
    if (agent === undefined) throw new Error('no agent');
    const bytes = randomBytes(10 * 1024 * 1024 - 40);
    const { HappyHttp } = await import('../../../src/core/systems/happy/http.ts');
    const { HttpClient } = await import('../../../src/core/transport/http.ts');
    await using http = new HttpClient();
    const ref = await new HappyHttp(http, { serverUrl: world.server.url, token: world.fleet.token }, 'test/1').upload(agent.id, 'big.zip', await agent.cipher.sealBlob(bytes));
    const told: number[] = [];
    expect(Buffer.from(await there.attachment(`blob:${ref}`, { onBytes: (count) => told.push(count) })).equals(bytes)).toBe(true);
    expect(told.at(-1)).toBe(bytes.length + 40);
    expect(await code(there.attachment('tool:x'))).toBe('not_found');
    const other = await new HappyHttp(http, { serverUrl: world.server.url, token: world.fleet.token }, 'test/1').upload(agent.id, 'other', randomBytes(100));
    expect(await code(there.attachment(`blob:${other}`))).toBe('encryption_failed');
  });
});

describe('a file that is sent', () => {
  const file = (name: string, data: Uint8Array | null) => ({ name, mediaType: 'image/png', size: null, data: data === null ? null : Buffer.from(data).toString('base64'), path: null });
  const refusal = (name: string, data: Uint8Array | null, flavour: string | null): unknown => {
    try {
      requireTaken([file(name, data)], flavour);
      return null;
    } catch (error) {
      return (error as { readonly code?: unknown }).code;
    }
  };

  it('is one that its agent sees, by what it is and not by what it is called', () => {
    expect([png, Buffer.from([0xff, 0xd8, 0xff, 0xe0]), Buffer.from('GIF89a…'), Buffer.from('RIFF\u0001\u0002\u0003\u0004WEBPVP8 '), Buffer.from('RIFF0000WAVE'), Buffer.from('%PDF-1.7'), Buffer.alloc(0)].map((bytes) => imageType(bytes)))
      .toEqual(['image/png', 'image/jpeg', 'image/gif', 'image/webp', null, null, null]);
    for (const flavour of ['claude', 'codex', 'rig', null]) {
      expect(refusal('a.png', png, flavour)).toBeNull();
      expect(refusal('a.png', Buffer.from('text'), flavour)).toBe('attachment_refused');
    }
    for (const flavour of ['gemini', 'openclaw', 'agy', 'something']) expect(refusal('a.png', png, flavour)).toBe('attachment_refused');
    expect(refusal('a.png', Buffer.concat([png, Buffer.alloc(10 * 1024 * 1024)]), 'claude')).toBe('too_large');
  });

  it('is refused before anything is sent or started', async () => {
    await world.daemon.online();
    const agent = await world.daemon.start('/work');
    const session = (await world.connected()).backend.session(agent.id);
    const send = session.send({ text: 'look', attachments: [file('notes.pdf', Buffer.from('%PDF-1.7'))] }, '7d9f6f5e-8a54-4a37-9f0e-5d4b8f6a0001');
    await expect(send).rejects.toMatchObject({ code: 'attachment_refused', message: expect.stringMatching(/only images.*notes\.pdf/) as string });
    expect(agent.prompts).toEqual([]);
  });
});
