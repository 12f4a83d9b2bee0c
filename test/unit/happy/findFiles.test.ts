import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HappyWorld } from './backendWorld.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

let world: HappyWorld;
let folder: string;
beforeEach(async () => {
  world = await HappyWorld.make({ sessions: 1, alive: false });
  await world.daemon.online();
  // As happy 1.2.5 does it: the line goes to a shell.
  world.daemon.machine.on('bash', async ({ command }) => {
    const { stdout, stderr } = await promisify(execFile)('/bin/sh', ['-c', typeof command === 'string' ? command : '']);
    return { success: true, stdout, stderr, exitCode: 0 };
  });
  folder = mkdtempSync(path.join(tmpdir(), 'pilothouse find '));
  for (const file of ['src/harbour.ts', 'src/Berths.ts', 'docs/harbour guide.md', 'node_modules/x/harbour.js', "it's.md", 'src/größe.ts', 'ignored.log']) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), '');
  }
  writeFileSync(path.join(folder, '.gitignore'), '*.log\nnode_modules\n');
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  await world[Symbol.asyncDispose]();
});

async function find(query: string): Promise<readonly string[] | undefined> {
  const agent = await world.daemon.start(folder);
  const { backend } = await world.connected();
  return (await backend.session(agent.id).findFiles?.(query))?.toSorted();
}

describe('files of a session on another machine', () => {
  it('are found by their letters in order, in a folder that git knows nothing of', async () => {
    expect(await find('harb')).toEqual(['docs/harbour guide.md', 'src/harbour.ts']);
    expect(await find('s/BERS')).toEqual(['src/Berths.ts']);
    expect(await find('größe')).toEqual(['src/größe.ts']);
    expect(await find('nothing-of-that-name')).toEqual([]);
  });

  it('are those that git would list, where it knows the folder', async () => {
    execFileSync('git', ['init', '-q'], { cwd: folder });
    expect(await find('')).toEqual(['.gitignore', 'docs/harbour guide.md', "it's.md", 'src/Berths.ts', 'src/größe.ts', 'src/harbour.ts']);
    expect(await find('.log')).toEqual([]);
  });

  it('are whole where there are more than one answer carries, however many bytes their letters take', async () => {
    for (let index = 0; index < 1_900; index += 1) writeFileSync(path.join(folder, `${String(index).padStart(4, '0')}${'ö'.repeat(60)}.md`), '');
    const found = await find('öö');
    expect(found?.length).toBeGreaterThan(1_500);
    expect(found?.filter((file) => !file.endsWith('.md'))).toEqual([]);
  });

  it('are asked for with letters that a shell makes nothing of', async () => {
    expect(await find(`'; touch ${folder}/src/made; echo '`)).toEqual([]);
    expect(await find('made')).toEqual([]);
  });
});
