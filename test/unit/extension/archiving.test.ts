import { beforeEach, expect, it, vi } from 'vitest';
import type { Session } from '../../../src/core/model/session.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import { Dismissed } from '../../../src/extension/commands/dismissed.ts';
import type { Services } from '../../../src/extension/services.ts';
import { sessionRow } from './sessionRow.ts';

const window = vi.hoisted(() => ({ setStatusBarMessage: vi.fn(), showWarningMessage: vi.fn() }));
vi.mock('vscode', () => ({ window, ProgressLocation: { Notification: 15, Window: 10 } }));
const { markCommands } = await import('../../../src/extension/commands/marks.ts');

const rows = [
  sessionRow({ id: 'idle', title: 'Idle' }), sessionRow({ id: 'runs', state: 'running', title: 'Runs' }), sessionRow({ id: 'asks', state: 'waiting', title: 'Asks', connectionId: 'local-claude' }),
  sessionRow({ id: 'starts', state: 'starting', connectionId: 'local-claude' }), sessionRow({ id: 'away', state: 'running', archived: true }),
];
const key = (id: string): string => sessionKey(rows.find((row) => row.id === id) ?? sessionRow({ id }));
let archived: string[];
/** Of the services, what is used here. */
const services = {
  fleet: {
    session: (wanted: string): Session | null => rows.find((row) => sessionKey(row) === wanted) ?? null,
    connections: () => [{ connectionId: 'happy-1', system: 'happy' }, { connectionId: 'local-claude', system: 'local' }],
    archive: (wanted: string) => Promise.resolve(void archived.push(wanted)),
  },
} as unknown as Services;

beforeEach(() => {
  vi.resetAllMocks();
  archived = [];
});

it.each<[string, readonly string[], string, string]>([
  ['one of Happy', ['runs'], 'Archive “Runs”?', 'It works, or waits for you. Its process is stopped.'],
  ['one of another system', ['asks'], 'Archive “Asks”?', 'It works, or waits for you. An archived session that goes on asks nothing where you see it.'],
  ['some of a selection', ['idle', 'runs', 'asks', 'starts', 'away'], 'Archive 4 sessions?', '3 of them work, or wait for you. The process of one is stopped. An archived session that goes on asks nothing where you see it.'],
])('archiving what works asks once: %s', async (_, ids, message, detail) => {
  const keys = ids.map(key);
  const action = message.endsWith('sessions?') ? 'Archive Sessions' : 'Archive Session';
  await expect(markCommands.archiveSession(services, { keys })).rejects.toBeInstanceOf(Dismissed);
  expect(window.showWarningMessage.mock.calls).toEqual([[message, { modal: true, detail }, action]]);
  expect(archived).toEqual([]);
  window.showWarningMessage.mockResolvedValue(action);
  await markCommands.archiveSession(services, ids.length === 1 ? { key: keys[0] } : { keys });
  expect(archived).toEqual(keys.filter((each) => each !== key('away')));
  expect(window.showWarningMessage).toHaveBeenCalledTimes(2);
});

it('archiving what rests asks nothing', async () => {
  await markCommands.archiveSession(services, { keys: [key('idle'), key('away')] });
  expect([archived, window.showWarningMessage.mock.calls]).toEqual([[key('idle')], []]);
});
