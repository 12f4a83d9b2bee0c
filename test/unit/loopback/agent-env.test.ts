import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claudeEnv, claudeVariables, codexEnv } from '../../loopback/agent-env.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pilothouse-env-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it('points claude at the endpoint and at folders of its own, and takes no variable of the person along', async () => {
  process.env['ANTHROPIC_AUTH_TOKEN'] = 'theirs';
  try {
    const env = await claudeEnv('http://127.0.0.1:1', dir);
    expect(env).toMatchObject({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:1', PATH: process.env['PATH'] });
    expect(env['ANTHROPIC_AUTH_TOKEN']).toBeUndefined();
    for (const name of ['HOME', 'TMPDIR', 'CLAUDE_CONFIG_DIR']) {
      expect(env[name]?.startsWith(dir)).toBe(true);
      expect((await stat(env[name] ?? '')).isDirectory()).toBe(true);
    }
    expect(await claudeVariables('http://127.0.0.1:1', dir)).not.toHaveProperty('HOME');
  } finally {
    delete process.env['ANTHROPIC_AUTH_TOKEN'];
  }
});

it('writes codex a configuration with the endpoint as its provider', async () => {
  const env = await codexEnv('http://127.0.0.1:1', dir);
  const config = await readFile(join(env['CODEX_HOME'] ?? '', 'config.toml'), 'utf8');
  expect(env['CODEX_HOME']?.startsWith(dir)).toBe(true);
  expect(config).toContain('base_url = "http://127.0.0.1:1/v1"');
  expect(config).toContain('wire_api = "responses"');
});
