import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { animateFleet, type Animation } from '../loopback/happy/animate.ts';
import { seedFleet, type Fleet } from '../loopback/happy/fleet.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import { launchVSCode, until, type Theme, type VSCode, type VSCodeWindow } from './driver/index.ts';
import type { TreeView } from './driver/tree.ts';

const THEMES: readonly Theme[] = ['Dark Modern', 'Light Modern', 'Default High Contrast', 'Default High Contrast Light'];

/** An account asks a session's machine first, and gives one that does not answer fifteen seconds. */
const SLOW_MS = 45_000;

/** A fleet of 150 sessions on three machines of one account, whose agents live and do nothing. */
describe('the Sessions view with many sessions', () => {
  let root: string;
  let server: HappyTestServer;
  let fleet: Fleet;
  let animation: Animation;
  let code: VSCode;
  let window: VSCodeWindow;
  let view: TreeView;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'pilothouse-tree-'));
    mkdirSync(join(root, 'account'), { mode: 0o700 });
    server = await startHappyServer();
    fleet = seedFleet(server, { sessions: 150 });
    animation = await animateFleet(server.url, fleet, { stepMs: 3_600_000 });
    writeFileSync(join(root, 'account', 'agent.key'), JSON.stringify({ token: fleet.token, secret: toBase64(fleet.master), serverUrl: server.url }), { mode: 0o600 });
    code = await launchVSCode({ env: { PILOTHOUSE_DEMO_FLEET: join(root, 'account') }, viewport: { width: 1240, height: 900 } });
    ({ window } = code);
    view = await window.openView('Sessions');
    await view.item('studio').row();
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    animation?.close();
    await server?.close();
    rmSync(root, { recursive: true, force: true });
  });

  const labels = async (level: number): Promise<readonly string[]> => (await view.rows()).filter((row) => row.level === level).map(({ label }) => label);
  const under = async (group: string): Promise<readonly string[]> => {
    const rows = await view.rows();
    const from = rows.findIndex(({ label }) => label === group);
    const level = rows[from]?.level ?? 0;
    const rest = rows.slice(from + 1);
    const end = rest.findIndex((row) => row.level <= level);
    return (end < 0 ? rest : rest.slice(0, end)).filter((row) => row.level === level + 1).map(({ label }) => label);
  };
  /** Filters, and waits until the tree has lost what does not match. */
  const filterBy = async (text: string): Promise<void> => {
    await window.executeCommand('pilothouse.filterSessions', { text });
    await view.item('~/work/web').waitGone();
  };
  const clearFilter = async (): Promise<void> => {
    await window.executeCommand('pilothouse.clearSessionFilter');
    await view.item('~/work/web').row();
  };
  const drag = async (name: string | RegExp, from: string, onto: string): Promise<void> => {
    const target = await view.reveal(await view.item(onto).row());
    const source = await view.reveal(await view.item(name, { under: from }).row());
    await source.dragTo(target, { sourcePosition: { x: 60, y: 11 }, targetPosition: { x: 60, y: 11 } });
  };

  test('shows the newest of each folder, and more when asked', async () => {
    const billing = await until('the folder to be long', async () => {
      const found = await under('~/work/billing');
      return found.at(-1)?.startsWith('Show ') === true ? found : undefined;
    });
    expect(billing).toHaveLength(11);
    await view.item(/^Show \d+ older/, { under: '~/work/billing' }).click();
    await until('the rest to be shown', async () => (await under('~/work/billing')).length > 11);
  });

  test('is grouped from its menu, where what is chosen is marked', async () => {
    const menu = async (): Promise<void> => {
      await view.pane.locator('.pane-header').hover();
      await view.pane.locator('.pane-header').getByRole('button', { name: /More Actions/ }).click();
    };
    await view.menus.choose(menu, 'Group By', 'Status');
    await view.item('Stopped').row();
    await until('groups by status', async () => (await labels(1)).filter((label) => ['Waiting', 'Running', 'Idle', 'Stopped'].includes(label)).join() === 'Waiting,Running,Idle,Stopped');
    await window.screenshot('tree-status');
    await view.menus.choose(menu, 'Group By', 'Folder');
    await view.item('~/work/web').row();
    expect((await view.item('~/work/web').row()).level).toBe(1);
    await view.menus.open(menu);
    await window.page.getByRole('menuitem', { name: 'Group By' }).hover();
    await until('the ways to group', async () => (await view.menus.labels()).includes('Folder ✓'));
    expect(await view.menus.labels()).toEqual(['Machine', 'Folder ✓', 'Status', 'Connection']);
    await window.screenshot('tree-group-by');
    await window.page.keyboard.press('Escape');
    await view.menus.close();
  });

  test('is filtered as one types', async () => {
    await view.titleAction('Filter Sessions…');
    await window.quickInput.type('flaky');
    await until('what matches', async () => (await view.rows()).every((row) => row.expanded !== undefined || /flaky/i.test(row.label)));
    await window.quickInput.type('flaky studio is:running');
    await until('one session', async () => (await view.rows()).filter((row) => row.expanded === undefined).length === 1);
    expect(await view.message()).toBe('1 session matches “flaky studio is:running”.');
    await window.screenshot('tree-filter-typing');
    await window.quickInput.accept();
    await window.quickInput.waitClosed();
    expect((await view.rows()).map(({ label }) => label)).toEqual(['~/work/api', 'Fix flaky retry test']);
    await view.titleAction('Change Filter…');
    await window.quickInput.type('nothing has this');
    await until('nothing', async () => (await view.rows()).length === 0);
    expect(await view.message()).toBe('No session matches “nothing has this”.');
    await window.quickInput.cancel();
    await view.titleAction('Clear Filter');
    await view.item('~/work/web').row();
    expect(await view.message()).toBe('');
  });

  test('pins by command and by drag, and unpins by drag', async () => {
    await window.executeCommand('pilothouse.groupByFolder');
    await view.item('~/work/web').waitUntil((row) => row.level === 1);
    // So few that all of them are in sight.
    await filterBy('studio folder:search');
    await view.item('Rank exact titles first', { under: '~/work/search' }).inlineAction('Pin Session');
    await view.item('Rank exact titles first', { under: 'Pinned' }).row();
    await drag('Speed up the search index', '~/work/search', 'Pinned');
    await view.item('Speed up the search index', { under: 'Pinned' }).row();
    expect(await view.item('Speed up the search index', { under: '~/work/search' }).exists()).toBe(false);
    await window.screenshot('tree-pinned');
    await drag('Rank exact titles first', 'Pinned', '~/work/search');
    await view.item('Rank exact titles first', { under: '~/work/search' }).row();
    expect(await under('Pinned')).toEqual(['Speed up the search index']);
  });

  test('marks as unread and read', async () => {
    await clearFilter();
    const item = view.item('Document the webhooks', { under: '~/work/docs' });
    await item.contextMenu('Mark as Unread');
    await item.waitUntil((row) => row.name.startsWith('Document the webhooks, unread,'));
    await item.contextMenu('Mark as Read');
    await item.waitUntil((row) => !row.name.includes('unread'));
  });

  test('archives and unarchives a whole selection', async () => {
    const titles = ['Rank exact titles first', 'Stemming for Dutch', 'Rank exact titles first (3)'];
    await filterBy('studio folder:search');
    await view.item(titles[0] ?? '', { under: '~/work/search' }).click();
    for (const title of titles.slice(1)) await (await view.reveal(await view.item(title, { under: '~/work/search' }).row())).click({ modifiers: ['ControlOrMeta'] });
    await until('three to be selected', async () => (await view.rows()).filter((row) => row.selected).length === titles.length);
    await view.item(titles[1] ?? '', { under: '~/work/search' }).contextMenu('Archive Session');
    for (const title of titles) await view.item(title, { under: '~/work/search' }).waitGone(SLOW_MS);
    const menu = async (): Promise<void> => {
      await view.pane.locator('.pane-header').hover();
      await view.pane.locator('.pane-header').getByRole('button', { name: /More Actions/ }).click();
    };
    await view.menus.choose(menu, 'Show Archived Sessions');
    for (const title of titles) await view.item(title, { under: 'Archived' }).row();
    await drag(titles[0] ?? '', 'Archived', '~/work/search');
    await view.item(titles[0] ?? '', { under: '~/work/search' }).row(SLOW_MS);
    await drag(titles[0] ?? '', '~/work/search', 'Archived');
    await view.item(titles[0] ?? '', { under: 'Archived' }).row(SLOW_MS);
    await window.screenshot('tree-archived');
    await clearFilter();
    await view.item('Archived').waitUntil((row) => row.expanded === false);
    await window.executeCommand('pilothouse.hideArchivedSessions');
    await view.item('Archived').waitGone();
  });

  test('asks once before a selection is deleted', async () => {
    const titles = ['API reference from the types', 'Onboarding for new developers'];
    await filterBy('laptop folder:docs');
    await view.item(titles[0] ?? '').click();
    await (await view.reveal(await view.item(titles[1] ?? '').row())).click({ modifiers: ['ControlOrMeta'] });
    await until('two to be selected', async () => (await view.rows()).filter((row) => row.selected).length === titles.length);
    await view.item(titles[0] ?? '').contextMenu('Delete Session…');
    const dialog = window.page.locator('.monaco-dialog-box');
    await dialog.getByText('Delete 2 sessions?').waitFor();
    await window.screenshot('tree-delete');
    await dialog.getByRole('button', { name: 'Delete Sessions' }).click();
    for (const title of titles) await view.item(title).waitGone(SLOW_MS);
    await clearFilter();
  });

  test('tells of a session in its hover', async () => {
    const hover = await view.item('Upgrade the database driver', { under: '~/work/api' }).hover(/Claude\sCode\s·\sstopped/);
    expect((await hover.innerText()).replaceAll(/\s/g, ' ')).toContain('studio · Demo Fleet');
    await window.screenshot('tree-hover');
    await window.page.mouse.move(0, 0);
  });

  test('archives by age, and brings back', async () => {
    await filterBy('studio is:stopped');
    const before = (await view.rows()).length;
    await window.updateSettings({ 'pilothouse.sessions.autoArchiveDays': 60 });
    const notice = await until('word of it', async () => (await window.notifications.all()).find(({ message }) => /^\d+ sessions were archived: nobody touched them for 60 days\.$/.test(message)), { timeoutMs: 4 * SLOW_MS });
    expect(notice.buttons).toEqual(['Undo', 'Show Archived']);
    await until('old sessions to go', async () => (await view.rows()).length < before);
    await window.notifications.press(notice.message, 'Undo');
    await until('them to be back', async () => (await view.rows()).length === before, { timeoutMs: 4 * SLOW_MS });
    await clearFilter();
  }, 360_000);

  test('reads well, wide and narrow, in every theme', async () => {
    await window.executeCommand('pilothouse.groupByMachine');
    await view.item('studio').row();
    for (const theme of THEMES) {
      await code.setTheme(theme);
      await window.screenshot(`tree-wide-${theme}`);
    }
    await window.resize(360, 800);
    for (const theme of THEMES) {
      await code.setTheme(theme);
      await window.screenshot(`tree-narrow-${theme}`);
    }
  });
});
