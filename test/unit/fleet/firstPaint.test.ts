import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Fleet } from '../../../src/core/fleet/fleet.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { inFolder, openAt, sessionRecord } from '../store/support.ts';

const dormant = { code: 'test', message: 'Nothing is asked.' };
const spec = { connectionId: 'c', name: 'C', system: 'happy' as const, revision: '1', dormant, create: () => { throw new Error('no backend is made'); } };

it('stored sessions are seen newest first: two hundred of them before all are read', async () => {
  await inFolder(async (folder) => {
    const state = mkdtempSync(path.join(tmpdir(), 'pilothouse-fleet-'));
    await using store = await openAt(folder);
    await store.saveSessions(Array.from({ length: 450 }, (_, place) => sessionRecord(`s${place}`, { connectionId: 'c', updatedAt: place + 1 })));
    expect((await store.sessions('c', 2)).map(({ id }) => id)).toEqual(['s449', 's448']);
    expect(await store.sessions('c')).toHaveLength(450);
    const seen: (readonly [number, string | undefined])[] = [];
    {
      await using fleet = new Fleet({ store, log: silentLogger, clock: systemClock, stateDir: state });
      fleet.onChange((change) => change.structure && seen.push([fleet.sessions().length, fleet.sessions()[0]?.id]));
      await fleet.setConnections([spec]);
      await fleet.settled();
      expect(fleet.sessions()).toHaveLength(450);
    }
    rmSync(state, { recursive: true, force: true });
    expect(seen.slice(0, 2)).toEqual([[200, 's449'], [450, 's449']]);
  });
});
