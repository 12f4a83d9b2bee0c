import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { demoFleet } from '../../../src/extension/demoFleet.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'pilothouse-demo-fleet-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const key = (serverUrl: string): void => writeFileSync(path.join(folder, 'agent.key'), JSON.stringify({ token: 'x', secret: Buffer.alloc(32, 1).toString('base64'), serverUrl }));

describe('the demo fleet as a connection', () => {
  it('is there only where npm start names the folder of its key', async () => {
    key('http://127.0.0.1:4711');
    expect(await demoFleet({ HAPPY_HOME_DIR: folder, HAPPY_SERVER_URL: 'http://127.0.0.1:4711' }, silentLogger)).toEqual([]);
    expect(await demoFleet({ PILOTHOUSE_DEMO_FLEET: ' ' }, silentLogger)).toEqual([]);
    const found = await demoFleet({ PILOTHOUSE_DEMO_FLEET: folder, HAPPY_SERVER_URL: 'https://happy.example.org' }, silentLogger);
    expect(found).toMatchObject([{ connectionId: 'demo-fleet', name: 'Demo Fleet', system: 'happy' }]);
  });

  it('is left out when the fleet has ended, and for a server that is not of this computer', async () => {
    const said: unknown[] = [];
    const log = { ...silentLogger, warn: (message: string, more?: unknown) => void said.push([message, more]) };
    expect(await demoFleet({ PILOTHOUSE_DEMO_FLEET: folder }, log)).toEqual([]);
    key('https://happy.example.org');
    expect(await demoFleet({ PILOTHOUSE_DEMO_FLEET: folder }, log)).toEqual([]);
    expect(said).toHaveLength(2);
    expect(JSON.stringify(said)).not.toContain(Buffer.alloc(32, 1).toString('base64'));
  });
});
