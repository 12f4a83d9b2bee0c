import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { Services } from '../../../src/extension/services.ts';
import { sessionRow } from './sessionRow.ts';

const window = vi.hoisted(() => ({ showWarningMessage: vi.fn<(message: string, options: { readonly detail: string }, action: string) => Promise<string | undefined>>(), showInformationMessage: vi.fn(), setStatusBarMessage: vi.fn() }));
vi.mock('vscode', () => ({ window, ProgressLocation: { Notification: 15, Window: 10 } }));
const { endCommands } = await import('../../../src/extension/commands/sessionEnds.ts');

const CONNECTIONS = [
  { connectionId: 'forge', system: 'clawdforge', traits: { remove: true, goesOnFresh: true, onlyHere: true } }, { connectionId: 'claude', system: 'local', traits: { remove: true } },
  { connectionId: 'acp', system: 'local', traits: { remove: true, onlyHere: true } }, { connectionId: 'happy', system: 'happy', traits: { remove: true } },
];
const on = (connectionId: string, id: string, state: Session['state'] = 'idle', over: Partial<Session> = {}): Session => sessionRow({ connectionId, id, title: id, state, owner: 'this', ...over });

/** What is asked before it is done to these sessions, and to which it is done then. */
async function asked(command: 'stopSession' | 'deleteSession', ...sessions: readonly Session[]) {
  const done: string[] = [];
  const services = {
    fleet: {
      session: (key: string) => sessions.find((session) => sessionKey(session) === key) ?? null, connections: () => CONNECTIONS,
      remove: (key: string) => Promise.resolve(done.push(key)), open: (key: string) => Promise.resolve({ stop: () => Promise.resolve(done.push(key)), release: () => undefined }),
    },
    panels: { get: () => undefined }, log: { warn: () => undefined },
  } as unknown as Services;
  window.showWarningMessage.mockImplementation((_message, _options, action) => Promise.resolve(action));
  await endCommands[command](services, { keys: sessions.map(sessionKey) }, undefined);
  const [message, options] = window.showWarningMessage.mock.calls[0] ?? [];
  return { message, detail: options?.detail.split('\n\n'), told: window.showInformationMessage.mock.calls.map(([text]: unknown[]) => text), done: done.length };
}

beforeEach(() => {
  vi.resetAllMocks();
});

describe('several sessions that are deleted', () => {
  it('of clawdforge alone are closed, and what was said in them is gone', async () => {
    expect(await asked('deleteSession', on('forge', 'a', 'running'), on('forge', 'b'))).toEqual({
      message: 'Delete 2 sessions?', detail: ['2 are closed on the server, which keeps nothing of what was said: that is removed from this computer, for good.'], told: [], done: 2,
    });
  });

  it('are told by where they are kept', async () => {
    expect(await asked('deleteSession', on('forge', 'a'), on('claude', 'b'), on('acp', 'c'), on('happy', 'd', 'stopped', { owner: 'nobody' }), on('claude', 'e', 'idle', { owner: 'foreign' }))).toEqual({
      message: 'Delete 4 sessions?', told: [], done: 4, detail: [
        'The agents of 2 are stopped first.', '1 is deleted from the account, on every device.', 'Of 2 on this computer, the agent’s files move to the trash.',
        '1 is closed on the server, which keeps nothing of what was said: that is removed from this computer, for good.', 'The others’ stored transcripts are removed from this computer.', 'What was said in 1 may be kept nowhere else.',
        '1 of the selected cannot be deleted from here and stays.',
      ],
    });
  });

  it('are none where nothing can be deleted: that is said, and nothing asked', async () => {
    const { message, told, done } = await asked('deleteSession', on('claude', 'a', 'idle', { owner: 'foreign' }), on('claude', 'b', 'idle', { owner: 'foreign' }));
    expect([message, done, told]).toEqual([undefined, 0, [expect.stringContaining('None of the selected sessions can be deleted')]]);
  });
});

describe('several sessions that are stopped', () => {
  it.each([
    [[on('claude', 'a', 'running'), on('claude', 'b')], 'One of them works: its turn ends. All can be resumed.'],
    [[on('forge', 'a', 'running'), on('forge', 'b', 'running')], '2 are closed on the server, and no answer of them is waited for any more.'],
    [[on('forge', 'a', 'running'), on('claude', 'b', 'running'), on('claude', 'c', 'running')], '2 of them work: their turns end. One is closed on the server, and no answer of it is waited for any more. The others can be resumed.'],
  ])('%#: what becomes of them is said', async (sessions, detail) => {
    expect(await asked('stopSession', ...sessions)).toMatchObject({ message: `Stop ${sessions.length} sessions?`, detail: [detail], done: sessions.length });
  });

  it('are none where none runs: that is said', async () => {
    expect(await asked('stopSession', on('claude', 'a', 'stopped', { owner: 'nobody' }), on('claude', 'b', 'stopped', { owner: 'nobody' }))).toEqual({ message: undefined, detail: undefined, told: ['None of the selected sessions runs: there is nothing to stop.'], done: 0 });
  });
});
