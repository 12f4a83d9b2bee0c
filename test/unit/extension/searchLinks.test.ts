import { beforeEach, expect, test, vi } from 'vitest';
import type { SearchHit } from '../../../src/core/session/search/wire.ts';
import { sessionRecord } from '../store/support.ts';

const KEY = 'local-claude\u0000a/b c?&#';
let handle: (uri: { readonly path: string; readonly query: string }) => Promise<void> = () => Promise.resolve();
let copied = '';
const errors: string[] = [];

vi.mock('vscode', () => ({
  env: { uriScheme: 'vscode', clipboard: { writeText: (text: string) => { copied = text; return Promise.resolve(); } } },
  Uri: { from: ({ scheme, authority, path, query }: Readonly<Record<string, string>>) => ({ toString: () => `${scheme}://${authority}${path}?${query}` }) },
  window: {
    setStatusBarMessage: () => undefined,
    showErrorMessage: (text: string) => errors.push(text),
    registerUriHandler: (handler: { handleUri: typeof handle }) => { handle = handler.handleUri; return { dispose: () => undefined }; },
  },
}));
const { copyLink, openLinks } = await import('../../../src/extension/search/links.ts');
const { Groups } = await import('../../../src/extension/search/groups.ts');
const { resultsText } = await import('../../../src/extension/search/documents.ts');

const told: unknown[] = [];
const opened: string[] = [];
const services = {
  extensionId: 'pilothouse.pilothouse', ready: Promise.resolve(), log: { warn: () => undefined },
  fleet: {
    session: (key: string) => (key === KEY ? sessionRecord('a/b c?&#', { title: 'The\u202Elog' }) : null), connections: () => [], machines: () => [{ id: 'this', name: 'This computer' }],
    open: () => Promise.resolve({
      release: () => undefined,
      transcript: { indexOf: (row: string) => Promise.resolve(row === 'inner' ? 7 : null), rows: () => Promise.resolve({ start: 7, rows: [{ key: 'outer' }] }) },
    }),
  },
  panels: { active: () => null, open: (key: string) => { opened.push(key); return { key, tell: (message: unknown) => told.push(message) }; } },
} as never;
openLinks(services);
beforeEach(() => {
  told.length = 0;
  opened.length = 0;
  errors.length = 0;
});

const follow = (link: string): Promise<void> => {
  const { pathname, search } = new URL(link);
  return handle({ path: pathname, query: search.slice(1) });
};

test('a link that was copied opens its session at the row that the row is within, whatever characters the ids have', async () => {
  await copyLink(services, KEY, 'inner');
  expect(copied).toMatch(/^vscode:\/\/pilothouse\.pilothouse\/session\?/);
  await follow(copied);
  expect(opened).toEqual([KEY]);
  expect(told).toEqual([{ type: 'go', index: 7, row: 'outer' }]);
  await copyLink(services, KEY, null);
  await follow(copied);
  expect(opened).toEqual([KEY, KEY]);
  expect(told).toHaveLength(1);
});

test('a link of something that is not known opens nothing and says what to do', async () => {
  await handle({ path: '/session', query: 'connection=x&session=y' });
  await handle({ path: '/other', query: '' });
  expect(opened).toEqual([]);
  await copyLink(services, KEY, 'gone');
  await follow(copied);
  expect(errors).toEqual(['The session of this link is not known here. Add the connection that it is of, or open the link where it was copied.', 'This link is none of a session. Copy it again with Copy Session Link.', 'This is not in the transcript any more.']);
});

test('what was found is told by session, the rows that stand last first and no more than are wanted; lines say where they lead', () => {
  const hit = (row: string | null, order: number, over: Partial<SearchHit> = {}): SearchHit => ({ session: KEY, row, kind: 'prompt', order: [order], at: null, snippet: { text: `said\n${order}`, ranges: [] }, ...over });
  const groups = new Groups({ session: (key: string) => (key === KEY ? sessionRecord('a/b c?&#', { title: 'The\u202Elog' }) : null), connections: () => [], machines: () => [] } as never, 2);
  const update = { done: 1, all: 1, ended: 'whole' } as const;
  groups.take({ ...update, hits: [hit('r1', 1), hit('r3', 3), hit('r2', 2), hit(null, 0), hit('x', 1, { session: 'unknown\u0000s' })], more: [{ session: KEY, rows: 5 }] });
  expect(groups.rows).toBe(2);
  const { text, places } = resultsText('what  was', [...groups.groups.values()], '');
  expect(text).toBe('Search in all sessions: what was\n2 places in 1 session\n\nThe log · Claude Code · /home/ann/project\n  You: said 3\n  You: said 2\n  3 more in this session: open it and use Find in Chat.\n');
  expect(places).toEqual([{ line: 3, session: KEY, row: null }, { line: 4, session: KEY, row: 'r3' }, { line: 5, session: KEY, row: 'r2' }]);
});
