import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileInfo, FileRange } from '../../../src/core/model/backend.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { Far } from '../../../src/extension/remote/fetch.ts';
import { fileAt, HEAD_BYTES, partsOf, SHOWN_BYTES, wholeFile, writeWhole } from '../../../src/extension/remote/fetch.ts';
import { HeldFiles } from '../../../src/extension/remote/held.ts';
import { imageEnding, isImageName, kindOf, sizeText, viewedName } from '../../../src/extension/remote/kind.ts';
import { addressOf, placeAt, printOf } from '../../../src/extension/remote/place.ts';
import { code } from '../../contract/helpers.ts';

const png = Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex');
const text = (value: string): Buffer => Buffer.from(value);

describe('an address of a file elsewhere', () => {
  const session = printOf(sessionKey({ connectionId: 'happy', id: 'cm1' }));

  it.each(['/home/ada/src/a.ts', '/', '/a b/#?%41/ü\n.txt', '/srv/../etc/hosts', 'C:\\work\\a.ts'])('leads back to %j', (at) => {
    const address = addressOf({ kind: 'file', session, machine: 'build/01', path: at });
    if (at === '/') return expect(placeAt(address)).toBeNull();
    expect(address.authority).toBe(`file-${session}`);
    return expect(placeAt(address)).toEqual({ kind: 'file', session, machine: 'build_01', path: path.posix.normalize(at) });
  });

  it('leads back to the row that carries it, whatever that is called', () => {
    const row = 'blob:sessions/cm1/attachments/ü.enc';
    for (const [name, shown] of [['shot.png', 'shot.png'], ['../..\\x', '.._.._x'], ['', 'file'], ['..', 'file']] as const) {
      expect(placeAt(addressOf({ kind: 'attachment', session, row, name }))).toEqual({ kind: 'attachment', session, row, name: shown });
    }
  });

  it('tells sessions apart, and what is none of ours', () => {
    expect(printOf(sessionKey({ connectionId: 'happy', id: 'cm2' }))).not.toBe(session);
    for (const authority of ['', 'file-', `other-${session}`, `file-${session}0`, `file-${session.toUpperCase()}x`]) expect(placeAt({ authority, path: '/a/b' })).toBeNull();
    for (const at of ['', '/', '/machine', '/machine/']) expect(placeAt({ authority: `file-${session}`, path: at })).toBeNull();
    expect(addressOf({ kind: 'file', session, machine: '', path: '/a' }).path).toBe('/other machine/a');
  });
});

describe('what a file is', () => {
  it.each([
    ['a.ts', text('const a = 1;\n'), 'text'], ['a', text(''), 'text'], ['shot.png', png, 'image'], ['shot', png, 'image'], ['x.png', text('version https://git-lfs.github.com/spec/v1\n'), 'text'],
    ['a.zip', Buffer.from('504b030414000000', 'hex'), 'binary'], ['a.pdf', text('%PDF-1.7\n%âãÏÓ\n'), 'binary'], ['a.txt', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('hi', 'utf16le')]), 'text'],
    ['b.txt', Buffer.from('fe ff 00 68'.replaceAll(' ', ''), 'hex'), 'text'], ['log', text('\u001b[31mred\u001b[0m\n'), 'text'], ['latin', Buffer.from('grüße', 'latin1'), 'text'], ['icon.svg', text('<svg/>'), 'text'],
    ['noise', Buffer.from(Array.from({ length: 200 }, (_, at) => (at % 6) + 1)), 'binary'], ['a.ico', Buffer.from('00000100', 'hex'), 'image'],
  ] as const)('%s', (name, head, kind) => expect(kindOf(name, head)).toBe(kind));

  it('gives images a name that the viewer takes', () => {
    expect([viewedName('shot', png), viewedName('shot.PNG', png), viewedName('a.bin', Buffer.from('ffd8ffe0', 'hex')), viewedName('a.zip', Buffer.from('504b0304', 'hex')), viewedName('notes', text('hi'))])
      .toEqual(['shot.png', 'shot.PNG', 'a.bin.jpg', 'a.zip', 'notes']);
    expect([imageEnding(text('GIF89a')), imageEnding(text('RIFF1234WEBPVP8')), imageEnding(text('    ftypavif')), imageEnding(text('RIFF1234WAVE'))]).toEqual(['.gif', '.webp', '.avif', null]);
    expect(isImageName('/vm/a/b.jpeg')).toBe(true);
    expect([sizeText(0), sizeText(999), sizeText(3_400), sizeText(270_000), sizeText(3_400_000), sizeText(33_554_432), sizeText(2_000_000_000)]).toEqual(['0 bytes', '999 bytes', '3.4 KB', '270 KB', '3.4 MB', '34 MB', '2.0 GB']);
  });
});

describe('contents that are held', () => {
  it('stay under their bound, those that were used last', () => {
    const held = new HeldFiles(100);
    const file = (bytes: number, modifiedAt = 1) => ({ bytes: new Uint8Array(bytes), modifiedAt });
    for (const name of ['a', 'b', 'c']) expect(held.hold(name, file(40))).toBe(false);
    expect([held.get('a'), held.bytes]).toEqual([null, 80]);
    held.get('b');
    held.hold('d', file(40));
    expect([held.get('c') === null, held.get('b') === null]).toEqual([true, false]);
    held.hold('huge', file(500));
    expect([held.get('huge')?.bytes.length, held.get('b'), held.bytes]).toEqual([500, null, 500]);
    held.drop('huge');
    held.drop('huge');
    expect(held.bytes).toBe(0);
  });

  it('tell when others take their place', () => {
    const held = new HeldFiles(100);
    held.hold('a', { bytes: text('one'), modifiedAt: 1 });
    expect(held.hold('a', { bytes: text('one'), modifiedAt: 1 })).toBe(false);
    expect(held.hold('a', { bytes: text('two'), modifiedAt: 1 })).toBe(true);
    expect(held.hold('a', { bytes: text('two'), modifiedAt: 2 })).toBe(true);
    expect(held.bytes).toBe(3);
  });
});

/** A machine with one file, which may change while it is read. */
function machine(bytes: Uint8Array, more: { readonly info?: Partial<FileInfo>; readonly onRead?: (range: FileRange) => void } = {}): Far & { readonly reads: FileRange[]; modifiedAt: number } {
  const far = {
    reads: [] as FileRange[], modifiedAt: 5,
    fileInfo: (): Promise<FileInfo> => Promise.resolve({ kind: 'file', size: bytes.length, modifiedAt: far.modifiedAt, ...more.info }),
    readFile: (_path: string, range: FileRange = {}): Promise<Uint8Array> => {
      const { from = 0, length = bytes.length, onBytes, signal } = range;
      if (signal?.aborted === true) return Promise.reject(new DOMException('ended', 'AbortError'));
      far.reads.push(range);
      more.onRead?.(range);
      const part = bytes.subarray(from, from + length);
      onBytes?.(Math.ceil(part.length / 2));
      onBytes?.(part.length);
      return Promise.resolve(part);
    },
    attachment: () => Promise.resolve(bytes),
  };
  return far;
}

describe('a file of a machine', () => {
  it.each([['folder', 'is_folder', /a\.ts is a folder on build-01/], ['none', 'file_not_found', /no file \/srv\/a\.ts on build-01/], ['closed', 'file_closed', /may not be read/], ['other', 'invalid_argument', /no regular file/]] as const)('that is %s is said to be so', async (kind, wanted, words) => {
    const far = machine(text(''), { info: { kind, size: 0 } });
    await expect(fileAt(far, '/srv/a.ts', 'build-01')).rejects.toMatchObject({ code: wanted, message: expect.stringMatching(words) as string });
  });

  it('is read behind what is here already, with its progress, up to what is shown', async () => {
    const bytes = randomBytes(1_000_000);
    const far = machine(bytes);
    const told: [number, number][] = [];
    const head = bytes.subarray(0, HEAD_BYTES);
    const info = await fileAt(far, '/a', 'm');
    expect(Buffer.from(await wholeFile(far, '/a', info, head, { onProgress: (more, of) => told.push([more, of]) })).equals(bytes)).toBe(true);
    expect(far.reads).toMatchObject([{ from: HEAD_BYTES, length: 1_000_000 - HEAD_BYTES }]);
    expect(told.reduce((sum, [more]) => sum + more, 0)).toBe(1_000_000);
    expect(await wholeFile(far, '/a', { ...info, size: 10 }, head)).toHaveLength(10);
    expect(await code(wholeFile(far, '/a', { ...info, size: SHOWN_BYTES + 1 }, head))).toBe('too_large');
    expect(await code(wholeFile(far, '/a', { ...info, size: 1_000_001 }, head))).toBe('file_changed');
  });

  it('is saved in parts, whole or not at all', async () => {
    const bytes = randomBytes(9_000_000);
    const far = machine(bytes);
    const info = await fileAt(far, '/a', 'm');
    const { signal } = new AbortController();
    const sizes: number[] = [];
    for await (const part of partsOf(far, '/a', info, { signal })) sizes.push(part.length);
    expect(sizes).toEqual([4_194_304, 4_194_304, 611_392]);
    const grown = async (change: () => void): Promise<void> => {
      for await (const part of partsOf(far, '/a', info, { signal })) if (part.length < 4_194_304) change();
    };
    expect(await code(grown(() => (far.modifiedAt = 6)))).toBe('file_changed');
  });
});

describe('a copy', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(path.join(tmpdir(), 'pilothouse-copy-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('takes the place of what stood there when all of it is on disk', async () => {
    const target = path.join(root, 'a.bin');
    writeFileSync(target, 'before');
    await writeWhole(target, (async function* parts() {
      yield text('one ');
      expect(readFileSync(target, 'utf8')).toBe('before');
      await Promise.resolve();
      yield text('two');
    })());
    expect(readFileSync(target, 'utf8')).toBe('one two');
    expect(readdirSync(root)).toEqual(['a.bin']);
  });

  it.each(['fails', 'is cancelled'])('that %s leaves what stood there, and nothing else', async (how) => {
    const target = path.join(root, 'a.bin');
    writeFileSync(target, 'before');
    const stop = new AbortController();
    const parts = (function* made() {
      yield text('one');
      if (how === 'fails') throw new Error('lost');
      stop.abort();
      yield text('two');
    })();
    await expect(writeWhole(target, parts, stop.signal)).rejects.toMatchObject(how === 'fails' ? { message: 'lost' } : { name: 'AbortError' });
    expect(readFileSync(target, 'utf8')).toBe('before');
    expect(readdirSync(root)).toEqual(['a.bin']);
  });

  it('that cannot be written says why', async () => {
    expect(await code(writeWhole(path.join(root, 'none', 'a.bin'), [text('x')]))).toBe('not_saved');
    mkdirSync(path.join(root, 'folder', 'full'), { recursive: true });
    expect(await code(writeWhole(path.join(root, 'folder'), [text('x')]))).toBe('not_saved');
    expect(readdirSync(root)).toEqual(['folder']);
  });
});
