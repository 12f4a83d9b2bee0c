import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemovedConnections } from '../../../src/extension/removed.ts';
import { recordingLog, until } from '../store/support.ts';

let folder: string;
let windows: RemovedConnections[];
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-removed-'));
  windows = [];
});
afterEach(() => {
  for (const window of windows) window.dispose();
  rmSync(folder, { recursive: true, force: true });
});

function open() {
  const told: string[] = [];
  const { log, lines } = recordingLog();
  const window = new RemovedConnections(path.join(folder, 'removed'), log, () => void told.push(['local-claude', 'local-codex', 'happy/a b'].filter((id) => window.has(id)).join(' ')));
  windows.push(window);
  return { window, told, lines };
}

describe('removed connections', () => {
  it('are told to other windows at once, and brought back by them', async () => {
    const [one, two] = [open(), open()];
    one.window.add('local-claude');
    expect([one.window.has('local-claude'), one.told]).toEqual([true, ['local-claude']]);
    await until(() => two.told.length === 1);
    expect(two.window.has('local-claude')).toBe(true);
    two.window.delete('local-claude');
    await until(() => !one.window.has('local-claude'));
    expect(one.told.at(-1)).toBe('');
    expect([...one.lines, ...two.lines]).toEqual([]);
  });

  it('removed in two windows at the same moment are both removed, and stay so', async () => {
    const [one, two] = [open(), open()];
    one.window.add('local-claude');
    two.window.add('happy/a b');
    for (const { window } of [one, two, open()]) await until(() => window.has('local-claude') && window.has('happy/a b'));
  });

  it('tell nothing more once they are disposed, whatever another window does', async () => {
    const [one, two] = [open(), open()];
    one.window.dispose();
    two.window.add('local-claude');
    // A third sees it by its watcher: by then the first would have, too.
    const three = open();
    two.window.add('local-codex');
    await until(() => three.told.length > 0);
    await wait(150);
    expect([one.told, one.window.has('local-claude')]).toEqual([[], false]);
  });

  it('that can’t be written say so', () => {
    const { window, told } = open();
    expect(() => window.add(`x${'y'.repeat(300)}`)).toThrowError(expect.objectContaining({ code: 'not_removed' }) as Error);
    expect(told).toEqual([]);
  });
});
