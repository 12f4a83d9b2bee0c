import type { OutboxView } from '../src/types.ts';
import { keys, press } from './acts.ts';
import { figures, notice, permission, prompt, running, state, text, turn } from './make.ts';
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
  'agent-gone': () => session([...said, notice('error', 'Claude Code ended unexpectedly (signal SIGKILL).', null, 'agent_gone'), turn({ state: 'failed', error: 'The agent ended before the turn did.' })], state({ state: 'failed', problem: { message: 'Claude Code ended unexpectedly (signal SIGKILL).', remedy: null } })),
  'rate-limited': () => session([...said, notice('warning', 'The rate limit is reached (429). Attempt 3 of 10 follows in 87 min.', null, 'rate_limit')], running('retrying', { limit: { text: 'The five-hour limit of your plan is reached.', until: Date.now() + 5_220_000 } }, { until: Date.now() + 5_220_000, detail: 'The rate limit is reached (429)' })),
  'limited': () => session([...said, turn({ state: 'failed', error: 'You’ve hit your limit.' })], state({ limit: { text: 'The weekly limit for Opus of your plan is reached.', until: Date.now() + 200_000_000 } })),
  'context-full': () => session(said, state({ usage: figures(180_000, 12_000, 2.1, 188_000) })),
  'context-full-fork': () => session(said, state({ usage: figures(190_000, 12_000, 2.1, 194_000), controls: { ...state().controls, commands: [] }, forksAt: true })),
  'stopping': () => session(said, running('tool', {}, { detail: 'npm run build' }), { answer: ({ ask }) => (ask === 'interrupt' ? 'later' : null), after: async (host) => {
    await press('.sending .stop');
    host.progress('Claude Code does not break the turn off. Ending its process…');
  } }),
  'stopped-hard': () => session([...said, turn({ state: 'cancelled', durationMs: 31_000 })], running('tool', {}, { detail: 'npm run build' }), { answer: ({ ask }) => (ask === 'interrupt' ? 'later' : null), after: async (host) => {
    await press('.sending .stop');
    host.progress('Claude Code does not end by itself. Killing its process…');
    host.finish('Claude Code did not answer and was killed. The next prompt resumes the session.');
    host.setState(state());
  } }),
  'stop-refused': () => session(said, running('tool', {}, { detail: 'npm run build' }), {
    answer: ({ ask }) => {
      if (ask === 'interrupt') throw new Error('The agent took the interrupt, but still works. Stop the session to end its process.');
      return null;
    },
    after: () => press('.sending .stop'),
  }),
  'row-focus': () => session([...said, prompt('And the report?'), text('It is next. The totals come first, since both read them.')], state(), { after: async () => {
    await press('textarea.message');
    await keys('Control+ArrowUp', 'ArrowUp');
  } }),
  'stopped': () => session([...said, turn({ state: 'cancelled', durationMs: 31_000 })], state({ state: 'stopped' })),
  'waiting-above': () => {
    const asked = permission({ command: 'git push --tags' });
    const rows = [prompt('Release it, and write down what you did.'), text('I push the tags first.'), asked, ...Array.from({ length: 260 }, (_, place) => text(`Step ${place + 1} of the release is written down.`))];
    return session(rows, running('waiting', { state: 'waiting', waiting: [{ requestId: asked.requestId, ask: 'tool' }] }), { answer: (body) => (body.ask === 'request-place' ? { kind: 'place', index: 2, row: asked.key } : null) });
  },
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
