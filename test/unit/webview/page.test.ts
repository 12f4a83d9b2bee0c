import { describe, expect, it, vi } from 'vitest';
import type { KeptState } from '../../../webview-ui/src/host.ts';
import { bannerOf } from '../../../webview-ui/src/model/banner.ts';
import { ChatPage } from '../../../webview-ui/src/page.ts';
import type { ChatState, HostMessage, PageMessage } from '../../../webview-ui/src/types.ts';

const state = (extra: Partial<ChatState>): ChatState => ({ canRun: true, owner: 'this', ownerName: null, state: 'idle', problem: null, activity: null, usage: null, traits: { fork: true, resume: true, stop: true }, ...extra }) as ChatState;

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

describe('states that are said plainly, with what can be done', () => {
  const now = Date.UTC(2026, 5, 1, 12);
  const usage = (contextTokens: number): ChatState['usage'] => ({ contextTokens, contextWindow: 100, costUsd: null }) as ChatState['usage'];
  const commands = (...names: string[]): ChatState['controls'] => ({ commands: names.map((name) => ({ name, description: '', argumentHint: null })) }) as unknown as ChatState['controls'];

  it('an agent that is gone and one that was stopped are resumed', () => {
    expect(bannerOf(state({ state: 'failed', problem: { message: 'Codex ended unexpectedly.', remedy: null } }))).toMatchObject({ level: 'error', action: { command: 'resume' } });
    expect(bannerOf(state({ state: 'stopped' }))).toMatchObject({ level: 'info', action: { label: 'Resume', command: 'resume' } });
    expect(bannerOf(state({ state: 'stopped', traits: { fork: true, resume: false } as ChatState['traits'] }))).toBeNull();
  });

  it('one that is closed where it runs goes on in a fresh one, which is asked; one whose turn failed just goes on', () => {
    const traits = { resume: true, goesOnFresh: true } as ChatState['traits'];
    expect(bannerOf(state({ state: 'stopped', traits, closed: 'Its time was over.' }))).toMatchObject({ level: 'warning', text: 'Its time was over. A fresh one can go on, with what was said here at hand.', action: { label: 'Resume…', command: 'resume' } });
    expect(bannerOf(state({ state: 'stopped', traits, closed: null }))?.text).toMatch(/^This session is closed on the server\./);
    expect(bannerOf(state({ state: 'failed', traits, problem: { message: 'The answer was lost.', remedy: null } }))).toMatchObject({ text: 'The answer was lost.', action: null });
  });

  it('a limit is said until it starts anew, and no longer', () => {
    const limited = state({ limit: { text: 'The weekly limit of your plan is reached.', until: now + 3_600_000 } });
    expect(bannerOf(limited, now)?.text).toMatch(/^The weekly limit of your plan is reached\. It starts anew at .*\d\d:\d\d\.$/);
    expect(bannerOf(limited, now + 3_600_000)).toBeNull();
    expect(bannerOf(state({ limit: { text: 'The usage limit is reached.', until: null } }), now)?.text).toBe('The usage limit is reached.');
  });

  it('a context that is nearly full: compact where the agent can, else what else makes room', () => {
    expect(bannerOf(state({ usage: usage(89), controls: commands('compact') }))).toBeNull();
    expect(bannerOf(state({ usage: usage(93), controls: commands('compact') }))).toMatchObject({ level: 'info', text: '93 % of the context is used. Compacting makes room.', action: { command: 'compact' }, other: { command: 'dismiss' } });
    expect(bannerOf(state({ usage: usage(93), controls: commands(), forksAt: true }))).toMatchObject({ text: expect.stringContaining('Fork from an earlier prompt') as string, action: null });
    expect(bannerOf(state({ usage: usage(93), controls: commands() }))?.text).toContain('Start a session');
    expect(bannerOf(state({ usage: usage(93), controls: commands('compact'), problem: { message: 'It is offline.', remedy: null } }))?.text).toBe('It is offline.');
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
const snapshot: HostMessage = { type: 'snapshot', session: 'k', generation: 1, total: 0, start: 0, rows: [], state: state({}), config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' };

describe('stopping a turn', () => {
  it('says what it waits for, each step, and which one worked; it is asked for once', async () => {
    const { page, posted, tell } = pageOf();
    tell(snapshot);
    const stopping = page.interrupt();
    void page.interrupt();
    expect(posted.filter((message) => message.type === 'request')).toHaveLength(1);
    expect(page.stopping.value).toBe(true);
    tell({ type: 'progress', request: 1, message: 'Codex does not break the turn off. Ending its process…' });
    expect(page.feedback.value).toEqual({ level: 'busy', text: 'Codex does not break the turn off. Ending its process…' });
    tell({ type: 'reply', request: 1, ok: true, value: { kind: 'done', message: 'Codex did not answer and was killed.' } });
    await stopping;
    expect(page.stopping.value).toBe(false);
    expect(page.feedback.value).toEqual({ level: 'info', text: 'Codex did not answer and was killed.', stays: true });
    tell({ type: 'progress', request: 1, message: 'too late' });
    expect(page.feedback.value?.level).toBe('info');
  });

  it('may take longer than a minute, as long as it says how far it is', async () => {
    vi.useFakeTimers();
    try {
      const { page, tell } = pageOf();
      tell(snapshot);
      const stopping = page.interrupt();
      for (const step of ['one', 'two', 'three']) {
        await vi.advanceTimersByTimeAsync(50_000);
        tell({ type: 'progress', request: 1, message: step });
        expect(page.feedback.value).toMatchObject({ level: 'busy', text: step });
      }
      await vi.advanceTimersByTimeAsync(61_000);
      await stopping;
      expect(page.feedback.value).toMatchObject({ level: 'error', text: 'VS Code did not answer. Try again, or reload the window.' });
    } finally {
      vi.useRealTimers();
    }
  });

  it('that fails offers to end the session', async () => {
    const { page, tell } = pageOf();
    tell(snapshot);
    const stopping = page.interrupt();
    tell({ type: 'reply', request: 1, ok: false, code: 'interrupt_unanswered', message: 'The agent did not end its turn.' });
    await stopping;
    expect(page.feedback.value).toEqual({ level: 'error', text: 'The agent did not end its turn.', action: { label: 'Stop Session', body: { ask: 'run', command: 'stop' } } });
  });

  it('says equal words again to a screen reader', () => {
    const { page } = pageOf();
    page.announce('Permission needed: Bash.');
    const first = page.announcement.value;
    page.announce('Permission needed: Bash.');
    expect(page.announcement.value).not.toBe(first);
    expect(page.announcement.value.trim()).toBe(first);
    page.announce(null);
    expect(page.announcement.value.trim()).toBe(first);
  });
});

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
    expect(fresh.stored).toEqual([{ session: 'k', anchor: null, folds: [], cards: {}, find: null }]);
    const known = pageOf({ session: 'k', anchor: null, folds: ['+a'], cards: {}, find: null });
    known.tell({ type: 'unavailable', session: 'k', message: 'It is gone.', remedy: null });
    expect(known.stored).toEqual([]);
  });
});

describe('what a reload of the window finds', () => {
  it('is the session, kept as soon as it is shown: also where nobody did anything on the page', async () => {
    const { stored, tell } = pageOf();
    tell(snapshot);
    await vi.waitFor(() => expect(stored).toEqual([{ session: 'k', anchor: null, folds: [], cards: {}, find: null }]));
  });

  it('is where somebody read, what they opened and what they looked for, as it was', async () => {
    const kept: KeptState = { session: 'k', anchor: { key: 'r', index: 3, offset: 4 }, folds: ['+x'], cards: {}, find: { text: 'quay', matchCase: true, wholeWord: false } };
    const { stored, tell } = pageOf(kept);
    tell(snapshot);
    await vi.waitFor(() => expect(stored).toEqual([kept]));
  });
});
