import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startDemoFleet } from '../../../scripts/setup/demoFleet.mjs';
import { HappyClient } from '../../../src/core/systems/happy/client.ts';
import { credentialsFromHome } from '../../../src/core/systems/happy/credentials.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pilothouse-fleet-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const keyFile = (): string => join(folder, 'agent.key');

describe('the demo fleet', () => {
  test('runs on loopback with a living account, whose key only its person can read, and goes with all of it', async () => {
    writeFileSync(keyFile(), 'left behind', { mode: 0o644 });
    const fleet = await startDemoFleet({ node: process.execPath, folder });
    if (fleet === undefined) throw new Error('it did not come up');
    expect(fleet).toMatchObject({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string, machines: 3, sessions: 42, env: { PILOTHOUSE_DEMO_FLEET: folder } });
    if (process.platform !== 'win32') expect(statSync(keyFile()).mode & 0o777).toBe(0o600);
    await using client = new HappyClient({ credentials: credentialsFromHome({ happyHome: folder, env: {} }) });
    const sessions = await client.listSessions();
    expect(sessions).toHaveLength(42);
    expect(sessions.some((session) => Object.keys(session.agentState?.['requests'] ?? {}).length > 0)).toBe(true);
    const machine = (await client.listMachines({ activeOnly: true })).find(({ metadata }) => metadata['host'] === 'studio');
    const id = await client.spawnSession({ machineId: machine?.id ?? '', directory: '/home/dev/work/api' });
    await client.sendMessage(id, 'What is here?');
    await client.waitForTurnCompletion(id, { timeoutSeconds: 40 });
    await fleet.end();
    expect(await fleet.ended).toBe('exit code 0');
    expect(existsSync(keyFile())).toBe(false);
    await expect(client.listSessions({ signal: AbortSignal.timeout(300) })).rejects.toThrow();
  }, 90_000);

  test('ends with the command that started it, even where that was killed, and leaves the key of another fleet alone', async () => {
    const program = fileURLToPath(new URL('../../../scripts/setup/demoFleet.mjs', import.meta.url));
    const script = `const { startDemoFleet } = await import(${JSON.stringify(program)}); const fleet = await startDemoFleet({ node: process.execPath, folder: ${JSON.stringify(folder)} }); console.log(fleet.url); setInterval(() => {}, 1000);`;
    const command = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const url = await new Promise<string>((resolve) => command.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim())));
    const answers = (): Promise<boolean> => fetch(url, { signal: AbortSignal.timeout(5_000) }).then(() => true, () => false);
    expect(await answers()).toBe(true);
    writeFileSync(keyFile(), 'of another fleet');
    command.kill('SIGKILL');
    await expect.poll(answers, { timeout: 15_000 }).toBe(false);
    expect(existsSync(keyFile())).toBe(true);
  }, 60_000);

  test('is left out, in one line, where it does not come up', async () => {
    const lines: string[] = [];
    const { log } = console;
    console.log = (line: string) => void lines.push(line);
    try {
      writeFileSync(join(folder, 'file'), '');
      expect(await startDemoFleet({ node: process.execPath, folder: join(folder, 'file') })).toBeUndefined();
      expect(await startDemoFleet({ node: join(folder, 'no-node'), folder })).toBeUndefined();
    } finally {
      console.log = log;
    }
    expect(lines).toEqual([expect.stringMatching(/^\[setup\] the demo fleet did not come up \(exit code 1\)/), expect.stringMatching(/did not come up \(Error: spawn .*ENOENT/)]);
  }, 30_000);
});
