import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { Observer } from '../../contract/observer.ts';
import { rowsOf } from '../../contract/observer.ts';
import { isGone, runningChildren } from '../../contract/world.ts';
import { AcpRig, FastClock } from './acpRig.ts';

let rig: AcpRig;
beforeEach(async () => {
  rig = await AcpRig.make();
});
afterEach(async () => {
  await rig.dispose();
  expect(await runningChildren(), 'nothing is left running').toEqual([]);
});

const say = (text: string, fields: JsonObject = {}): JsonObject => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text }, ...fields });
const tool = (fields: JsonObject): JsonObject => ({ sessionUpdate: 'tool_call', toolCallId: 't1', title: 'Look', ...fields });
const more = (fields: JsonObject): JsonObject => ({ sessionUpdate: 'tool_call_update', toolCallId: 't1', ...fields });
const send = (chat: Observer, text: string, clientId: string = randomUUID()): Promise<void> => chat.handle.send({ text, attachments: [] }, clientId);
const failure = async (work: Promise<unknown>): Promise<PilothouseError> => {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(PilothouseError);
  return error as PilothouseError;
};

describe('what a turn shows', () => {
  it('gives rows of their own to what stands apart, without any ids on the wire', async () => {
    const acts = [{ update: say('One. ') }, { update: say('Still one.') }, { update: tool({ status: 'in_progress' }) }, { update: more({ status: 'completed', rawOutput: { stdout: 'seen' } }) }, { update: say('Two.') }, { update: { sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'Hm.' } } }, { update: say('Three.') }];
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': acts } }));
    await chat.turn('first');
    await chat.turn('second');
    const kinds = ['prompt', 'text', 'tool', 'text', 'thinking', 'text', 'turn'];
    expect(chat.rows.map((row) => row.kind)).toEqual([...kinds, ...kinds]);
    expect(new Set(chat.rows.map((row) => row.key)).size).toBe(14);
    expect(rowsOf(chat.rows, 'text').map((row) => row.text)).toEqual(['One. Still one.', 'Two.', 'Three.', 'One. Still one.', 'Two.', 'Three.']);
    expect(rowsOf(chat.rows, 'tool').map((row) => [row.status, row.output])).toEqual([['ok', 'seen'], ['ok', 'seen']]);
    expect(rowsOf(chat.rows, 'turn')[0]).toMatchObject({ state: 'completed', figures: { inputTokens: 3, outputTokens: 5 } });
    expect(chat.session?.title).toBe('first');
  });

  it('keeps what it does not know, whole', async () => {
    const raw = { sessionUpdate: 'moon_phase', phase: { name: 'full' } };
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': [{ update: raw }, { update: say('x', { content: { type: 'hologram', size: 3 } }) }, { update: tool({ content: [{ type: 'sound' }] }) }] } }));
    await chat.turn('go');
    expect(rowsOf(chat.rows, 'unknown').map((row) => row.raw)).toEqual([raw, { sessionUpdate: 'agent_message_chunk', content: { type: 'hologram', size: 3 } }, { type: 'sound' }]);
  });

  it('shows output as it comes, also where the agent replaces what it had shown', async () => {
    const text = (said: string): JsonObject[] => [{ type: 'content', content: { type: 'text', text: `\`\`\`console\n${said}\n\`\`\`` } }];
    const acts = [{ update: tool({ kind: 'execute', status: 'in_progress', rawInput: { command: 'count' } }) }, { update: more({ content: text('1') }) }, { update: more({ content: text('12') }) }, { wait: 60 }, { update: more({ content: text('34') }) }, { wait: 60 }, { update: more({ status: 'failed', content: text('345') }) }];
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': acts } }));
    const outputs: string[] = [];
    chat.handle.live(() => outputs.push(rowsOf(chat.rows, 'tool')[0]?.output ?? ''));
    const end = await chat.turn('go');
    expect([...new Set(outputs)]).toEqual(['', '1', '12', '34', '345']);
    expect(rowsOf(chat.rows, 'tool')[0]).toMatchObject({ status: 'error', output: '345', command: 'count', title: 'Look' });
    expect(end.state).toBe('completed');
  });

  it('takes title, plan, usage, modes and options from their updates', async () => {
    const options = [{ id: 'm', name: 'Model', category: 'model', type: 'select', currentValue: 'big', options: [{ group: 'all', name: 'All', options: [{ value: 'big', name: 'Big' }, { value: 'small', name: 'Small' }] }] }];
    const acts = [
      { update: { sessionUpdate: 'session_info_update', title: 'By the\nagent' } },
      { update: { sessionUpdate: 'plan', entries: [{ content: 'Row', status: 'in_progress', priority: 'high' }] } },
      { update: { sessionUpdate: 'plan', entries: [{ content: 'Row', status: 'completed', priority: 'high' }] } },
      { update: { sessionUpdate: 'usage_update', used: 100, size: 2000, cost: { amount: 0.5, currency: 'USD' } } },
      { update: { sessionUpdate: 'current_mode_update', currentModeId: 'fast' } },
      { update: { sessionUpdate: 'config_option_update', configOptions: options } },
    ];
    const newSession = { modes: { currentModeId: 'slow', availableModes: [{ id: 'slow', name: 'Slow' }, { id: 'fast', name: 'Fast' }] } };
    const backend = await rig.backend({ prompts: { '*': acts }, newSession });
    const chat = await rig.spawn(backend);
    expect(chat.handle.controls()).toMatchObject({ mode: 'slow', models: [] });
    await chat.turn('go');
    await chat.until('the title', () => chat.session?.title === 'By the');
    expect(rowsOf(chat.rows, 'todo').map((row) => row.items)).toEqual([[{ text: 'Row', status: 'done' }]]);
    expect(chat.session?.usage).toMatchObject({ contextTokens: 100, contextWindow: 2000, costUsd: 0.5 });
    expect(chat.handle.controls()).toMatchObject({ mode: 'fast', model: 'big', models: [{ id: 'big' }, { id: 'small' }] });
    expect((await failure(chat.handle.setModel('huge'))).code).toBe('invalid_argument');
    await chat.handle.rename('Mine');
    await chat.turn('go');
    expect(chat.session?.title).toBe('Mine');
    expect(await backend.controls({ folder: rig.folder })).toMatchObject({ mode: 'fast', model: 'big' });
  });

  it('fails a turn in the agent\'s words, and a prompt that was refused not at all', async () => {
    const backend = await rig.backend({ prompts: { bad: [{ update: say('Trying') }, { error: { code: -32603, message: 'Internal error: model overloaded' } }], wrong: [{ error: { code: -32602, message: 'Invalid params', data: 'no such block' } }] } });
    const chat = await rig.spawn(backend);
    expect(await chat.turn('bad')).toMatchObject({ state: 'failed', error: 'model overloaded' });
    expect(chat.session).toMatchObject({ state: 'failed', error: 'model overloaded' });
    expect(await failure(send(chat, 'wrong'))).toMatchObject({ code: 'prompt_refused', message: expect.stringContaining('no such block') as string });
    expect(rowsOf(chat.rows, 'prompt').map((row) => row.text)).toEqual(['bad']);
    expect((await chat.turn('fine')).state).toBe('completed');
    expect(chat.session?.state).toBe('idle');
  });

  it('tells of silence, and of its end', async () => {
    const clock = new FastClock(40);
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': [{ wait: 1200 }, { update: say('Sorry.') }] } }, { clock }));
    await send(chat, 'go');
    await chat.until('the notice', () => rowsOf(chat.rows, 'notice').some((row) => row.code === 'stalled' && row.level === 'warning'));
    expect(chat.session?.activity?.phase).toBe('stalled');
    await chat.turnEnd(0);
    expect(rowsOf(chat.rows, 'notice')).toMatchObject([{ code: 'stalled', level: 'info', text: expect.stringMatching(/^The model was silent for \d+ s\.$/) as string }]);
  });

  it('hands images over where the agent takes them', async () => {
    const image = { name: 'chart.png', mediaType: 'image/png', size: 4, data: 'iVBORw==', path: null };
    const seeing = await rig.spawn(await rig.backend({ capabilities: { promptCapabilities: { image: true } } }));
    await seeing.handle.send({ text: 'Look', attachments: [image, { ...image, name: 'a b.txt', mediaType: 'text/plain', data: null, path: '/tmp/a b.txt' }] }, randomUUID());
    await seeing.turnEnd(0);
    const sent = (await rig.received()).findLast((message) => message['method'] === 'session/prompt');
    expect(sent?.['params']).toMatchObject({ prompt: [{ type: 'text', text: 'Look' }, { type: 'image', mimeType: 'image/png', data: 'iVBORw==' }, { type: 'resource_link', name: 'a b.txt', uri: 'file:///tmp/a%20b.txt' }] });
    const blind = await rig.spawn(await rig.backend({}));
    expect((await failure(blind.handle.send({ text: 'Look', attachments: [image] }, randomUUID()))).code).toBe('invalid_argument');
    expect(blind.rows).toEqual([]);
  });
});

describe('what an agent asks', () => {
  const ask = { toolCall: { toolCallId: 't1', title: 'rm notes', kind: 'delete', rawInput: { path: 'notes' }, content: [{ type: 'diff', path: '/w/notes', oldText: 'a\n', newText: '' }] }, options: [{ optionId: 'y1', name: 'Just this', kind: 'allow_once' }, { optionId: 'y2', name: 'For ever', kind: 'allow_always' }, { optionId: 'n', name: 'Rather not', kind: 'reject_once' }, { optionId: 'x', name: 'Odd', kind: 'sometimes' }] };

  it('keeps its options with their names, and takes the one that was picked', async () => {
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': [{ ask }] } }));
    await send(chat, 'go');
    const asked = await chat.until('a permission', () => chat.asks()[0]);
    expect(asked.options).toEqual([{ id: 'y1', label: 'Just this', scope: 'once' }, { id: 'y2', label: 'For ever', scope: 'always' }, { id: 'n', label: 'Rather not', scope: 'reject' }]);
    expect(asked).toMatchObject({ tool: 'delete', title: 'rm notes', takesReason: false, diffs: [{ path: '/w/notes', removed: 1 }] });
    expect(chat.session?.waiting).toMatchObject([{ requestId: asked.requestId, tool: 'delete' }]);
    expect((await failure(chat.handle.answer(asked.requestId, { outcome: 'allow-session' }))).code).toBe('invalid_argument');
    expect((await failure(chat.handle.answer(asked.requestId, { outcome: 'allow', optionId: 'zz' }))).code).toBe('invalid_argument');
    expect((await failure(chat.handle.answer('nothing', { outcome: 'allow' }))).code).toBe('request_not_found');
    await chat.handle.answer(asked.requestId, { outcome: 'allow', optionId: 'y2' });
    await chat.turnEnd(0);
    expect(chat.said()).toContain('"optionId":"y2"');
    expect(rowsOf(chat.rows, 'permission')[0]).toMatchObject({ outcome: 'allowed-always' });
  });

  it('asks in forms, with every kind of field', async () => {
    const properties = {
      harbour: { type: 'string', title: 'Harbour', oneOf: [{ const: 'n', title: 'North' }, { const: 's', title: 'South', description: 'Warmer' }] },
      count: { type: 'integer', title: 'How many?' }, sure: { type: 'boolean', title: 'Sure?' }, sails: { type: 'array', title: 'Sails', items: { type: 'string', enum: ['jib', 'main'] } }, remark: { type: 'string', description: 'Anything else' },
    };
    const call = { call: 'elicitation/create', params: { mode: 'form', message: 'Where to?', requestedSchema: { type: 'object', properties } } };
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': [call], link: [{ call: 'elicitation/create', params: { mode: 'url', url: 'https://example.test', message: 'Go' } }] } }));
    await send(chat, 'go');
    const asked = await chat.until('a question', () => chat.asks()[0]);
    expect(asked).toMatchObject({ ask: 'question', title: 'Where to?' });
    expect(asked.questions.map((one) => [one.id, one.multiple, one.free, one.options.map((option) => option.label)])).toEqual([
      ['harbour', false, false, ['North', 'South']], ['count', false, true, []], ['sure', false, false, ['Yes', 'No']], ['sails', true, false, ['jib', 'main']], ['remark', false, true, []],
    ]);
    expect((await failure(chat.handle.answer(asked.requestId, { outcome: 'allow' }))).code).toBe('invalid_argument');
    await chat.handle.answer(asked.requestId, { outcome: 'answer', answers: { harbour: ['South'], count: ['7'], sure: ['Yes'], sails: ['jib', 'main'], remark: ['Soon'] } });
    await chat.turnEnd(0);
    expect(chat.said()).toContain(JSON.stringify({ action: 'accept', content: { harbour: 's', count: 7, sure: true, sails: ['jib', 'main'], remark: 'Soon' } }));
    await send(chat, 'go');
    await chat.handle.answer((await chat.until('a question', () => chat.asks()[0])).requestId, { outcome: 'deny' });
    await chat.turnEnd(1);
    expect(chat.said()).toContain('"action":"decline"');
    await chat.turn('link');
    expect(chat.said()).toContain('-32602');
  });

  it('steers and forks where the agent offers it', async () => {
    const backend = await rig.backend({ meta: { steering: { supported: true } }, capabilities: { sessionCapabilities: { fork: {} } }, prompts: { slow: [{ update: say('Well, ') }, { wait: 400 }, { update: say('done.') }] } });
    const chat = await rig.spawn(backend);
    expect(backend.traits).toMatchObject({ steer: true, fork: true, images: false });
    await send(chat, 'slow');
    const clientId = randomUUID();
    await chat.handle.send({ text: 'Faster', attachments: [] }, clientId, { steer: true });
    await chat.turnEnd(0);
    expect(chat.rows.map((row) => row.kind)).toEqual(['prompt', 'text', 'text', 'prompt', 'text', 'turn'].filter((_, index) => chat.rows.length === 6 || index !== 1));
    expect(rowsOf(chat.rows, 'prompt').at(-1)).toMatchObject({ text: 'Faster', clientId, turn: rowsOf(chat.rows, 'turn')[0]?.turn });
    const fork = await chat.handle.fork();
    expect(fork).toMatchObject({ id: `${chat.handle.id}-fork`, title: 'slow (fork)', folder: rig.folder, state: 'idle' });
  });
});

describe('an agent that does not listen', () => {
  it('is ended when an interrupt is not answered', async () => {
    const clock = new FastClock(10);
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': [{ update: say('La') }, { hang: true, deaf: true }] } }, { clock }));
    await send(chat, 'go');
    await chat.until('text', () => chat.said() === 'La');
    const steps: string[] = [];
    const report = await chat.handle.interrupt({ onStep: (step) => steps.push(step) });
    expect(report.step).toMatch(/terminated|killed/);
    // What is tried next is said before it is tried, and no step that was not needed.
    expect(steps).toEqual([expect.stringMatching(/does not break the turn off\. Ending its process…$/), ...(report.step === 'killed' ? [expect.stringMatching(/Killing its process…$/)] : [])]);
    expect(await chat.turnEnd(0)).toMatchObject({ state: 'cancelled' });
    expect(rowsOf(chat.rows, 'notice')).toEqual([]);
    expect(await runningChildren()).toEqual([]);
  });

  it('is not ended while it works for another session', async () => {
    const clock = new FastClock(10);
    const backend = await rig.backend({ prompts: { deaf: [{ update: say('La') }, { hang: true, deaf: true }], other: [{ update: say('Lo') }, { hang: true }] } }, { clock });
    const [deaf, other] = await Promise.all([rig.spawn(backend), rig.spawn(backend)]);
    await Promise.all([send(deaf, 'deaf'), send(other, 'other')]);
    await deaf.until('text', () => deaf.said() === 'La');
    await other.until('text', () => other.said() === 'Lo');
    expect((await failure(deaf.handle.interrupt())).code).toBe('interrupt_unanswered');
    expect(other.session?.state).toBe('running');
    // Stopping is another matter: the program goes, and the other session's turn with it.
    expect((await deaf.handle.stop()).step).toMatch(/terminated|killed/);
    await deaf.until('the session to be stopped', () => deaf.session?.state === 'stopped');
    expect(await other.turnEnd(0)).toMatchObject({ state: 'cancelled' });
    expect(await runningChildren()).toEqual([]);
  });
});

describe('what a session does for its agent', () => {
  it('reads and writes files in the session\'s folder, and nowhere else', async () => {
    await writeFile(path.join(rig.folder, 'notes.txt'), 'one\ntwo\nthree\n');
    const outside = path.join(rig.world.root, 'secret.txt');
    await writeFile(outside, 'secret');
    await mkdir(path.join(rig.folder, 'sub'));
    await symlink(rig.world.root, path.join(rig.folder, 'sub', 'up'));
    const read = (file: string, fields: Record<string, unknown> = {}): object => ({ call: 'fs/read_text_file', params: { path: file, ...fields } });
    const inside = path.join(rig.folder, 'notes.txt');
    const written = path.join(rig.folder, 'new', 'deep.txt');
    const acts = [
      read(inside, { line: 2, limit: 1 }), read(outside), read(path.join(rig.folder, '..', 'secret.txt')), read(path.join(rig.folder, 'sub', 'up', 'secret.txt')), read('notes.txt'), read(path.join(rig.folder, 'none.txt')),
      { call: 'fs/write_text_file', params: { path: written, content: 'deep' } }, { call: 'fs/write_text_file', params: { path: path.join(rig.folder, 'sub', 'up', 'escaped.txt'), content: 'no' } },
    ];
    const chat = await rig.spawn(await rig.backend({ prompts: { '*': acts as [] } }));
    const end = await chat.turn('go');
    const answers = chat.said().split('\n').filter((line) => line !== '');
    expect(answers[0]).toBe('answer {"content":"two"}');
    for (const refused of answers.slice(1, 4)) expect(refused).toContain("outside of the session's folder");
    expect(answers[4]).toContain('must be absolute');
    expect(answers[5]).toContain('-32002');
    expect(await readFile(written, 'utf8')).toBe('deep');
    expect(existsSync(path.join(rig.world.root, 'escaped.txt'))).toBe(false);
    expect(end.filesChanged).toEqual([written]);
    expect(chat.said()).not.toContain('secret"');
  });

  it('runs commands in terminals, shows their output live, and ends them with the turn', async () => {
    const pid = path.join(rig.folder, 'sleep.pid');
    const prompts = {
      echo: [{ call: 'terminal/create', params: { command: '/bin/sh', args: ['-c', 'echo "$TIDE in"; sleep 0.3; echo out >&2; exit 3'], env: [{ name: 'TIDE', value: 'high' }] } }],
      line: [{ call: 'terminal/create', params: { command: 'echo a && echo b' } }],
      missing: [{ call: 'terminal/create', params: { command: 'no-such-program', args: ['x'] } }, { call: 'terminal/output', params: { terminalId: 'none' } }, { call: 'terminal/create', params: { command: 'true', cwd: '/' } }],
      sleep: [{ call: 'terminal/create', params: { command: `sleep 100 & echo $! > ${pid}; wait` } }, { hang: true as const }],
    };
    const backend = await rig.backend({ prompts });
    const chat = await rig.spawn(backend);
    await chat.turn('missing');
    expect(chat.said()).toMatch(/no-such-program was not found[\s\S]*-32002[\s\S]*outside of the session's folder/);
    await chat.turn('line');
    expect(chat.said()).toMatch(/"terminalId":"terminal-[\w-]+"/);
    await send(chat, 'sleep');
    const sleeper = await chat.until('the process', () => existsSync(pid));
    expect(sleeper).toBe(true);
    const report = await chat.handle.interrupt();
    expect(report).toMatchObject({ step: 'interrupted', message: expect.stringContaining('command was ended') as string });
    expect(await isGone(Number((await readFile(pid, 'utf8')).trim()))).toBe(true);
  });

  it('shows a terminal in the row of the call that names it, whichever came first', async () => {
    const { SessionLog } = await import('../../../src/core/systems/local/acp/normalise.ts');
    for (const order of ['terminal first', 'call first']) {
      const log = new SessionLog({ scope: 'run:test' });
      const entries = log.beginTurn({ clientId: 'p', text: 'go', attachments: [] }, 1000);
      const call = (): void => void entries.push(...log.update(tool({ kind: 'execute', status: 'in_progress', content: [{ type: 'terminal', terminalId: 'T' }] }), 1001));
      if (order === 'call first') call();
      entries.push(...log.terminalOutput('T', 'high '), ...log.terminalOutput('T', 'tide\n'));
      if (order === 'terminal first') call();
      expect(rowsOf(viewOf(entries), 'tool')[0]).toMatchObject({ output: 'high tide\n', status: 'running' });
      entries.push(...log.terminalExit('T', 3, 1002), ...log.update(more({ status: 'failed' }), 1003), ...log.terminalOutput('T', 'late'));
      expect(rowsOf(viewOf(entries), 'tool')[0]).toMatchObject({ output: 'high tide\n', status: 'error', exitCode: 3 });
    }
  });
});
