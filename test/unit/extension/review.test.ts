import { expect, it, vi } from 'vitest';
import type { HostMessage } from '../../../src/protocol/chat.ts';
import { sessionRow } from './sessionRow.ts';

const { choose } = vi.hoisted(() => ({ choose: vi.fn<(text: string, action: string) => Promise<string | undefined>>() }));
vi.mock('vscode', () => ({ window: { showInformationMessage: choose } }));
const { sessionCommands } = await import('../../../src/extension/commands/sessions.ts');
const { Notifications } = await import('../../../src/extension/notifications.ts');

function world() {
  const told: [string, HostMessage][] = [];
  const opened: string[] = [];
  const waiting = [{ requestId: 'q2', tool: 'Bash', title: 'ls', ask: 'tool' as const, askedAt: Date.now() + 1_000 }];
  const session = sessionRow({ waiting });
  let change: (change: { sessions: Set<string> }) => void = () => undefined;
  const services = {
    tree: { node: (id: string) => (id === 'permission' ? { kind: 'permission', key: 'k', permission: { ...waiting[0], requestId: 'q7' } } : id === 'session' ? { kind: 'session', key: 'k' } : null) },
    fleet: { session: () => session, onChange: (listener: typeof change) => ((change = listener), { dispose: () => undefined }) },
    settings: { get: () => 'attention' },
    panels: { isVisible: () => false, open: (key: string) => (opened.push(key), { tell: (message: HostMessage) => void told.push([key, message]) }) },
  };
  return { services: services as never, told, opened, changed: () => change({ sessions: new Set(['k']) }) };
}

it('a request in the tree opens its session’s chat and leads to it there; a session leads to its chat alone', async () => {
  const { services, told, opened } = world();
  await sessionCommands.openSession(services, 'session');
  expect([opened, told]).toEqual([['k'], []]);
  await sessionCommands.openSession(services, 'permission');
  expect([opened, told]).toEqual([['k', 'k'], [['k', { type: 'review', requestId: 'q7' }]]]);
});

it('Review… of a notification leads to what asked', async () => {
  const { services, told, opened, changed } = world();
  choose.mockImplementation((_, action) => Promise.resolve(action));
  const notifications = new Notifications(services);
  changed();
  await vi.waitFor(() => expect(told).toEqual([['k', { type: 'review', requestId: 'q2' }]]));
  expect([opened, choose.mock.calls[0]?.[1]]).toEqual([['k'], 'Review…']);
  notifications.dispose();
});
