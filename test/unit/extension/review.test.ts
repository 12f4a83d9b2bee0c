import { expect, it, vi } from 'vitest';
import type { AttentionItem } from '../../../src/core/fleet/attention.ts';
import { sessionAttention } from '../../../src/core/fleet/attention.ts';
import { sessionKey } from '../../../src/core/model/session.ts';
import type { HostMessage } from '../../../src/protocol/chat.ts';
import { sessionRow } from './sessionRow.ts';

const { choose } = vi.hoisted(() => ({ choose: vi.fn<(text: string, ...actions: string[]) => Promise<string | undefined>>() }));
vi.mock('vscode', () => ({ window: { showInformationMessage: choose, state: { focused: true } }, commands: { executeCommand: () => Promise.resolve() } }));
const { sessionCommands } = await import('../../../src/extension/commands/sessions.ts');
const { Notifications } = await import('../../../src/extension/notifications.ts');

function world() {
  const told: [string, HostMessage][] = [];
  const opened: string[] = [];
  const waiting = [{ requestId: 'q2', tool: 'Bash', title: 'ls', ask: 'tool' as const, askedAt: Date.now() + 1_000 }];
  const session = sessionRow({ waiting });
  const items = sessionAttention(session, { connection: null, unreadSince: null, undelivered: null });
  let change: (change: { added: readonly AttentionItem[] }) => void = () => undefined;
  const services = {
    tree: { node: (id: string) => (id === 'permission' ? { kind: 'permission', key: 'k', permission: { ...waiting[0], requestId: 'q7' } } : id === 'session' ? { kind: 'session', key: 'k' } : null) },
    fleet: { session: () => session, connections: () => [] },
    attention: { has: (item: AttentionItem) => items.includes(item), onChange: (listener: typeof change) => ((change = listener), { dispose: () => undefined }) },
    store: { leases: { acquire: () => Promise.resolve(true), release: () => Promise.resolve() } },
    settings: { get: () => 'attention' },
    panels: { isVisible: () => false, open: (key: string) => (opened.push(key), { tell: (message: HostMessage) => void told.push([key, message]) }) },
  };
  return { services: services as never, told, opened, key: sessionKey(session), asked: () => change({ added: items }) };
}

it('a request in the tree opens its session’s chat and leads to it there; a session leads to its chat alone', async () => {
  const { services, told, opened } = world();
  await sessionCommands.openSession(services, 'session');
  expect([opened, told]).toEqual([['k'], []]);
  await sessionCommands.openSession(services, 'permission');
  expect([opened, told]).toEqual([['k', 'k'], [['k', { type: 'review', requestId: 'q7' }]]]);
});

it('Review… of a notification leads to what asked', async () => {
  const { services, told, opened, key, asked } = world();
  choose.mockImplementation((_, ...actions) => Promise.resolve(actions.find((action) => action === 'Review…')));
  const notifications = new Notifications(services);
  asked();
  await vi.waitFor(() => expect(told).toEqual([[key, { type: 'review', requestId: 'q2' }]]), 5_000);
  // What the request would run is not known: it can only be looked at.
  expect([opened, choose.mock.calls[0]?.slice(1)]).toEqual([[key], ['Review…']]);
  notifications.dispose();
});
