import { describe, expect, it } from 'vitest';
import type { KeptState } from '../../../webview-ui/src/host.ts';
import { bannerOf } from '../../../webview-ui/src/model/banner.ts';
import { ChatPage } from '../../../webview-ui/src/page.ts';
import type { ChatState, HostMessage, PageMessage } from '../../../webview-ui/src/types.ts';

const state = (extra: Partial<ChatState>): ChatState => ({ canRun: true, owner: 'this', ownerName: null, state: 'idle', problem: null, traits: { fork: true, resume: true }, ...extra }) as ChatState;

describe('what keeps the person from going on', () => {
  it('is that the workspace is not trusted before anything else, with the way out', () => {
    const shown = bannerOf(state({ canRun: false, owner: 'foreign', problem: { message: 'It is offline.', remedy: null } }));
    expect(shown).toMatchObject({ level: 'warning', text: 'This workspace is not trusted: agents do not run here.', action: { label: 'Manage Trust', command: 'manageTrust' } });
    expect(bannerOf(state({}))).toBeNull();
  });

  it('is a sign-in that can be done from here, before what it stopped', () => {
    const problem = { message: 'Nobody is signed in.', remedy: { text: 'Sign in in a terminal.', command: 'codex login' } };
    expect(bannerOf(state({ state: 'failed', problem: { ...problem, signIn: true } }))).toMatchObject({ text: 'Nobody is signed in.', remedy: { command: 'codex login' }, action: { command: 'signIn' } });
    expect(bannerOf(state({ state: 'failed', problem: { ...problem, signIn: false } }))).toMatchObject({ action: { command: 'resume' } });
  });
});

describe('a machine that is away', () => {
  it('is said over the transcript, behind what the person must act on', () => {
    const away = state({ connection: 'offline', machineAway: 'Machine “studio” offline.' });
    expect(bannerOf(away)).toMatchObject({ level: 'warning', text: 'Machine “studio” offline.', action: null });
    expect(bannerOf({ ...away, problem: { message: 'Signed out.', remedy: null, signIn: true } })).toMatchObject({ text: 'Signed out.' });
    expect(bannerOf({ ...away, machineAway: null })).toBeNull();
  });
});

describe('a session that a person runs at its own terminal', () => {
  const traits = { fork: true, resume: true, takeOver: true } as ChatState['traits'];

  it('is taken over where that can be done, and forked beside it', () => {
    const shown = bannerOf(state({ owner: 'foreign', ownerName: 'a terminal on build-01', traits }));
    expect(shown).toMatchObject({ level: 'info', action: { label: 'Take Over', command: 'takeOver' }, other: { command: 'fork' } });
    expect(shown?.text).toMatch(/^A terminal on build-01 runs this session/);
    expect(bannerOf(state({ owner: 'foreign', traits: { ...traits, fork: false } }))?.other).toBeUndefined();
  });

  it('can only be read and forked where it can not', () => {
    expect(bannerOf(state({ owner: 'foreign', ownerName: 'codex' }))).toMatchObject({ text: 'codex runs this session. You can read along; going on here would split it.', action: { command: 'fork' } });
  });

  it('says first what keeps the machine from being reached', () => {
    expect(bannerOf(state({ owner: 'foreign', traits, problem: { message: 'Signed out.', remedy: null, signIn: true } }))).toMatchObject({ text: 'Signed out.', action: { command: 'signIn' } });
  });
});

/** The page with a host that the test plays. */
function pageOf(kept: KeptState | null = null) {
  const posted: PageMessage[] = [];
  const stored: KeptState[] = [];
  let tell: (message: HostMessage) => void = () => undefined;
  const page = new ChatPage({
    post: (message) => void posted.push(message), onMessage: (listener) => void (tell = listener), load: () => kept, keep: (one) => void stored.push(one),
  });
  page.start();
  return { page, posted, stored, tell: (message: HostMessage) => tell(message) };
}
const snapshot: HostMessage = { type: 'snapshot', session: 'k', generation: 1, total: 0, start: 0, rows: [], state: state({}), config: { enterKey: 'send', thinking: 'collapsed', mac: false }, draft: '' };

describe('a session that can’t be opened', () => {
  it('is said so, tried again once for each press, and taken back by a snapshot', () => {
    const { page, posted, tell } = pageOf();
    tell({ type: 'unavailable', session: 'k', message: 'It is gone.', remedy: 'Add it again.' });
    expect(page.unavailable.value).toEqual({ message: 'It is gone.', remedy: 'Add it again.', trying: false });
    page.reopen();
    page.reopen();
    expect(posted).toEqual([{ type: 'ready' }, { type: 'reopen' }]);
    expect(page.unavailable.value?.trying).toBe(true);
    tell({ type: 'unavailable', session: 'k', message: 'Still gone.', remedy: null });
    expect(page.unavailable.value).toEqual({ message: 'Still gone.', remedy: null, trying: false });
    tell(snapshot);
    expect(page.unavailable.value).toBeNull();
  });

  it('has outputs that are asked for once, are waited for, and fail in words', async () => {
    const { page, posted, tell } = pageOf();
    tell(snapshot);
    const seen: (string | undefined)[] = [];
    const note = (): void => void seen.push(page.outputs.get('r1')?.state);
    const first = page.fetchOutput('r1', note);
    await page.fetchOutput('r1', note);
    expect(posted.filter((message) => message.type === 'request').map((message) => message.body)).toEqual([{ ask: 'fetch-output', row: 'r1' }]);
    tell({ type: 'reply', request: 1, ok: false, code: 'machine_offline', message: 'build-01 is offline.' });
    await first;
    expect(page.outputs.get('r1')).toEqual({ state: 'failed', message: 'build-01 is offline.' });
    expect(page.feedback.value).toBeNull();
    const again = page.fetchOutput('r1', note);
    tell({ type: 'reply', request: 2, ok: true, value: { kind: 'done', message: null } });
    await again;
    expect(seen).toEqual(['waiting', 'failed', 'waiting', 'here']);
  });

  it('is found again by its tab after a reload, with what was kept of it', () => {
    const fresh = pageOf();
    fresh.tell({ type: 'unavailable', session: 'k', message: 'It is gone.', remedy: null });
    expect(fresh.stored).toEqual([{ session: 'k', anchor: null, folds: [], cards: {} }]);
    const known = pageOf({ session: 'k', anchor: null, folds: ['+a'], cards: {} });
    known.tell({ type: 'unavailable', session: 'k', message: 'It is gone.', remedy: null });
    expect(known.stored).toEqual([]);
  });
});
