import { expect, it, vi } from 'vitest';
import type { Page } from '../../../src/core/model/backend.ts';
import type { Clock } from '../../../src/core/model/context.ts';
import type { Session } from '../../../src/core/model/session.ts';
import { happyConnection } from '../../../src/core/systems/happy/connection.ts';
import { explicitCredentials } from '../../../src/core/systems/happy/credentials.ts';
import { toBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { HappyWorld } from './backendWorld.ts';

vi.setConfig({ testTimeout: 30_000 });

it('a page describes its own sessions and no others, in one order over all pages and folders', async () => {
  const world = await HappyWorld.make({ sessions: 120, alive: false });
  let asked = 0;
  // Who describes a session asks for the time.
  const clock: Clock = {
    now: () => {
      asked += 1;
      return systemClock.now();
    },
    monotonic: () => systemClock.monotonic(), setTimeout: (callback, ms) => systemClock.setTimeout(callback, ms),
  };
  const { context, end } = await world.world.window('happy');
  const credentials = explicitCredentials({ token: world.fleet.token, secret: toBase64(world.fleet.master) }, { serverUrl: world.server.url });
  const backend = happyConnection({ connectionId: 'happy', name: 'Happy', serverUrl: world.server.url, credentials, allowPlainHttp: false }).create({ ...context, clock });
  try {
    await backend.connect();
    const whole = await backend.sessions({ limit: 500 });
    expect(whole.items.length).toBeGreaterThan(100);
    expect(whole.items.map(({ updatedAt }) => updatedAt)).toEqual(whole.items.map(({ updatedAt }) => updatedAt).toSorted((one, other) => other - one));
    const ids: string[] = [];
    for (let cursor: string | undefined; ;) {
      let page: Page<Session>;
      let tries = 0;
      // A round of the account that falls between describes all of them: it does not fall there each time.
      do {
        asked = 0;
        page = await backend.sessions({ limit: 10, ...(cursor === undefined ? {} : { cursor }) });
        tries += 1;
      } while (asked >= 40 && tries < 5);
      expect(asked).toBeLessThan(40);
      ids.push(...page.items.map(({ id }) => id));
      if (page.next === null) break;
      cursor = page.next;
    }
    expect(ids).toEqual(whole.items.map(({ id }) => id));
    const folder = whole.items[0]?.folder ?? '';
    expect((await backend.sessions({ limit: 500, folder })).items).toEqual(whole.items.filter((session) => session.folder === folder));
  } finally {
    await backend[Symbol.asyncDispose]();
    end();
    await world[Symbol.asyncDispose]();
  }
});
