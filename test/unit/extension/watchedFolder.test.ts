import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WatchedFolder } from '../../../src/extension/watchedFolder.ts';
import { recordingLog } from '../store/support.ts';

let base: string;
let folder: string;
const open: WatchedFolder[] = [];
beforeEach(() => {
  base = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-watched-'));
  folder = path.join(base, 'values');
});
afterEach(() => {
  for (const each of open.splice(0)) each.dispose();
  rmSync(base, { recursive: true, force: true });
});

function watched() {
  const told: string[] = [];
  const { log, lines } = recordingLog();
  const made = new WatchedFolder({ folder, what: 'values', code: 'not_saved', log, changed: () => void told.push([...made.entries().keys()].sort().join(' ')) });
  open.push(made);
  return { watched: made, told, lines };
}

describe('a watched folder', () => {
  it('of which a file can’t be read has the others, and that one as it was read last', () => {
    const { watched: one, told, lines } = watched();
    one.set('a', '1');
    one.set('b', '2');
    one.set('z', '3');
    told.splice(0);
    rmSync(path.join(folder, 'b'));
    symlinkSync('b', path.join(folder, 'b'));
    symlinkSync('c', path.join(folder, 'c'));
    one.refresh();
    expect(Object.fromEntries(one.entries())).toEqual({ a: '1', b: '2', z: '3' });
    expect(told).toEqual([]);
    expect(lines.join(' ')).toContain('ELOOP');
    const later = watched().watched;
    expect(Object.fromEntries(later.entries())).toEqual({ a: '1', z: '3' });
    rmSync(path.join(folder, 'b'));
    one.refresh();
    expect([...one.entries().keys()].sort()).toEqual(['a', 'z']);
    expect(told).toEqual(['a z']);
  });

  it('that can’t be listed keeps what it had', () => {
    const { watched: one, told, lines } = watched();
    one.set('a', '1');
    told.splice(0);
    renameSync(folder, `${folder}.away`);
    writeFileSync(folder, '');
    one.refresh();
    expect(Object.fromEntries(one.entries())).toEqual({ a: '1' });
    expect(told).toEqual([]);
    expect(lines.join(' ')).toContain('can’t be read');
  });
});
