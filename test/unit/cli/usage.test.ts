import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundles } from '../../../scripts/build/bundles.mjs';
import { calledAs, run } from '../../../src/cli/main.ts';
import { World } from './happyWorld.ts';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'pilothouse-usage-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

class Called extends World {
  override readonly program = 'node dist/cli.js';
}

describe('what the command says of itself', () => {
  it('is how it was called', async () => {
    expect([calledAs('/usr/local/bin/pilothouse', '/src', '/usr/bin/node'), calledAs(undefined, '/', '/usr/bin/node')]).toEqual(['pilothouse', 'pilothouse']);
    expect([calledAs('/src/pilothouse/dist/cli.js', '/src/pilothouse', '/usr/bin/node'), calledAs('/opt/x/cli.js', '/home/ada/deep/down', '/usr/bin/node'), calledAs('/my own/cli.js', '/', '/usr/bin/node')]).toEqual(['node dist/cli.js', 'node /opt/x/cli.js', 'node "my own/cli.js"']);
    expect(calledAs('/src/dist/cli.js', '/src', '/src/node_modules/node/bin/node')).toBe('npx --no-install node dist/cli.js');
    expect(calledAs('/src/dist/cli.js', '/home/ada/deep/down', '/src/node_modules/node/bin/node')).toBe('node /src/dist/cli.js');
    for (const argv of [['--help'], ['local', '--help'], ['happy', '--help'], ['happy', 'send', '--help'], ['nobody'], ['happy', 'machines'], ['hebing', '--help'], ['hebing', 'status'], ['clawdforge', '--help'], ['catsyphon', 'profiles'], ['catsyphon', 'status', 's']]) {
      const world = new Called({ HAPPY_HOME_DIR: folder, HOME: folder });
      await run(argv, world);
      expect(`${world.stdout}${world.stderr}`, argv.join(' ')).toContain('node dist/cli.js');
      expect(`${world.stdout}${world.stderr}`, argv.join(' ')).not.toMatch(/pilothouse (?:local|happy|clawdforge|hebing|catsyphon|--help|--version|<)|happy auth login/);
    }
  });

  it('says how to run it where Node is too old', async () => {
    const banner = bundles({ root: process.cwd(), dist: folder })['cli']?.banner?.['js'] ?? '';
    await writeFile(path.join(folder, 'cli.mjs'), banner);
    // What runs here is not too old, and its version can be given out as another one before the file runs.
    await writeFile(path.join(folder, 'old.mjs'), "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } });");
    const told = (): string => spawnSync(process.execPath, ['--import', './old.mjs', 'cli.mjs'], { cwd: folder, encoding: 'utf8', timeout: 20_000 }).stderr;
    expect(told()).toMatch(/^pilothouse needs Node 22 or later; [^\n]* Put a later one first on PATH\.\n$/);
    await mkdir(path.join(folder, 'node_modules', 'node'), { recursive: true });
    await writeFile(path.join(folder, 'node_modules', 'node', 'package.json'), '{}');
    expect(told()).toMatch(/^pilothouse needs Node 22 or later; [^\n]* Run: npx --no-install node cli\.mjs …\n$/);
  });

  it('says its version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
    const world = new World({ HOME: folder });
    expect([await run(['--version'], world), world.stdout, world.stderr]).toEqual([0, `${version}\n`, '']);
  });

  it('shows the form of the file of agents, which is taken as it is shown', async () => {
    const help = new World({ HOME: folder });
    await run(['local', 'agents', '--help'], help);
    const [shown = ''] = /^ *\[\{.*\}\]$/m.exec(help.stdout) ?? [];
    await writeFile(path.join(folder, 'agents.json'), shown);
    const world = new World({ HOME: folder, PATH: folder });
    expect(await run(['local', 'agents', '--agents', path.join(folder, 'agents.json'), '--json'], world)).toBe(0);
    expect(JSON.parse(world.stdout)).toContainEqual(expect.objectContaining({ agent: 'Gemini' }));
  });
});
