import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionRuntime } from '../../../src/core/fleet/runtime.ts';
import type { Unavailable } from '../../../src/extension/chat/opening.ts';
import { Opening } from '../../../src/extension/chat/opening.ts';
import type { FleetWindow } from '../fleet/fleetWorld.ts';
import { FleetWorld, keyOf, texts } from '../fleet/fleetWorld.ts';
import { recordingLog, until } from '../store/support.ts';

let world: FleetWorld;
let window: FleetWindow;
let openings: Opening[];
beforeEach(async () => {
  world = new FleetWorld();
  world.system.add('a');
  world.system.write('a', 'hello');
  window = await world.window();
  openings = [];
});
afterEach(async () => {
  for (const opening of openings) opening.dispose();
  await world[Symbol.asyncDispose]();
});

function openingOf(id: string) {
  const opened: SessionRuntime[] = [];
  const failed: Unavailable[] = [];
  const opening = new Opening({
    fleet: window.fleet, key: keyOf(id), log: recordingLog().log,
    opened: (runtime) => Promise.resolve(void opened.push(runtime)), failed: (why) => void failed.push(why),
  });
  openings.push(opening);
  window.fleet.onChange(() => opening.lookAgain());
  return { opening, opened, failed };
}

describe('opening the session of a chat', () => {
  it('gives its runtime', async () => {
    await window.connect();
    const { opening, opened, failed } = openingOf('a');
    await opening.open();
    expect([opened.length, failed, opening.unavailable]).toEqual([1, [], null]);
    const [runtime] = opened;
    if (runtime === undefined) throw new Error('not opened');
    await until(() => texts(runtime).includes('hello'));
  });

  it('says that the connection is gone, and opens when it is there again', async () => {
    await window.fleet.setConnections([]);
    const { opening, opened, failed } = openingOf('a');
    await opening.open();
    expect(failed).toEqual([{ message: 'The connection of this session is not configured any more.', remedy: 'Add it again in the Connections view to use its sessions.' }]);
    expect(opening.unavailable).toEqual(failed[0]);
    await window.connect();
    await until(() => opened.length === 1);
    expect(opening.unavailable).toBeNull();
  });

  it('says that the session is not there, and opens when it is after all', async () => {
    await window.connect();
    const { opening, opened, failed } = openingOf('missing');
    await opening.open();
    expect(failed).toMatchObject([{ message: 'This session is not there any more.' }]);
    expect(window.fleet.isOpen(keyOf('missing'))).toBe(false);
    world.system.add('missing');
    await window.fleet.refresh();
    await until(() => opened.length === 1);
    expect(failed).toHaveLength(1);
  });

  it('says what its connection lacks where that is why it is not known', async () => {
    await window.connect((backend) => {
      backend.connecting = () => Promise.resolve({ status: 'offline', message: 'build-01 does not answer.', remedy: { text: 'Start it there.', command: 'systemctl start build' }, version: null });
      backend.listing = () => Promise.reject(new Error('no answer'));
    });
    const { opening, failed } = openingOf('elsewhere');
    await opening.open();
    expect(failed).toEqual([{ message: 'build-01 does not answer.', remedy: 'Start it there: systemctl start build' }]);
  });

  it('says what failed, and opens when it is asked to try again', async () => {
    await window.connect();
    const { backend } = window;
    const mended = backend.session.bind(backend);
    backend.session = () => {
      throw new Error('the disk has gone');
    };
    const { opening, opened, failed } = openingOf('a');
    await opening.open();
    expect(failed[0]).toMatchObject({ message: 'This session could not be opened.', remedy: expect.stringContaining('the disk has gone') as string });
    backend.session = mended;
    await opening.open();
    expect([opened.length, failed.length]).toEqual([1, 1]);
  });

  it('is tried again when its runtime closes while the tab takes it', async () => {
    await window.connect();
    const taken: SessionRuntime[] = [];
    const opening = new Opening({
      fleet: window.fleet, key: keyOf('a'), log: recordingLog().log, failed: () => undefined,
      opened: async (runtime) => {
        taken.push(runtime);
        if (taken.length > 1) return;
        await runtime.close();
        runtime.release();
        void opening.open();
      },
    });
    openings.push(opening);
    await opening.open();
    expect(taken.map((runtime) => runtime.isClosed)).toEqual([true, false]);
    // Nothing more is tried of itself.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toHaveLength(2);
    taken[1]?.release();
  });

  it('of a tab that was closed meanwhile holds nothing', async () => {
    await window.connect();
    const { opening, opened } = openingOf('a');
    const opens = opening.open();
    opening.dispose();
    await opens;
    expect(opened).toEqual([]);
    await until(() => !window.fleet.isOpen(keyOf('a')));
  });
});
