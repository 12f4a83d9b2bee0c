import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect } from 'vitest';
import type { Decision } from '../../src/core/model/backend.ts';
import { isAbort } from '../../src/core/model/errors.ts';
import type { Session } from '../../src/core/model/session.ts';
import { viewOf } from '../../src/core/session/view.ts';
import { assertOrderFree } from '../unit/session/properties.ts';
import { casesOf, ofSystem } from './cases.ts';
import { code, everySession, nobody, pidIn, rejection } from './helpers.ts';
import { describeLifecycle } from './lifecycle.ts';
import { rowsOf } from './observer.ts';
import type { ContractTraits, Rig } from './types.ts';

/** Every backend that hosts sessions keeps these promises. `start` gives a backend in a world of its own. */
export function describeBackend(name: string, start: () => Promise<Rig>, traits: ContractTraits): void {
  const { hosted } = traits;
  describe(name, () => {
    const test = casesOf(start, traits);
    const system = ofSystem(traits, test);
    /** Cases of agents that ask before they act, and tell of it themselves. */
    const asking = hosted?.tools === 'told' ? (): void => undefined : test;

    system('connects, and tells its state and its machine', async ({ rig }) => {
      const told: string[] = [];
      const watch = rig.backend.watch((event) => told.push(event.type));
      const state = await rig.backend.connect();
      watch.dispose();
      expect(state).toMatchObject({ status: 'ready', message: null });
      if (hosted === undefined) expect(state.version).toMatch(/^\d+\.\d+/);
      const machines = await rig.backend.machines();
      expect(machines).toEqual([expect.objectContaining({ id: rig.machineId, connectionId: rig.backend.connectionId, state: 'online' })]);
    });

    system('makes a session that is listed and told of', async ({ rig }) => {
      const seen: Session[] = [];
      const watch = rig.backend.watch((event) => event.type === 'session' && seen.push(event.session));
      const session = await rig.backend.spawn({ machineId: rig.machineId, folder: rig.folder, title: 'Night watch', ...rig.spawning });
      expect(session).toMatchObject({ connectionId: rig.backend.connectionId, machineId: rig.machineId, folder: rig.folder, title: 'Night watch', archived: false });
      await expect.poll(() => seen.map((one) => one.id)).toContain(session.id);
      watch.dispose();
      const listed = await everySession(rig.backend);
      expect(listed.find((one) => one.id === session.id)).toMatchObject({ folder: rig.folder, title: 'Night watch' });
      expect(new Set(listed.map((one) => one.id)).size).toBe(listed.length);
      expect(listed.map((one) => one.updatedAt)).toEqual(listed.map((one) => one.updatedAt).sort((a, b) => b - a));
      const elsewhere = await everySession(rig.backend, path.join(rig.folder, 'nowhere'));
      expect(elsewhere).toEqual([]);
    });

    test('delivers a prompt and streams the answer: pieces, then the whole, within a turn', async ({ rig, spawn }) => {
      const chat = await spawn();
      const { prompt, answer } = rig.script.say();
      const clientId = randomUUID();
      const end = await chat.turn(prompt, { outcome: 'allow' }, clientId);
      expect(end.state).toBe('completed');
      const [sent] = rowsOf(chat.rows, 'prompt');
      expect(sent).toMatchObject({ text: prompt, clientId });
      expect(chat.said()).toMatch(answer);
      const texts = rowsOf(chat.rows, 'text');
      expect(texts.every((row) => !row.streaming)).toBe(true);
      const pieces = chat.entries.filter((entry) => entry.kind === 'delta' && entry.channel === 'text');
      if (hosted?.answers === 'whole') expect(pieces).toEqual([]);
      else expect(pieces.length).toBeGreaterThan(1);
      for (const row of texts) {
        const streamed = pieces.filter((entry) => entry.row === row.key);
        if (streamed.length > 0) expect(viewOf(streamed)).toEqual([expect.objectContaining({ kind: 'text', text: row.text, streaming: true })]);
      }
      const turns = chat.entries.filter((entry) => entry.kind === 'turn');
      expect(turns.some((entry) => entry.phase === 'start')).toBe(true);
      expect(turns.filter((entry) => entry.phase === 'start').every((entry) => entry.row === null)).toBe(true);
      const kinds = chat.rows.map((row) => row.kind);
      expect(kinds[0]).toBe('prompt');
      if (hosted?.turns !== 'hints') expect(kinds.at(-1)).toBe('turn');
      await chat.until('the session to be idle', () => chat.session?.state === 'idle');
      expect(chat.sessions.some((one) => one.state === 'running')).toBe(true);
    });

    test('has a prompt that was sent twice once', async ({ rig, spawn }) => {
      const chat = await spawn();
      const { prompt } = rig.script.say();
      const clientId = randomUUID();
      await Promise.all([chat.handle.send({ text: prompt, attachments: [] }, clientId), chat.handle.send({ text: prompt, attachments: [] }, clientId)]);
      await chat.turnEnd(0);
      await chat.handle.send({ text: prompt, attachments: [] }, clientId);
      await chat.turn(rig.script.say().prompt);
      expect(rowsOf(chat.rows, 'prompt').filter((row) => row.clientId === clientId)).toHaveLength(1);
      if (hosted?.turns !== 'hints') expect(rowsOf(chat.rows, 'turn')).toHaveLength(2);
    });

    asking('asks for permission, and runs what is allowed', async ({ rig, spawn }) => {
      const chat = await spawn();
      const file = path.join(rig.folder, `${randomUUID()}.txt`);
      const { prompt, answer } = rig.script.run(`echo harbour > ${file} && cat ${file}`);
      await chat.handle.send({ text: prompt, attachments: [] }, randomUUID());
      const ask = await chat.until('a permission', () => chat.asks()[0]);
      expect(ask).toMatchObject({ ask: 'tool', requestId: expect.stringMatching(/./) as string });
      expect(ask.command ?? ask.title).toContain('echo harbour');
      expect(ask.options.some((option) => option.scope === 'once') || ask.options.length === 0).toBe(true);
      await chat.until('the session to wait', () => chat.session?.state === 'waiting' && chat.session.waiting.some((one) => one.requestId === ask.requestId));
      expect(existsSync(file)).toBe(false);
      await chat.handle.answer(ask.requestId, { outcome: 'allow' });
      await chat.turnEnd(0);
      expect(existsSync(file)).toBe(true);
      const [tool] = rowsOf(chat.rows, 'tool');
      expect(tool).toMatchObject({ status: 'ok', verb: 'execute' });
      if (hosted?.outputs === 'fetched') {
        const callId = chat.entries.find((entry) => entry.kind === 'tool')?.callId ?? '';
        expect(tool?.output).toBe('');
        chat.entries.push(...(await chat.handle.fetchOutput?.(callId)) ?? []);
        expect(await code(chat.handle.fetchOutput?.('no-such-call') ?? Promise.resolve())).toBe('output_not_found');
      }
      expect(rowsOf(chat.rows, 'tool').map((row) => row.output.trim())).toEqual([expect.stringContaining('harbour')]);
      expect(rowsOf(chat.rows, 'permission')[0]).toMatchObject({ outcome: 'allowed' });
      expect(chat.said()).toMatch(answer);
      expect(await code(chat.handle.answer(ask.requestId, { outcome: 'deny' }))).toBe('already_answered');
    });

    asking('does not run what is denied, and says why to the agent', async ({ rig, spawn }) => {
      const chat = await spawn();
      const file = path.join(rig.folder, `${randomUUID()}.txt`);
      const { prompt } = rig.script.run(`echo never > ${file}`);
      await chat.handle.send({ text: prompt, attachments: [] }, randomUUID());
      const ask = await chat.until('a permission', () => chat.asks()[0]);
      await chat.handle.answer(ask.requestId, { outcome: 'deny', reason: 'Leave the files as they are.' });
      expect(await code(chat.handle.answer(ask.requestId, { outcome: 'allow' }))).toBe('already_answered');
      await chat.turnEnd(0);
      expect(existsSync(file)).toBe(false);
      expect(rowsOf(chat.rows, 'permission')[0]).toMatchObject({ outcome: 'denied', answerReason: 'Leave the files as they are.' });
      expect(rowsOf(chat.rows, 'tool').every((tool) => tool.status !== 'ok' && tool.status !== 'running')).toBe(true);
      // Where the agent takes no reason with a refusal, it goes as a prompt: in the running turn, or as the next one.
      if (!ask.takesReason) await chat.until('the reason as a prompt', () => rowsOf(chat.rows, 'prompt').some((row) => row.text === 'Leave the files as they are.'));
      await chat.until('the session to be idle', () => chat.session?.state === 'idle' && chat.rows.at(-1)?.kind === 'turn');
    });

    asking('shows an edit as a diff', async ({ rig, spawn }) => {
      const chat = await spawn();
      await writeFile(path.join(rig.folder, 'notes.txt'), 'one\ntwo\nthree\n');
      const { prompt } = rig.script.edit('notes.txt', 'two', 'TWO');
      const end = await chat.turn(prompt);
      expect(end.state).toBe('completed');
      expect(await readFile(path.join(rig.folder, 'notes.txt'), 'utf8')).toBe('one\nTWO\nthree\n');
      const edit = rowsOf(chat.rows, 'tool').find((tool) => tool.diffs.length > 0);
      expect(edit).toMatchObject({ status: 'ok', verb: 'edit' });
      expect(edit?.diffs[0]?.path).toMatch(/notes\.txt$/);
      expect(edit?.diffs[0]?.patch).toMatch(/^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@/);
      expect(edit?.diffs[0]?.patch).toContain('-two');
      expect(edit?.diffs[0]?.patch).toContain('+TWO');
      expect(edit?.diffs[0]).toMatchObject({ added: 1, removed: 1, change: 'modify' });
      expect(end.filesChanged.some((file) => file.endsWith('notes.txt'))).toBe(true);
      await writeFile(path.join(rig.folder, 'notes.txt'), 'one\ntwo\nthree\n');
    });

    if (traits.questions) test('asks a question, and hands the answer on', async ({ rig, spawn }) => {
      const { ask } = rig.script;
      if (ask === null) throw new Error('The rig has no way to make the agent ask.');
      const chat = await spawn();
      await chat.handle.send({ text: ask.prompt, attachments: [] }, randomUUID());
      const asked = await chat.until('a question', () => chat.asks().find((one) => one.ask === 'question'));
      expect(asked.questions.length).toBeGreaterThan(0);
      const decision: Decision = { outcome: 'answer', answers: ask.answers(asked.questions) };
      await chat.handle.answer(asked.requestId, decision);
      await chat.turnEnd(0);
      expect(rowsOf(chat.rows, 'permission')[0]).toMatchObject({ ask: 'question', outcome: 'answered' });
      expect(chat.said()).toMatch(ask.answer);
    });

    asking('interrupts a running command, which is dead then', async ({ rig, spawn }) => {
      const chat = await spawn();
      const file = path.join(rig.folder, `${randomUUID()}.pid`);
      await chat.handle.send({ text: rig.script.run(`tail -f ${path.join(rig.folder, 'notes.txt')} & echo $! > ${file}; wait`).prompt, attachments: [] }, randomUUID());
      const ask = await chat.until('a permission', () => chat.asks()[0]);
      await chat.handle.answer(ask.requestId, { outcome: 'allow' });
      const pid = await pidIn(file);
      const report = await chat.handle.interrupt();
      expect(report.step).toBe('interrupted');
      expect(report.message).not.toBe('');
      if (hosted?.commands !== 'stay') expect(await rig.processes?.gone(pid) ?? true).toBe(true);
      expect((await chat.turnEnd(0)).state).toBe('cancelled');
      expect(rowsOf(chat.rows, 'tool').map((tool) => tool.status)).toEqual(['cancelled']);
      await chat.until('the session to be idle', () => chat.session?.state === 'idle');
      if (hosted !== undefined) await chat.quiet(3_200);
      expect((await chat.handle.interrupt()).step).toBe('nothing-to-stop');
      expect((await chat.turn(rig.script.say().prompt)).state).toBe('completed');
    });

    test('interrupts an answer and keeps what was said; a waiting permission is withdrawn', async ({ rig, spawn }) => {
      const chat = await spawn();
      const slow = rig.script.slow();
      await chat.handle.send({ text: slow.prompt, attachments: [] }, randomUUID());
      await chat.working();
      await chat.handle.interrupt();
      // Where the agent had not said a word yet, there may be no turn to end.
      if (hosted?.interrupts === 'said') await chat.until('the word of it', () => rowsOf(chat.rows, 'notice').some((row) => row.code === 'interrupted'));
      else expect((await chat.turnEnd(0)).state).toBe('cancelled');
      // What comes whole was not there yet.
      if (hosted?.answers !== 'whole') expect(chat.said()).toMatch(slow.answer);
      await chat.until('the text to be whole', () => rowsOf(chat.rows, 'text').every((row) => !row.streaming));
      if (hosted?.tools === 'told') return;
      await chat.handle.send({ text: rig.script.run(`echo late > ${path.join(rig.folder, randomUUID())}.txt`).prompt, attachments: [] }, randomUUID());
      const ask = await chat.until('a permission', () => chat.asks()[0]);
      await chat.handle.interrupt();
      // An agent that goes on for a moment after its request was withdrawn may end the turn as if nothing had been.
      if (hosted?.interrupts === 'said') await chat.turnEnd(0);
      else expect((await chat.turnEnd(1)).state).toBe('cancelled');
      expect(rowsOf(chat.rows, 'permission')[0]).toMatchObject({ outcome: 'withdrawn' });
      expect(await code(chat.handle.answer(ask.requestId, { outcome: 'allow' }))).toBe('already_answered');
    });

    system('takes a prompt into the running turn where it says so, and refuses it where not', async ({ rig, spawn }) => {
      const chat = await spawn();
      await chat.handle.send({ text: rig.script.slow().prompt, attachments: [] }, randomUUID());
      await chat.working();
      const clientId = randomUUID();
      const steering = chat.handle.send({ text: 'And mind the tide.', attachments: [] }, clientId, { steer: true });
      if (rig.backend.traits.steer) {
        await steering;
        await chat.until('the prompt', () => rowsOf(chat.rows, 'prompt').some((row) => row.clientId === clientId));
      } else {
        expect(await code(steering)).toBe('turn_running');
      }
      await chat.handle.interrupt();
      await chat.until('the session to be idle', () => chat.session?.state === 'idle');
    });

    test('remembers in the second turn what the first said', async ({ rig, spawn }) => {
      const chat = await spawn();
      const { first, second } = rig.script.remember();
      await chat.turn(first.prompt);
      expect(chat.said()).toMatch(first.answer);
      await chat.turn(second.prompt);
      expect(chat.said()).toMatch(second.answer);
    });

    if (traits.modes) test('offers modes and sets them', async ({ rig, spawn }) => {
      const chat = await spawn();
      await chat.turn(rig.script.say().prompt);
      const before = chat.handle.controls();
      const other = before.modes.find((one) => one.id !== before.mode)?.id ?? '';
      expect(other).not.toBe('');
      await chat.handle.setMode(other);
      expect(chat.handle.controls().mode).toBe(other);
      expect(await code(chat.handle.setMode('no-such-mode'))).toBe('invalid_argument');
      expect(chat.handle.controls().mode).toBe(other);
    });

    test('gives a view that does not depend on order, repetition or pages', async ({ rig, spawn }) => {
      const chat = await spawn();
      await chat.turn(rig.script.say().prompt);
      await chat.turn(rig.script.run('echo tide').prompt);
      await assertOrderFree(chat.entries);
    });

    system('rejects aborted calls, empty prompts and unknown sessions', async ({ rig, spawn }) => {
      const chat = await spawn();
      const signal = AbortSignal.abort();
      expect(isAbort(await rejection(chat.handle.send({ text: 'never', attachments: [] }, randomUUID(), { signal })))).toBe(true);
      expect(isAbort(await rejection(rig.backend.sessions({ limit: 5, signal })))).toBe(true);
      expect(isAbort(await rejection(rig.backend.spawn({ machineId: rig.machineId, folder: rig.folder, signal })))).toBe(true);
      expect(isAbort(await rejection(chat.handle.history({ limit: 5, signal })))).toBe(true);
      expect(rowsOf(chat.rows, 'prompt')).toEqual([]);
      expect(await code(chat.handle.send({ text: ' ', attachments: [] }, randomUUID()))).toBe('invalid_argument');
      const ghost = rig.backend.session(nobody);
      expect(await code(ghost.send({ text: 'Who is there?', attachments: [] }, randomUUID()))).toBe('session_not_found');
      expect(await code(ghost.history({ limit: 5 }))).toBe('session_not_found');
      expect(await code(ghost.rename('Ghost'))).toBe('session_not_found');
      expect(await code(ghost.removalPreview())).toBe('session_not_found');
    });

    system('gives one handle for one session', async ({ rig, spawn }) => {
      const chat = await spawn();
      expect(rig.backend.session(chat.handle.id)).toBe(chat.handle);
    });

    system('keeps two sessions apart that run at once', async ({ rig, spawn }) => {
      const [left, right] = await Promise.all([spawn(), spawn()]);
      const { first, second } = rig.script.remember();
      await Promise.all([left.turn(first.prompt), right.turn(rig.script.say().prompt)]);
      await Promise.all([left.turn(second.prompt), right.turn(rig.script.say().prompt)]);
      expect(left.said()).toMatch(second.answer);
      expect(right.said()).not.toMatch(second.answer);
      expect(rowsOf(left.rows, 'prompt').length).toBe(2);
      expect(rowsOf(right.rows, 'prompt').length).toBe(2);
    });

    describeLifecycle(start, traits);
  });
}
