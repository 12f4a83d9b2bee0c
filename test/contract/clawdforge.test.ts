import { forgeConnection } from '../../src/core/systems/clawdforge/connection.ts';
import { ForgeTestServer } from '../loopback/clawdforge/server.ts';
import { describeBackend } from './backend-contract.ts';
import type { Rig, Script } from './types.ts';
import { RigWindows } from './windows.ts';
import { World } from './world.ts';

/** The test server's own agent plays it (test/loopback/clawdforge/script.ts). */
const script: Script = {
  say: () => ({ prompt: 'Good evening', answer: /You said so: Good evening/ }),
  slow: () => ({ prompt: 'slowly, tell me of the sea', answer: /The sea is wide/ }),
  run: (command) => ({ prompt: `run: ${command}`, answer: /That was it/ }),
  edit: (file) => ({ prompt: `run: edit ${file}`, answer: /That was it/ }),
  ask: null,
  remember: () => ({ first: { prompt: 'The password is lighthouse.', answer: /lighthouse/ }, second: { prompt: 'What is it?', answer: /The password is lighthouse\./ } }),
};

async function start(form: 'events' | 'lines' | 'whole'): Promise<Rig> {
  const world = await World.make();
  const server = await new ForgeTestServer({ form }).start();
  const token = server.token('contract');
  const windows = await RigWindows.open(world, 'forge', (context) => forgeConnection({ connectionId: 'forge', name: 'Forge', serverUrl: server.url, token }).create(context));
  return {
    ...windows.parts, machineId: `clawdforge:${new URL(server.url).host}`, folder: server.cwd, script, processes: null,
    async dispose() {
      await windows.close();
      await server.close();
      await world.dispose();
    },
    log: () => world.lines.slice(-60).join('\n'),
  };
}

const common = { record: 'system', namesFiles: false, questions: false, modes: false, processes: false, ownProcess: false } as const;
const hosted = { turns: 'exact', outputs: 'carried', windows: 'turn', deaths: 'silent', interrupts: 'ends', commands: 'stay', tools: 'told' } as const;

describeBackend('clawdforge, streamed as events', () => start('events'), { ...common, hosted: { ...hosted, answers: 'pieces' } });
describeBackend('clawdforge, streamed as lines', () => start('lines'), { ...common, hosted: { ...hosted, answers: 'pieces' } });
describeBackend('clawdforge, in one piece', () => start('whole'), { ...common, hosted: { ...hosted, answers: 'whole' } });
