import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { plainContext, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';
import { entriesOfRecording, readRecording } from './normaliseRecording.ts';

type Of<Kind extends Row['kind']> = Extract<Row, { kind: Kind }>;
const recorded = (name: string): Row[] => viewOf(entriesOfRecording(readRecording(name)));
function of<Kind extends Row['kind']>(rows: readonly Row[], kind: Kind): readonly Of<Kind>[] {
  return rows.filter((row): row is Of<Kind> => row.kind === kind);
}
const kinds = (rows: readonly Row[]): string => rows.map((row) => row.kind).join(' ');
const turnStates = (name: string): readonly string[] => of(recorded(name), 'turn').map((row) => row.state);

describe('Codex 0.169 under happy 1.2.5', () => {
  it('commands are what the shell is told to run, in the call and where the person is asked', () => {
    const rows = recorded('31-codex-approvals');
    const commands = ["echo 'one two' && ls", 'echo two', 'echo three', 'ls', 'cat missing.txt', 'echo stop'];
    expect(of(rows, 'tool').map((row) => row.command)).toEqual(commands);
    expect(of(rows, 'permission').map((row) => [row.command, row.outcome])).toEqual(commands.map((command, index) => [command, ['allowed', 'denied', 'allowed-session', 'allowed', 'allowed', 'denied'][index]]));
    expect(of(rows, 'tool').map((row) => row.status)).toEqual(['ok', 'denied', 'ok', 'ok', 'ok', 'denied']);
  });

  it('a turn that the person stopped while it asked is cancelled, though it is told to be completed', () => {
    expect(turnStates('31-codex-approvals')).toEqual(['completed', 'completed', 'completed', 'completed', 'cancelled']);
    expect(turnStates('33-codex-aborts')).toEqual(['completed', 'completed', 'cancelled', 'completed']);
  });

  it('a turn that was interrupted here is cancelled, with the call that ran, and stays so', () => {
    const { messages, context } = readRecording('33-codex-aborts');
    const log = new SessionNormaliser(context);
    const cut = messages.findIndex(({ seq }) => seq === 9);
    const entries = log.messages(messages.slice(0, cut));
    const turn = log.turnHint();
    expect(turn?.state).toBe('running');
    entries.push(...log.interrupted(turn?.turn ?? ''), ...log.messages(messages.slice(cut)), ...log.messages(messages));
    const [, slept] = of(viewOf(entries), 'turn');
    expect(slept?.state).toBe('cancelled');
    expect(of(viewOf(entries), 'tool')[0]).toMatchObject({ command: 'sleep 5', status: 'cancelled' });
    // Another run of the program reads the messages again, and knows nothing of the interrupt.
    expect(of(viewOf([...entries, ...new SessionNormaliser(context).messages(messages)]), 'turn')[1]?.state).toBe('cancelled');
  });

  it('the title that it gives is a notice, not a permission that somebody gave', () => {
    const rows = recorded('30-codex-turn');
    expect(of(rows, 'permission')).toEqual([]);
    expect(of(rows, 'notice')).toMatchObject([{ code: 'title_changed', text: 'Title: Tides and ferries' }]);
  });

  it('edits, also those beyond the folder and moves, are diffs with the files of their turn', () => {
    const rows = recorded('32-codex-edits');
    expect(of(rows, 'tool').map((row) => [row.status, row.diffs.map((diff) => diff.change)])).toEqual([['ok', ['create', 'modify']], ['denied', ['create']], ['ok', ['delete', 'rename']]]);
    expect(of(rows, 'turn').map((row) => row.filesChanged.length)).toEqual([2, 0, 2]);
  });

  it('what went wrong stands before the end of its turn, in words', () => {
    const rows = recorded('34-codex-errors');
    expect(kinds(rows)).toBe('prompt notice turn prompt notice turn prompt text turn');
    expect(of(rows, 'notice').map((row) => row.text)).toEqual(['Codex error: Too long a prompt.', 'Codex error: stream disconnected before completion: It broke.']);
    expect(of(rows, 'turn').map((row) => row.state)).toEqual(['failed', 'failed', 'completed']);
  });

  it('prompts that waited are answered by a turn of their own', () => {
    expect(kinds(recorded('35-codex-queue'))).toBe('prompt prompt prompt text turn text turn prompt notice prompt text turn');
  });

  it('a goal is told once, however often its state is, and its end only where it was known', () => {
    expect(of(recorded('36-codex-goal'), 'notice').map((row) => row.text)).toEqual(['Goal: Ship the ferry', 'Goal: Ship two', 'The goal was cleared.']);
    expect(of(recorded('37-codex-resume'), 'notice').map((row) => row.code)).toEqual(['agent_message']);
  });

  it('a replayed thread stands in its order, with what its commands gave', () => {
    const rows = recorded('38-codex-fork');
    expect(kinds(rows)).toBe('prompt thinking text tool tool text turn prompt text turn notice prompt text turn');
    expect(of(rows, 'tool')[0]).toMatchObject({ command: 'cat notes.txt', output: 'one\ntwo\nthree\n', status: 'ok' });
    expect(of(rows, 'tool')[1]?.diffs).toMatchObject([{ change: 'modify', added: 1, removed: 1 }]);
  });

  it('a subagent has a row of its own, and nothing of it is lost', () => {
    const rows = recorded('39-codex-subagent');
    expect(of(rows, 'tool').map((row) => [row.name, row.children.length])).toEqual([['Agent', 1], ['CodexSubagent', 1], ['CodexBash', 0]]);
    expect(of(rows, 'text').map((row) => row.text)).toEqual(['I look.', 'There is one.', 'It looked.']);
  });

  it('older ones tell their reasoning, titled or not, and their aborts as they are', () => {
    const rows = recorded('41-codex-older');
    expect(of(rows, 'thinking').map((row) => row.text)).toEqual(['I look at what is there.', 'Plain thoughts without a title.']);
    expect(of(rows, 'tool').map((row) => row.title)).toEqual(['Looking around', 'cat notes.txt']);
    expect(turnStates('41-codex-older')).toEqual(['completed', 'completed', 'completed', 'cancelled']);
  });
});

describe('an ACP agent under happy 1.2.5', () => {
  it('has edits with their diffs, and no rows for ends of calls that nobody began', () => {
    const rows = recorded('40-acp');
    expect(of(rows, 'tool').map((row) => [row.name, row.status])).toEqual([['read', 'ok'], ['execute', 'ok'], ['execute', 'ok'], ['execute', 'denied'], ['read', 'ok'], ['edit', 'ok']]);
    const [, , edit] = of(rows, 'permission');
    expect(edit).toMatchObject({ title: 'notes.txt', diffs: [{ change: 'modify', added: 1, removed: 1 }] });
    expect(of(rows, 'turn').at(-1)?.filesChanged).toEqual(['/home/dev/work/p2/notes.txt']);
  });

  it('is offered decisions that its command line knows', () => {
    expect(of(recorded('40-acp'), 'permission')[0]?.options.map(({ id }) => id)).toEqual(['approved', 'approved_for_session', 'denied', 'abort']);
  });

  it('an end that came before its call is told when the call is', () => {
    const message = (seq: number, ev: JsonObject): MessageInput => ({ id: `m${seq}`, seq, localId: null, createdAt: 1_800_000_000_000 + seq, content: { role: 'session', content: { id: `e${seq}`, time: 1_800_000_000_000 + seq, role: 'agent', turn: 't', ev } } });
    const end = message(2, { t: 'tool-call-end', call: 'c' });
    const log = new SessionNormaliser(plainContext);
    const entries = log.messages([end]);
    expect(viewOf(entries)).toEqual([]);
    entries.push(...log.messages([message(1, { t: 'tool-call-start', call: 'c', name: 'Bash', title: '', description: '', args: { command: 'ls' } })]));
    expect(viewOf(entries)).toMatchObject([{ kind: 'tool', name: 'Bash', status: 'ok' }]);
  });
});

describe('Gemini 0.61 under happy 1.2.5', () => {
  const rows = recorded('42-gemini');

  it('requests are one with their calls, under the words that only a message tells', () => {
    expect(of(rows, 'permission').map((row) => [row.title, row.outcome])).toEqual([['touch one.txt', 'allowed'], ['rm -rf one.txt', 'denied'], ['notes.txt: two => TWO', 'allowed']]);
    expect(of(rows, 'tool').map((row) => [row.title, row.status])).toEqual([['Looking around', 'ok'], ['touch one.txt', 'ok'], ['rm -rf one.txt', 'denied'], ['notes.txt', 'ok'], ['notes.txt', 'ok']]);
    expect(of(rows, 'tool')[3]).toMatchObject({ name: 'edit', diffs: [{ change: 'modify' }], output: '' });
  });

  it('turns whose marks have no common id have one end each, with its time, and failed where an error was told', () => {
    expect(of(rows, 'turn').map((row) => row.state)).toEqual(['completed', 'completed', 'completed', 'completed', 'completed', 'failed', 'completed']);
    expect(of(rows, 'turn').every((row) => row.durationMs !== null && row.durationMs > 50 && row.durationMs < 5_000)).toBe(true);
    expect(of(rows, 'notice').map((row) => [row.level, row.text])).toEqual([['error', 'Error: It broke.'], ['error', 'It broke.']]);
  });
});
