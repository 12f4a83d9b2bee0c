import type { OutboxView } from '../src/types.ts';
import { figures, prompt, running, state, text } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const said = [prompt('Move the totals.'), text('They are moved.')];
const queued = (clientId: string, words: string, delivery: OutboxView['delivery'], error: string | null = null): OutboxView => ({ clientId, text: words, attachments: [], delivery, error, steer: false });

export const states: Record<string, Scene> = {
  thinking: () => session([prompt('Move the totals.')], running('thinking')),
  stalled: () => session(said, running('stalled')),
  retrying: () => session(said, running('retrying', { connection: 'reconnecting' }, { until: Date.now() + 5_400, detail: '529' })),
  offline: () => session(said, state({ connection: 'offline', connectionDetail: 'build-01 does not answer', state: 'unknown', outbox: [queued('a', 'Go on with the report.', 'queued')] })),
  foreign: () => session(said, state({ owner: 'foreign', ownerName: 'Claude Code in a terminal (pid 4711)' })),
  terminal: () => session(said, state({ owner: 'foreign', ownerName: 'a terminal on build-01', files: 'fetched', traits: { ...state().traits, takeOver: true, outputOnRequest: true } })),
  'signed-out': () => session(said, state({
    connection: 'offline', state: 'unknown', files: 'none', problem: { message: 'The Happy server does not take this sign-in any more.', remedy: { text: 'Use Sign In… on this connection. Its sessions and what waits to be sent are kept.', command: null }, signIn: true },
    outbox: [queued('a', 'Go on with the report.', 'queued')],
  })),
  window: () => session(said, state({ owner: 'window' })),
  untrusted: () => session(said, state({ canRun: false })),
  unavailable: () => session([], state(), { unavailable: { message: 'The connection of this session is not configured any more.', remedy: 'Add it again in the Connections view to use its sessions.' } }),
  failed: () => session(said, state({ state: 'failed', problem: { message: 'Claude Code ended unexpectedly (exit code 1).', remedy: { text: 'Its last words: “API key expired”. Sign in in a terminal, then resume.', command: 'claude auth login' } }, usage: figures(1, 1, 1.2, 188_000) })),
  queue: () => session(said, running('tool', {
    outbox: [queued('a', 'Then write the changelog entry, with a line for each of the modules that changed and a link to its tests.', 'pending'), queued('b', 'And bump the version.', 'sending'), queued('c', 'Push it.', 'failed', 'The agent is not signed in.'), { ...queued('d', 'Use half even.', 'pending'), steer: true }],
  }, { detail: 'npm run build' })),
};
