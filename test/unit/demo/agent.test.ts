import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { methods } from '@agentclientprotocol/sdk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dies, makeFolder, pidIn, Rig, Seen, settled } from './client.ts';

let folder: Awaited<ReturnType<typeof makeFolder>>;
let rig: Awaited<ReturnType<typeof Rig.start>>;
let id: string;
const text = (path: string): Promise<string> => readFile(join(folder.root, path), 'utf8');

/** One process for all tests of a group; each has a session and a workspace of its own. */
const shared = (): void => {
  let first: Awaited<ReturnType<typeof makeFolder>>;
  beforeAll(async () => {
    first = await makeFolder();
    rig = await Rig.start(first.state, true);
  });
  afterAll(async () => {
    await rig.stop();
    await first.dispose();
  });
  beforeEach(async () => {
    folder = await makeFolder();
    rig.answer = 'allow';
    rig.asked.length = 0;
    rig.meanwhile = () => Promise.resolve();
    id = (await rig.session(folder.root)).sessionId;
  });
  afterEach(() => folder.dispose());
};
const setMode = (modeId: string): Promise<unknown> => rig.connection.agent.request(methods.agent.session.setMode, { sessionId: id, modeId });

describe('a session', () => {
  shared();

  it('says what it is, offers modes, options and commands, and names itself after the first prompt', async () => {
    expect(rig.hello).toMatchObject({ agentInfo: { name: 'pilothouse-demo' }, agentCapabilities: { loadSession: true, sessionCapabilities: { list: {}, resume: {} } } });
    const created = await rig.connection.agent.request(methods.agent.session.new, { cwd: folder.root, mcpServers: [] });
    expect(created.modes).toMatchObject({ currentModeId: 'ask', availableModes: [{ id: 'ask' }, { id: 'accept-edits' }, { id: 'plan' }] });
    expect(created.configOptions?.map((option) => option.category)).toEqual(['mode', 'model', 'thought_level']);
    await rig.until(() => rig.updates.some((one) => one.sessionId === created.sessionId && one.update.sessionUpdate === 'available_commands_update'));
    const seen = await rig.turn(id, 'hello');
    expect(seen.stopReason).toBe('end_turn');
    expect(seen.kind('session_info_update')).toMatchObject([{ title: 'hello' }]);
    expect(seen.text()).toContain('4 files');
    expect(seen.kind('usage_update').at(-1)).toMatchObject({ size: 200_000, used: expect.any(Number) as number });
  });

  it('keeps mode and options in step, whichever way they are set', async () => {
    await setMode('plan');
    await settled();
    expect(rig.last(id, 'config_option_update')).toMatchObject({ configOptions: [{ id: 'mode', currentValue: 'plan' }, {}, {}] });
    const set = await rig.connection.agent.request(methods.agent.session.setConfigOption, { sessionId: id, configId: 'mode', value: 'accept-edits' });
    expect(set.configOptions[0]).toMatchObject({ currentValue: 'accept-edits' });
    await settled();
    expect(rig.last(id, 'current_mode_update')).toMatchObject({ currentModeId: 'accept-edits' });
    await expect(setMode('yolo')).rejects.toMatchObject({ code: -32602 });
    await expect(rig.connection.agent.request(methods.agent.session.setConfigOption, { sessionId: id, configId: 'model', value: 'gpt' })).rejects.toMatchObject({ code: -32602 });
  });

  it('refuses folders and sessions that are not there', async () => {
    await expect(rig.connection.agent.request(methods.agent.session.new, { cwd: join(folder.root, 'gone'), mcpServers: [] })).rejects.toMatchObject({ code: -32602 });
    for (const sessionId of ['00000000-0000-4000-8000-000000000000', '../../etc/passwd']) {
      await expect(rig.connection.agent.request(methods.agent.session.load, { sessionId, cwd: folder.root, mcpServers: [] })).rejects.toMatchObject({ code: -32002 });
    }
    await expect(rig.prompt('nope', 'hi')).rejects.toMatchObject({ code: -32002 });
  });
});

describe('reading', () => {
  shared();

  it('lists, searches and explains from what is really there, by tool calls', async () => {
    expect((await rig.turn(id, 'list files in src')).text()).toContain('`pad.ts`, `time.ts`');
    const found = await rig.turn(id, 'search for midnight');
    expect(found.text()).toContain('`src/time.ts:5`');
    expect(found.kind('tool_call')).toMatchObject([{ kind: 'search', status: 'in_progress' }]);
    expect(found.kind('tool_call_update').at(-1)).toMatchObject({ status: 'completed', rawOutput: { hits: 1 } });
    const explained = await rig.turn(id, 'explain it');
    expect(explained.text()).toMatch(/Times of day, in minutes[\s\S]*`\.\/pad\.ts`[\s\S]*`clock` \| exported function \|[\s\S]*mind midnight/);
    expect(explained.kind('tool_call')).toMatchObject([{ kind: 'read', locations: [{ path: expect.stringMatching(/ferry\/src\/time\.ts$/) as string }] }]);
    expect((await rig.turn(id, 'give me an overview')).text()).toContain('A timetable for a small ferry.');
  });

  it('stays within the folder and says so', async () => {
    const seen = await rig.turn(id, 'show ../../../etc/passwd');
    expect(seen.text()).toContain('outside of this workspace');
    expect(seen.kind('tool_call')).toEqual([]);
  });

  it('searches for the words of a prompt that no rule fits', async () => {
    const seen = await rig.turn(id, 'why is the ferry late at midnight?');
    expect(seen.text()).toContain('`src/time.ts:5`');
    expect(seen.text()).toContain('Say `help`');
  });

  it('thinks aloud, works through a plan, and shows tools', async () => {
    const thought = await rig.turn(id, 'think about midnight');
    expect(thought.text('agent_thought_chunk')).toContain('midnight occurs in 1 file');
    const planned = await rig.turn(id, 'plan the midnight change');
    const states = planned.kind('plan').map((update) => update.entries.map((entry) => entry.status[0]).join(''));
    expect(states).toEqual(['pppp', 'ippp', 'cipp', 'ccip', 'ccci', 'cccc']);
    expect((await rig.turn(id, 'show tools')).kind('tool_call').map((call) => call.kind)).toEqual(['search', 'search', 'read', 'read']);
  });

  it('describes images and explains files that come along', async () => {
    const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
    const from = rig.updates.length;
    await rig.connection.agent.request(methods.agent.session.prompt, { sessionId: id, prompt: [{ type: 'image', mimeType: 'image/png', data: png.toString('base64') }] });
    await rig.connection.agent.request(methods.agent.session.prompt, {
      sessionId: id, prompt: [{ type: 'text', text: 'what of this?' }, { type: 'resource_link', name: 'time.ts', uri: `file://${folder.root}/src/time.ts` }],
    });
    await settled();
    const said = rig.updates.slice(from).flatMap(({ update }) => (update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text' ? [update.content.text] : [])).join('');
    expect(said).toContain(`| 1 | image/png | ${png.length} | 1 × 1 |`);
    expect(said).toContain('`clock` | exported function');
  });

  it('asks by a form, and tells what was answered', async () => {
    rig.form = { action: 'accept', content: { next: 'tools', remark: 'soon' } };
    expect((await rig.turn(id, 'ask me something')).text()).toContain('- remark: soon');
    rig.form = { action: 'decline' };
    expect((await rig.turn(id, 'ask me something')).text()).toContain('No answer');
  });

  it('fails when told to, and goes on after', async () => {
    await expect(rig.prompt(id, 'fail')).rejects.toMatchObject({ code: -32603, message: expect.stringContaining('You asked me to fail') as string });
    expect((await rig.turn(id, 'thanks')).stopReason).toBe('end_turn');
  });
});

describe('changing', () => {
  shared();

  it('proposes an edit with its diff, asks, and writes it only then', async () => {
    const before = await text('src/time.ts');
    rig.answer = 'never';
    const running = rig.turn(id, 'rename clock to time in src/time.ts');
    await rig.until(() => rig.asked.length === 1);
    expect(await text('src/time.ts')).toBe(before);
    expect(rig.asked[0]).toMatchObject({
      toolCall: { kind: 'edit', status: 'pending', content: [{ type: 'diff', oldText: before, newText: before.replace('clock', 'time') }], locations: [{ line: 4 }] },
      options: [{ kind: 'allow_once' }, { kind: 'allow_always' }, { kind: 'reject_once' }],
    });
    await rig.connection.agent.notify(methods.agent.session.cancel, { sessionId: id });
    const seen = await running;
    expect(seen.stopReason).toBe('cancelled');
    expect(seen.kind('tool_call_update').at(-1)).toMatchObject({ status: 'failed' });
    expect(await text('src/time.ts')).toBe(before);
    rig.answer = 'allow';
    expect((await rig.turn(id, 'rename clock to time in src/time.ts')).kind('tool_call_update').at(-1)).toMatchObject({ status: 'completed', content: [{ type: 'diff' }] });
    expect(await text('src/time.ts')).toBe(before.replace('clock', 'time'));
  });

  it('leaves all as it was when rejected', async () => {
    rig.answer = 'reject';
    const before = await text('src/pad.ts');
    const seen = await rig.turn(id, 'fix src/pad.ts');
    expect(seen.kind('tool_call_update').at(-1)).toMatchObject({ status: 'failed' });
    expect(seen.text()).toContain('left everything as it was');
    expect(await text('src/pad.ts')).toBe(before);
    rig.answer = 'dismiss';
    expect((await rig.turn(id, 'fix src/pad.ts')).stopReason).toBe('cancelled');
  });

  it('asks no more once edits are allowed for the session, in that session only', async () => {
    rig.answer = 'allow-session';
    await rig.turn(id, 'fix');
    expect((await text('src/pad.ts')).endsWith('{\n  return String(value).padStart(2, \'0\');\n}\n')).toBe(true);
    await rig.turn(id, 'add a todo to it: more');
    expect(rig.asked).toHaveLength(1);
    expect(await text('src/pad.ts')).toContain('// TODO: more');
    const other = (await rig.session(folder.root)).sessionId;
    await rig.turn(other, 'add a comment to src/time.ts');
    expect(rig.asked).toHaveLength(2);
  });

  it('writes a test that passes, and runs it', async () => {
    await rig.turn(id, 'add a test for src/time.ts');
    const seen = await rig.turn(id, 'run node --test src/time.test.ts');
    expect(seen.kind('tool_call_update').at(-1)).toMatchObject({ status: 'completed', rawOutput: { exitCode: 0, output: expect.stringMatching(/pass 2/) as string } });
  });

  it('accepts edits without asking in that mode, but asks before it deletes', async () => {
    await setMode('accept-edits');
    await rig.turn(id, 'create file notes/a.md: first');
    expect(await text('notes/a.md')).toBe('first\n');
    expect(rig.asked).toHaveLength(0);
    await rig.turn(id, 'delete notes/a.md');
    expect(rig.asked).toMatchObject([{ toolCall: { kind: 'delete' } }]);
    await expect(text('notes/a.md')).rejects.toThrow();
  });

  it('writes and runs nothing in the plan mode', async () => {
    await setMode('plan');
    const before = await text('src/pad.ts');
    expect((await rig.turn(id, 'fix src/pad.ts')).text()).toMatch(/```diff[\s\S]*^-export function pad\(value: number\): string \{ {2}$/m);
    expect((await rig.turn(id, 'run touch made')).text()).toContain('I would run');
    expect(await text('src/pad.ts')).toBe(before);
    expect(await readdir(folder.root)).not.toContain('made');
    expect(rig.asked).toEqual([]);
  });

  it('does not overwrite what changed while it asked', async () => {
    rig.meanwhile = () => writeFile(join(folder.root, 'README.md'), 'theirs\n');
    const seen = await rig.turn(id, 'add a comment to README.md: hi');
    expect(seen.text()).toContain('changed after I read it');
    expect(seen.kind('tool_call_update').at(-1)).toMatchObject({ status: 'failed' });
    expect(await text('README.md')).toBe('theirs\n');
  });
});

describe('running', () => {
  shared();

  it('streams the output of a command that was allowed, and tells how it ended', async () => {
    const seen = await rig.turn(id, 'run echo one; sleep 0.4; echo two; exit 4');
    const outputs = seen.kind('tool_call_update').map((update) => JSON.stringify(update.content ?? ''));
    expect(outputs.some((output) => output.includes('one') && !output.includes('two'))).toBe(true);
    expect(seen.kind('tool_call_update').at(-1)).toMatchObject({ status: 'failed', rawOutput: { output: 'one\ntwo\n', exitCode: 4 } });
    expect(seen.text()).toContain('exit code 4');
  });

  it('runs nothing that was rejected', async () => {
    rig.answer = 'reject';
    await rig.turn(id, 'run touch made');
    expect(await readdir(folder.root)).not.toContain('made');
  });

  it('ends a running command when the turn is cancelled, and says so within the call', async () => {
    const running = rig.turn(id, 'run echo $$ > pid; echo begun; while true; do sleep 0.1; done');
    const pid = await pidIn(join(folder.root, 'pid'));
    await rig.connection.agent.notify(methods.agent.session.cancel, { sessionId: id });
    const seen = await running;
    expect(seen.stopReason).toBe('cancelled');
    expect(seen.results()).toMatch(/begun[\s\S]*Stopped by you/);
    expect(await dies(pid)).toBe(true);
  });

  it('stops a long answer at once, keeps what was said, and takes the next prompt', async () => {
    const from = rig.updates.length;
    const running = rig.turn(id, 'stream 5000 words at 200 words a second');
    await rig.until(() => rig.updates.slice(from).filter((one) => one.update.sessionUpdate === 'agent_message_chunk').length > 5);
    await expect(rig.prompt(id, 'hi')).rejects.toMatchObject({ code: -32600 });
    const asked = performance.now();
    await rig.connection.agent.notify(methods.agent.session.cancel, { sessionId: id });
    const seen = await running;
    expect(performance.now() - asked).toBeLessThan(500);
    expect(seen.stopReason).toBe('cancelled');
    expect(seen.text()).toMatch(/^# A tour of ferry/);
    expect((await rig.turn(id, 'thanks')).stopReason).toBe('end_turn');
  });

  it('runs in a terminal of the client, and has it killed on cancel', async () => {
    const seen = await rig.turn(id, '/terminal echo hi');
    expect(rig.terminals).toEqual(['create /bin/sh -c echo hi', 'release']);
    expect(seen.kind('tool_call_update').at(-1)).toMatchObject({
      status: 'completed', content: [{ type: 'terminal', terminalId: 'terminal-1' }, {}], rawOutput: { exitCode: 0, output: 'from the terminal\n' },
    });
    rig.terminals.length = 0;
    rig.endless = true;
    const running = rig.turn(id, '/terminal sleep 60');
    await rig.until(() => rig.terminals.length === 1);
    await rig.connection.agent.notify(methods.agent.session.cancel, { sessionId: id });
    expect((await running).stopReason).toBe('cancelled');
    expect(rig.terminals).toEqual(['create /bin/sh -c sleep 60', 'kill', 'release']);
  });

  it('streams at the pace that was asked for', async () => {
    const started = performance.now();
    const seen = await rig.turn(id, 'stream 300 words at 600 words a second');
    const seconds = (performance.now() - started) / 1000;
    expect(seen.kind('agent_message_chunk').length).toBeGreaterThan(20);
    expect(seconds).toBeGreaterThan(0.4);
    expect(seconds).toBeLessThan(2);
  });
});

describe('across processes', () => {
  beforeEach(async () => {
    folder = await makeFolder();
  });
  afterEach(() => folder.dispose());

  it('a session is listed, loaded with all that happened, and goes on', async () => {
    const before = await Rig.start(folder.state);
    const { sessionId } = await before.session(folder.root);
    await before.session(folder.root);
    await before.connection.agent.request(methods.agent.session.setMode, { sessionId, modeId: 'accept-edits' });
    const first = await before.turn(sessionId, 'fix src/pad.ts');
    const second = await before.turn(sessionId, 'explain it');
    await before.stop();
    expect(before.child.exitCode).toBe(0);
    expect((await stat(join(folder.state, `${sessionId}.jsonl`))).mode & 0o077).toBe(0);

    const after = await Rig.start(folder.state);
    try {
      const listed = await after.connection.agent.request(methods.agent.session.list, { cwd: folder.root });
      expect(listed.sessions).toMatchObject([{ sessionId, title: 'fix src/pad.ts', cwd: folder.root }]);
      expect((await after.connection.agent.request(methods.agent.session.list, { cwd: '/elsewhere' })).sessions).toEqual([]);
      const loaded = await after.connection.agent.request(methods.agent.session.load, { sessionId, cwd: folder.root, mcpServers: [] });
      await settled();
      expect(loaded.modes?.currentModeId).toBe('accept-edits');
      const replayed = new Seen(after.updates.map((one) => one.update));
      expect(replayed.text('user_message_chunk')).toBe('fix src/pad.tsexplain it');
      expect(replayed.text()).toBe(`${first.text()}\n\n${second.text()}`);
      expect(replayed.kind('tool_call').map((call) => call.toolCallId)).toEqual([...first.kind('tool_call'), ...second.kind('tool_call')].map((call) => call.toolCallId));
      expect((await after.turn(sessionId, 'explain it')).text()).toBe(second.text());
      await after.connection.agent.request(methods.agent.session.delete, { sessionId });
      expect((await after.connection.agent.request(methods.agent.session.list, {})).sessions).toEqual([]);
      await expect(after.prompt(sessionId, 'hi')).rejects.toMatchObject({ code: -32002 });
    } finally {
      await after.stop();
    }
  });

  it('a session whose process was killed in a turn is loaded with the call that never ended marked as failed; resume sends nothing', async () => {
    const before = await Rig.start(folder.state);
    const { sessionId } = await before.session(folder.root);
    const cut = before.prompt(sessionId, 'run sleep 5').catch((error: unknown) => error);
    await before.until(() => before.updates.some((one) => one.update.sessionUpdate === 'tool_call_update'));
    before.child.kill('SIGKILL');
    expect(await cut).toBeInstanceOf(Error);

    const after = await Rig.start(folder.state);
    try {
      await after.connection.agent.request(methods.agent.session.resume, { sessionId, cwd: folder.root });
      expect(after.updates.filter((one) => one.update.sessionUpdate !== 'available_commands_update')).toEqual([]);
      await after.connection.agent.request(methods.agent.session.load, { sessionId, cwd: folder.root, mcpServers: [] });
      await settled();
      expect(after.updates.map((one) => one.update)).toContainEqual(expect.objectContaining({ sessionUpdate: 'tool_call_update', status: 'failed' }));
      expect((await after.turn(sessionId, 'thanks')).stopReason).toBe('end_turn');
    } finally {
      await after.stop();
    }
  });

  it('an agent whose client goes ends its commands, then itself', async () => {
    const lost = await Rig.start(folder.state);
    const { sessionId } = await lost.session(folder.root);
    const cut = lost.prompt(sessionId, 'run echo $$ > pid; while true; do sleep 0.1; done').catch((error: unknown) => error);
    const pid = await pidIn(join(folder.root, 'pid'));
    await lost.stop();
    await cut;
    expect(lost.child.exitCode).toBe(0);
    expect(await dies(pid)).toBe(true);
    expect(lost.errors).toBe('');
  });

  it('SIGTERM does the same', async () => {
    const told = await Rig.start(folder.state);
    const { sessionId } = await told.session(folder.root);
    const cut = told.prompt(sessionId, 'run echo $$ > pid; while true; do sleep 0.1; done').catch((error: unknown) => error);
    const pid = await pidIn(join(folder.root, 'pid'));
    told.child.kill('SIGTERM');
    await cut;
    await told.stop();
    expect(told.child.exitCode).toBe(143);
    expect(await dies(pid)).toBe(true);
  });
});
