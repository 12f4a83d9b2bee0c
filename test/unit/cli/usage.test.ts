import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { calledAs, run } from '../../../src/cli/main.ts';
import { World } from './happyWorld.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'pilothouse-usage-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

class Called extends World {
  override readonly program = 'node dist/cli.js';
}

describe('what the command says of itself', () => {
  it('is how it was called', async () => {
    expect([calledAs('/usr/local/bin/pilothouse', '/work'), calledAs(undefined, '/')]).toEqual(['pilothouse', 'pilothouse']);
    expect([calledAs('/src/pilothouse/dist/cli.js', '/src/pilothouse'), calledAs('/opt/x/cli.js', '/home/ada/deep/down'), calledAs('/my own/cli.js', '/')]).toEqual(['node dist/cli.js', 'node /opt/x/cli.js', 'node "my own/cli.js"']);
    for (const argv of [['--help'], ['local', '--help'], ['happy', '--help'], ['happy', 'send', '--help'], ['nobody'], ['happy', 'machines'], ['hebing', '--help'], ['hebing', 'status'], ['clawdforge', '--help']]) {
      const world = new Called({ HAPPY_HOME_DIR: folder, HOME: folder });
      await run(argv, world);
      expect(`${world.stdout}${world.stderr}`, argv.join(' ')).toContain('node dist/cli.js');
      expect(`${world.stdout}${world.stderr}`, argv.join(' ')).not.toMatch(/pilothouse (?:local|happy|clawdforge|hebing|--help|<)/);
    }
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
