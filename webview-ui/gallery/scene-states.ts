import type { OutboxView } from '../src/types.ts';
import { figures, notice, prompt, running, state, text, turn } from './make.ts';
import type { Scene } from './scene.ts';
import { session } from './scene.ts';

const said = [prompt('Move the totals.'), text('They are moved.')];
const queued = (clientId: string, words: string, delivery: OutboxView['delivery'], error: string | null = null): OutboxView => ({ clientId, text: words, attachments: [], delivery, error, steer: false });

export const states: Record<string, Scene> = {
  thinking: () => session([prompt('Move the totals.')], running('thinking')),
  starting: () => session([prompt('Move the totals.')], running('starting', { state: 'starting', turnStartedAt: null })),
  compacting: () => session(said, running('compacting')),
  reconnecting: () => session(said, state({ connection: 'reconnecting', connectionDetail: 'build-01 was lost 4 s ago', state: 'unknown' })),
  'machine-offline': () => session(said, state({ state: 'unknown', problem: { message: 'build-01 is offline since 11:20. Nothing is lost: what you send waits for it.', remedy: { text: 'Start its daemon there.', command: 'happy daemon start' } }, outbox: [queued('a', 'Go on with the report.', 'pending')] })),
  'agent-gone': () => session([...said, notice('error', 'Claude Code ended unexpectedly (signal SIGKILL).', null, 'agent_gone'), turn({ state: 'failed', error: 'The agent ended before the turn did.' })], state({ state: 'stopped', problem: { message: 'Claude Code ended unexpectedly (signal SIGKILL).', remedy: null } })),
  'rate-limited': () => session([...said, notice('warning', 'The five-hour limit is reached. It is free again at 16:00.', null, 'rate_limit')], running('retrying', {}, { until: Date.now() + 5_220_000, detail: 'five-hour limit' })),
  'context-full': () => session(said, state({ usage: figures(180_000, 12_000, 2.1, 188_000) })),
  'stopped': () => session([...said, turn({ state: 'cancelled', durationMs: 31_000 })], state({ state: 'stopped' })),
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
  opening: () => session([], state(), { silent: true }),
  unavailable: () => session([], state(), { unavailable: { message: 'The connection of this session is not configured any more.', remedy: 'Add it again in the Connections view to use its sessions.' } }),
  failed: () => session(said, state({ state: 'failed', problem: { message: 'Claude Code ended unexpectedly (exit code 1).', remedy: { text: 'Its last words: “API key expired”. Sign in in a terminal, then resume.', command: 'claude auth login' } }, usage: figures(1, 1, 1.2, 188_000) })),
  queue: () => session(said, running('tool', {
    outbox: [queued('a', 'Then write the changelog entry, with a line for each of the modules that changed and a link to its tests.', 'pending'), queued('b', 'And bump the version.', 'sending'), queued('c', 'Push it.', 'failed', 'The agent is not signed in.'), { ...queued('d', 'Use half even.', 'pending'), steer: true }],
  }, { detail: 'npm run build' })),
};
