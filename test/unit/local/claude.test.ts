import { mkdir, open, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/core/model/backend.ts';
import type { BackendContext } from '../../../src/core/model/context.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import { createClaims } from '../../../src/core/systems/local/claims.ts';
import { controlsOf, defaultSettings } from '../../../src/core/systems/local/claude/controls.ts';
import { ControlChannel } from '../../../src/core/systems/local/claude/control.ts';
import { userMessage } from '../../../src/core/systems/local/claude/content.ts';
import type { Desk } from '../../../src/core/systems/local/claude/desk.ts';
import { diffOf, inputDiffs, previewDiffs, resultDiffs } from '../../../src/core/systems/local/claude/diffs.ts';
import { FactsCache, listTranscripts, projectName, transcriptAt } from '../../../src/core/systems/local/claude/files.ts';
import { launchArgs } from '../../../src/core/systems/local/claude/launch.ts';
import { linesBackward, linesForward } from '../../../src/core/systems/local/claude/lineFile.ts';
import { historyPage } from '../../../src/core/systems/local/claude/pages.ts';
import { answerOf } from '../../../src/core/systems/local/claude/permissions.ts';
import { PresenceWatch } from '../../../src/core/systems/local/claude/presence.ts';
import { ClaudeReader } from '../../../src/core/systems/local/claude/reader.ts';
import { TranscriptReader } from '../../../src/core/systems/local/claude/transcript.ts';
import { readInitialized } from '../../../src/core/systems/local/claude/wire.ts';
import { agentEnv } from '../../../src/core/systems/local/environment.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { HandClock } from '../session/hand-clock.ts';
import { recording, replay } from './claudeRecording.ts';
import { memoryLog, tempFolder } from './processScripts.ts';

let temp: Awaited<ReturnType<typeof tempFolder>>;
beforeAll(async () => {
  temp = await tempFolder();
});
afterAll(() => temp.remove());

const silent = { onTaken: () => undefined, onAsk: () => undefined, onTurnEnd: () => undefined, onTitle: () => undefined, onMode: () => undefined, onLoginFailed: () => undefined, onRefuse: () => undefined };
function reader(): ClaudeReader {
  return new ClaudeReader({ folder: '/w', events: silent });
}

describe('a silent model', () => {
  it('is told of after 20 s, once, and how long it was when it goes on; not while a tool runs or the person is asked', () => {
    const one = reader();
    one.sent({ text: 'hello', attachments: [] }, 'u1', 1000);
    one.accept({ type: 'command_lifecycle', command_uuid: 'u1', state: 'started' }, 1000);
    expect(one.tick(20_999)).toBe(false);
    expect(one.tick(21_000)).toBe(true);
    expect(one.tick(60_000)).toBe(false);
    // Since the last that was heard, not since it was noticed.
    expect(one.activity).toMatchObject({ phase: 'stalled', since: 1000 });
    one.accept({ type: 'stream_event', event: { type: 'message_start', message: { id: 'm1', usage: {} } } }, 66_000);
    expect(one.activity?.phase).toBe('thinking');
    const rows = viewOf(one.flush()).filter((row) => row.kind === 'notice');
    expect(rows).toEqual([expect.objectContaining({ code: 'stalled', level: 'info', text: 'The model was silent for 65 s.' })]);
    one.accept({ type: 'assistant', message: { id: 'm1', content: [{ type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'sleep 60' } }] } }, 67_000);
    expect(one.tick(200_000)).toBe(false);
    one.accept({ type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: 't1', content: 'done' }] } }, 201_000);
    one.accept({ type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 9, retry_delay_ms: 40_000, error_status: 529 }, 202_000);
    expect(one.activity).toMatchObject({ phase: 'retrying', until: 242_000 });
    expect(one.tick(240_000)).toBe(false);
  });
});

describe('any JSON', () => {
  it('on the wire is taken, and what is not known is kept whole', () => {
    fc.assert(fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), (values) => {
      const one = reader();
      for (const value of values) one.accept(value as JsonValue, 5);
      one.ended({ text: 'over', remedy: '' }, 6);
      const kept = one.flush().filter((entry) => entry.kind === 'unknown').map((entry) => entry.raw);
      expect(kept).toEqual(values);
    }), { numRuns: 300 });
  });

  it('in place of a part of a real line never throws, live or from disk', () => {
    const lines = ['permissions', 'whole-wire', 'interrupt'].flatMap((name) => recording(name)).map(({ line }) => line).filter(isJsonObject);
    fc.assert(fc.property(fc.nat(lines.length - 1), fc.nat(30), fc.jsonValue(), (index, spot, other) => {
      const line = spoil(lines[index] ?? {}, spot, other as JsonValue);
      const one = reader();
      one.accept(line, 5);
      one.ended(null, 6);
      viewOf(one.flush());
      const disk = new TranscriptReader({ folder: '/w' });
      if (isJsonObject(line)) disk.line(line, 0, 10);
      disk.finish(true);
      viewOf(disk.flush());
    }), { numRuns: 600 });
  });

  it('that a later version of the agent may send shows as an inert row', () => {
    const one = reader();
    one.accept({ type: 'hologram', uuid: 'h1', depth: 3 }, 5);
    one.accept({ type: 'assistant', message: { id: 'm1', content: [{ type: 'dream', of: 'sheep' }, { type: 'text', text: 'ok' }] } }, 6);
    one.garbage('Segmentation fault', 7);
    expect(viewOf(one.flush()).map((row) => [row.kind, row.kind === 'unknown' ? row.source : ''])).toEqual([['unknown', 'claude:hologram'], ['unknown', 'claude:dream'], ['text', ''], ['unknown', 'claude:text']]);
  });
});

/** The line with its `spot`-th value (in depth) replaced. */
function spoil(line: JsonValue, spot: number, other: JsonValue): JsonValue {
  let left = spot;
  const walk = (value: JsonValue): JsonValue => {
    if (left === 0) {
      left -= 1;
      return other;
    }
    left -= 1;
    if (Array.isArray(value)) return value.map((one: JsonValue) => walk(one));
    if (isJsonObject(value)) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, walk(one)]));
    return value;
  };
  return walk(line);
}

describe('permissions', () => {
  const lines = recording('always-local');
  const answered = lines.findIndex(({ dir, line }) => dir === 'in' && isJsonObject(line) && line['type'] === 'control_response');
  const [ask] = replay(lines.slice(0, answered)).reader.asks;

  it('a lasting rule becomes one of the session, unless it was asked for', () => {
    expect(ask).toBeDefined();
    if (ask === undefined) return;
    const destination = (response: JsonObject): unknown => (Array.isArray(response['updatedPermissions']) && isJsonObject(response['updatedPermissions'][0]) ? response['updatedPermissions'][0]['destination'] : null);
    expect(destination(answerOf(ask, { outcome: 'allow' }).response)).toBeNull();
    expect(destination(answerOf(ask, { outcome: 'allow-session' }).response)).toBe('session');
    expect(destination(answerOf(ask, { outcome: 'allow-always' }).response)).toBe('localSettings');
    expect(answerOf(ask, { outcome: 'allow', optionId: 'deny', reason: ' No. ' })).toMatchObject({ outcome: 'denied', reason: 'No.', response: { behavior: 'deny', message: 'No.' } });
    expect(() => answerOf(ask, { outcome: 'answer', answers: {} })).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('what nobody suggested does not last, and what is no decision allows nothing', () => {
    if (ask === undefined) throw new Error('the recording asks nothing');
    const bare = { ...ask, suggestions: [] };
    const brief = { ...ask, suggestions: [{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }] };
    for (const [one, outcome] of [[bare, 'allow-session'], [bare, 'allow-always'], [brief, 'allow-always']] as const) {
      const given = answerOf(one, { outcome });
      expect(given.outcome).toBe('allowed');
      expect(given.response).toEqual({ behavior: 'allow', updatedInput: ask.input });
    }
    expect(answerOf({ ...bare, ask: 'plan' }, { outcome: 'allow-session' }).outcome).toBe('allowed-session');
    for (const decision of [{ outcome: 'whatever' }, {}, { outcome: 'constructor', optionId: 'toString' }]) {
      expect(() => answerOf(ask, decision as Decision)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    }
  });
});

describe('diffs', () => {
  it('come from the result with true texts, from the input without, and from the file before anything is changed', async () => {
    expect(diffOf('a', null, 'x\n')).toMatchObject({ change: 'create', patch: '@@ -0,0 +1,1 @@\n+x\n', added: 1, removed: 0, before: null, after: 'x\n' });
    expect(inputDiffs('Edit', { file_path: 'a', old_string: 'two', new_string: 'TWO' })).toEqual([expect.objectContaining({ patch: '@@ -1,1 +1,1 @@\n-two\n+TWO\n', before: null, after: null })]);
    expect(inputDiffs('MultiEdit', { file_path: 'a', edits: [{ old_string: 'a', new_string: 'b' }, { old_string: 'c', new_string: 'd' }] })).toHaveLength(2);
    expect(inputDiffs('Bash', { command: 'ls' })).toEqual([]);
    expect(resultDiffs({ filePath: 'a', originalFile: '$&\n$&\n', oldString: '$&', newString: '$1', replaceAll: true, structuredPatch: [{ oldStart: 1, oldLines: 2, newStart: 1, newLines: 2, lines: ['-$&', '-$&', '+$1', '+$1'] }] })[0])
      .toMatchObject({ change: 'modify', after: '$1\n$1\n', added: 2, removed: 2 });
    expect(resultDiffs('Error: no')).toEqual([]);
    await writeFile(path.join(temp.path, 'f.txt'), 'one\ntwo\nthree\n');
    expect((await previewDiffs('Write', { file_path: 'f.txt', content: 'one\n' }, temp.path))[0]).toMatchObject({ change: 'modify', removed: 2, before: 'one\ntwo\nthree\n' });
    expect((await previewDiffs('Edit', { file_path: 'f.txt', old_string: 'nine', new_string: '9' }, temp.path))[0]?.before).toBeNull();
    expect((await previewDiffs('Write', { file_path: 'new.txt', content: 'x' }, temp.path))[0]?.change).toBe('create');
  });
});

describe('starting', () => {
  it('passes the environment on without what VS Code and other agents put there, and only flags that the version has', () => {
    expect(agentEnv({ PATH: '/bin', VSCODE_PID: '1', ELECTRON_RUN_AS_NODE: '1', CLAUDECODE: '1', HTTPS_PROXY: 'p' })).toEqual({ PATH: '/bin', HTTPS_PROXY: 'p' });
    const bare = launchArgs({ path: 'claude', version: '1.0.0', help: '--session-id' }, { mode: 'plan', model: 'default', effort: 'high', session: { is: 'fresh', id: 'i' } });
    expect(bare.slice(-4)).toEqual(['--session-id', 'i', '--permission-mode', 'plan']);
    const full = launchArgs({ path: 'claude', version: '2.1.0', help: '--replay-user-messages\n--effort <level>' }, { mode: 'default', model: 'opus', effort: 'high', session: { is: 'forked', id: 'i', from: 'f' } });
    expect(full.join(' ')).toContain('--replay-user-messages --resume f --fork-session --session-id i --permission-mode default --model opus --effort high');
  });

  it('offers what the agent said, and nothing that it did not', () => {
    const known = readInitialized({ models: [{ value: 'default', displayName: 'Default', supportedEffortLevels: ['low', 'max'], supportsAutoMode: true }, 3, { value: 'haiku' }], commands: [{ name: 'cost' }, null] });
    expect(controlsOf(known, { ...defaultSettings, effort: 'low' }, null)).toMatchObject({ models: [{ id: 'default' }, { id: 'haiku', label: 'haiku' }], efforts: [{ id: 'low' }, { id: 'max' }], effort: 'low', commands: [{ name: 'cost' }] });
    expect(controlsOf(known, { ...defaultSettings, model: 'haiku' }, null).efforts).toEqual([]);
    expect(controlsOf(null, defaultSettings, 'opus')).toMatchObject({ models: [], model: 'opus', mode: 'default' });
  });

  it('refuses attachments that the agent cannot take', () => {
    const file = { name: 'a.zip', mediaType: 'application/zip', size: 3, data: 'AAAA', path: null };
    expect(() => userMessage({ text: 'x', attachments: [file] }, 'u')).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    expect(userMessage({ text: 'x', attachments: [{ ...file, path: '/a.zip' }] }, 'u')).toMatchObject({ uuid: 'u', message: { content: [{ type: 'text', text: 'x' }, { type: 'text', text: '@/a.zip' }] } });
    expect(userMessage({ text: '/cost', attachments: [] }, 'u')).toMatchObject({ message: { content: '/cost' } });
  });
});

describe('the control protocol', () => {
  it('matches answers, tells refusals by code, and waits no longer than its deadline', async () => {
    const clock = new HandClock();
    const sent: JsonObject[] = [];
    const channel = new ControlChannel(async (message) => void sent.push(message), clock);
    const answer = (index: number, response: JsonObject): boolean => channel.receive({ type: 'control_response', response: { ...response, request_id: sent[index]?.['request_id'] ?? '' } });
    const one = channel.request('interrupt');
    expect(answer(0, { subtype: 'success', response: { still_queued: [] } })).toBe(true);
    expect(await one).toEqual({ still_queued: [] });
    const two = channel.request('set_permission_mode', { mode: 'bypassPermissions' });
    answer(1, { subtype: 'error', error: 'no', error_code: 'bypass_not_launched' });
    await expect(two).rejects.toMatchObject({ code: 'agent_refused', agentCode: 'bypass_not_launched' });
    const three = channel.request('list_models', {}, { timeoutMs: 50 });
    const refused = expect(three).rejects.toMatchObject({ code: 'agent_silent' });
    clock.advance(60);
    await refused;
    expect(channel.receive({ type: 'assistant' })).toBe(false);
    expect(answer(0, { subtype: 'success' })).toBe(true);
  });
});

const line = (value: JsonObject): string => `${JSON.stringify(value)}\n`;
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const user = (uuid: string, text: string, at: string, more: JsonObject = {}): string => line({ parentUuid: null, isSidechain: false, type: 'user', message: { role: 'user', content: text }, uuid, timestamp: at, cwd: '/home/dev/p', gitBranch: 'main', ...more });
const says = (message: string, text: string, at: string): string => line({ parentUuid: 'x', isSidechain: false, message: { id: message, model: 'm', content: [{ type: 'text', text }], stop_reason: 'end_turn', usage: { input_tokens: 10, output_tokens: 5 } }, apiBlockIndex: 0, type: 'assistant', uuid: `a-${message}`, timestamp: at });

describe('transcripts on disk', () => {
  async function project(name: string): Promise<string> {
    const folder = path.join(temp.path, name, 'projects', projectName('/home/dev/p'));
    await mkdir(folder, { recursive: true });
    return folder;
  }

  it('are listed by their names and sizes; titles are the person\'s, the agent\'s, or the prompt\'s', async () => {
    const folder = await project('titles');
    const start = user('u1', 'Mend the boat\nand the oars', '2026-01-01T00:00:00Z');
    await writeFile(path.join(folder, `${id(1)}.jsonl`), start + says('m1', 'ok', '2026-01-01T00:00:05Z'));
    await writeFile(path.join(folder, `${id(2)}.jsonl`), start + line({ type: 'ai-title', aiTitle: 'Boat repair', sessionId: id(2) }));
    await writeFile(path.join(folder, `${id(3)}.jsonl`), start + line({ type: 'custom-title', customTitle: 'Old name' }) + line({ type: 'custom-title', customTitle: 'My boat' }) + line({ type: 'ai-title', aiTitle: 'Boat repair' }));
    await writeFile(path.join(folder, `${id(4)}.jsonl`), line({ type: 'summary', summary: 'A summary of another session' }));
    await writeFile(path.join(folder, `${id(5)}.jsonl`), user('u1', 'Warm up', '2026-01-01T00:00:00Z', { isSidechain: true }));
    await writeFile(path.join(folder, 'agent-abc.jsonl'), start);
    await writeFile(path.join(folder, 'notes.txt'), 'x');
    const files = await listTranscripts(path.join(temp.path, 'titles'), '/home/dev/p');
    expect(files.map((file) => file.id).sort()).toEqual([1, 2, 3, 4, 5].map(id));
    expect(await listTranscripts(path.join(temp.path, 'titles'), '/home/dev')).toEqual([]);
    const cache = new FactsCache();
    const facts = new Map(await Promise.all(files.map(async (file) => [file.id, await cache.of(file)] as const)));
    expect([1, 2, 3, 4, 5].map((n) => facts.get(id(n))?.title ?? null)).toEqual(['Mend the boat', 'Boat repair', 'My boat', null, null]);
    expect(facts.get(id(1))).toMatchObject({ folder: '/home/dev/p', createdAt: Date.parse('2026-01-01T00:00:00Z'), branch: 'main', model: 'm', contextTokens: 15, turnOpen: false });
    expect(facts.get(id(2))?.turnOpen).toBe(true);
  });

  it('of gigabytes are listed, and opened at their end, without being read', async () => {
    const folder = await project('huge');
    const file = path.join(folder, `${id(9)}.jsonl`);
    await writeFile(file, user('u1', 'The first prompt', '2026-01-01T00:00:00Z'));
    // A hole of four gigabytes: reading it would take its time, and fail where a text must hold it.
    const hole = 4 * 1024 ** 3;
    await truncate(file, hole);
    const handle = await open(file, 'a');
    await handle.write(`\n${user('u2', 'The last prompt', '2026-01-02T00:00:00Z')}${says('m2', 'The last answer', '2026-01-02T00:00:01Z')}`);
    await handle.close();
    const before = performance.now();
    const found = await transcriptAt(file);
    expect(found?.size).toBeGreaterThan(hole);
    if (found === null) return;
    expect(await new FactsCache().of(found)).toMatchObject({ title: 'The first prompt', model: 'm' });
    const page = await historyPage(file, '/home/dev/p', { limit: 1 }, true);
    expect(viewOf(page.items).map((row) => row.kind)).toEqual(['text', 'turn']);
    expect(page.items.find((entry) => entry.kind === 'turn' && entry.phase === 'end')).toMatchObject({ turn: 'u2', state: 'completed', durationMs: 1000 });
    expect(performance.now() - before).toBeLessThan(2000);
  });

  it('say of a turn that broke off that it failed, only when nobody runs it; the next prompt ends it too', async () => {
    const folder = await project('broken');
    const file = path.join(folder, `${id(7)}.jsonl`);
    const call = line({ parentUuid: 'u1', isSidechain: false, type: 'assistant', uuid: 'a1', timestamp: '2026-01-01T00:00:02Z', message: { id: 'm1', model: 'm', content: [{ type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'make' } }], stop_reason: 'tool_use' } });
    await writeFile(file, user('u1', 'Build', '2026-01-01T00:00:00Z') + call);
    const states = async (dead: boolean): Promise<unknown[]> => viewOf((await historyPage(file, '/w', { limit: 50 }, dead)).items).map((row) => (row.kind === 'turn' ? row.state : row.kind === 'tool' ? row.status : row.kind));
    expect(await states(false)).toEqual(['prompt', 'running']);
    expect(await states(true)).toEqual(['prompt', 'cancelled', 'failed']);
    await writeFile(file, user('u1', 'Build', '2026-01-01T00:00:00Z') + call + user('u2', 'And now?', '2026-01-01T00:01:00Z') + says('m2', 'ok', '2026-01-01T00:01:01Z'));
    expect(await states(false)).toEqual(['prompt', 'cancelled', 'failed', 'prompt', 'text', 'completed']);
  });

  it('are cut into lines in both directions, whatever the lengths', async () => {
    const file = path.join(temp.path, 'lines');
    await fc.assert(fc.asyncProperty(fc.array(fc.oneof(fc.string({ maxLength: 20 }), fc.constant('ž'.repeat(200_000)), fc.constant('')), { maxLength: 6 }), fc.boolean(), async (texts, open_) => {
      const lines = texts.map((text) => text.replaceAll('\n', ' '));
      await writeFile(file, lines.map((text) => `${text}\n`).join('') + (open_ ? 'unfinished' : ''));
      const handle = await open(file, 'r');
      const { size } = await handle.stat();
      const forward: string[] = [];
      for await (const one of linesForward(handle, 0, size)) forward.push(one.text);
      const backward: string[] = [];
      const offsets: number[] = [];
      for await (const one of linesBackward(handle, size)) {
        backward.unshift(one.text);
        offsets.push(one.offset);
      }
      await handle.close();
      expect(forward).toEqual(lines);
      expect(backward).toEqual(lines);
      expect(offsets).toEqual([...offsets].sort((a, b) => b - a));
    }), { numRuns: 40 });
  });
});

describe('who runs a session', () => {
  it('is told by leases, by notes, and by growth that is not ours', async () => {
    const clock = new HandClock();
    let holder: 'this' | 'other' | 'nobody' = 'nobody';
    const context = { connectionId: 'c', log: memoryLog(), clock, stateDir: temp.path, leases: { acquire: async () => true, release: async () => undefined, holder: async () => holder } } as unknown as BackendContext;
    const claims = createClaims(context, { env: { HOME: temp.path }, scope: 'claude', program: undefined });
    const watch = new PresenceWatch({ context, claims } as unknown as Desk, 's');
    const file = (size: number): { id: string; path: string; size: number; changedAt: number } => ({ id: 's', path: '/s', size, changedAt: 0 });
    const none = new Map();
    const noted = new Map([['s', { sessionId: 's', pid: 7, busy: true, name: 'Claude Code in a terminal (process 7)' }]]);
    expect((await watch.look(false, file(10), none)).owner).toBe('nobody');
    expect((await watch.look(false, file(20), none)).owner).toBe('foreign');
    clock.advance(60_000);
    expect((await watch.look(false, file(20), none)).owner).toBe('foreign');
    clock.advance(61_000);
    expect((await watch.look(false, file(20), none)).owner).toBe('nobody');
    expect(await watch.look(false, file(30), noted)).toEqual({ owner: 'foreign', name: 'Claude Code in a terminal (process 7)', busy: true });
    expect((await watch.look(false, file(40), none)).owner).toBe('nobody');
    clock.advance(2_000);
    // Its last lines come after its note is gone.
    expect((await watch.look(false, file(45), none)).owner).toBe('nobody');
    clock.advance(9_000);
    expect((await watch.look(false, file(46), none)).owner).toBe('foreign');
    clock.advance(121_000);
    holder = 'other';
    expect((await watch.look(false, file(50), noted)).owner).toBe('window');
    holder = 'nobody';
    expect((await watch.look(false, file(60), none)).owner).toBe('nobody');
    expect((await watch.look(true, file(70), none)).owner).toBe('this');
    expect((await watch.look(false, file(80), none)).owner).toBe('nobody');
    clock.advance(20_000);
    expect((await watch.look(false, file(80), none)).owner).toBe('nobody');
    expect((await watch.look(false, file(85), noted)).owner).toBe('foreign');
    // However long the next look is in coming: what grew since is the last that the terminal wrote.
    clock.advance(20_000);
    expect((await watch.look(false, file(90), none)).owner).toBe('nobody');
    expect((await watch.look(false, file(95), none)).owner).toBe('foreign');
  });
});
