import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { SessionBackend } from '../../src/core/model/backend.ts';
import { viewOf } from '../../src/core/session/view.ts';
import { assertOrderFree } from '../unit/session/properties.ts';
import { casesIn, inWorld, ofSystem } from './cases.ts';
import { code, essence, everySession, wholeHistory } from './helpers.ts';
import type { Observer } from './observer.ts';
import { rowsOf } from './observer.ts';
import type { ContractTraits, Rig } from './types.ts';

type Act = (own: Rig, spawn: () => Promise<Observer>, observe: (backend: SessionBackend, id: string) => Observer) => Promise<void>;

/** The part of the contract that ends processes and windows: each case in a world of its own; those of a system that is mostly waited for, side by side. */
export function describeLifecycle(start: () => Promise<Rig>, traits: ContractTraits): void {
  const { hosted } = traits;
  const test = casesIn(traits);
  const system = ofSystem(traits, test);
  const alone = (act: Act) => (): Promise<void> => inWorld(start, traits, ({ rig, spawn, observe }) => act(rig, spawn, observe));

  system('renames, archives and unarchives; a restart keeps it', alone(async (own, spawn) => {
    const chat = await spawn();
    await chat.turn(own.script.say().prompt);
    await chat.handle.rename('Harbour lights');
    await chat.until('the title', () => chat.session?.title === 'Harbour lights');
    await chat.handle.archive(true);
    await chat.until('the mark', () => chat.session?.archived === true);
    const backend = await own.restart();
    await backend.connect();
    const listed = (await everySession(backend)).find((one) => one.id === chat.handle.id);
    expect(listed).toMatchObject({ title: 'Harbour lights', archived: true });
    await backend.session(chat.handle.id).archive(false);
    expect((await everySession(backend)).find((one) => one.id === chat.handle.id)?.archived).toBe(false);
  }));

  test('tells the same in its history as it told live', alone(async (own, spawn) => {
    const chat = await spawn();
    await chat.turn(own.script.say().prompt);
    await chat.turn(own.script.run('echo ebb').prompt);
    await chat.turn(own.script.edit('notes.txt', 'two', 'TWO').prompt);
    await chat.until('the session to be idle', () => chat.session?.state === 'idle');
    const live = [...chat.entries];
    const backend = await own.restart();
    await backend.connect();
    const history = await wholeHistory(backend, chat.handle.id, 0);
    const keys = traits.record === 'system';
    expect(essence(viewOf(history), keys)).toEqual(essence(viewOf(live), keys));
    await assertOrderFree([...live, ...history]);
    const again = await wholeHistory(backend, chat.handle.id, viewOf(live).length);
    expect(viewOf([...live, ...again]).map((row) => row.key)).toEqual(viewOf(live).map((row) => row.key));
  }));

  test('stops a session, verified, and resumes it with all that was said', alone(async (own, spawn) => {
    const chat = await spawn();
    const { first, second } = own.script.remember();
    await chat.turn(first.prompt);
    if (own.processes !== null && traits.ownProcess) expect((await own.processes.alive()).length).toBeGreaterThan(0);
    const report = await chat.handle.stop();
    expect(report.message).not.toBe('');
    if (own.processes !== null && traits.ownProcess) expect(await own.processes.alive()).toEqual([]);
    await chat.until('the session to be stopped', () => chat.session?.state === 'stopped');
    expect((await chat.handle.stop()).step).toBe('nothing-to-stop');
    await chat.handle.resume();
    await chat.until('the session to be idle', () => chat.session?.state === 'idle');
    await chat.turn(second.prompt);
    expect(chat.said()).toMatch(second.answer);
  }));

  if (traits.processes) system('goes on after the agent was killed, without losing a row', alone(async (own, spawn) => {
    const chat = await spawn();
    const { first, second } = own.script.remember();
    await chat.turn(first.prompt);
    if (hosted?.deaths === 'silent') {
      await own.processes?.kill();
      const rows = chat.rows.map((row) => row.key);
      await chat.until('the silence to be noticed', () => chat.session?.state === 'unknown' || chat.session?.state === 'stopped', 45_000);
      await chat.turn(second.prompt);
      expect(chat.said()).toMatch(second.answer);
      expect(chat.rows.map((row) => row.key).slice(0, rows.length)).toEqual(rows);
      return;
    }
    const slow = own.script.slow();
    await chat.handle.send({ text: slow.prompt, attachments: [] }, randomUUID());
    const before = chat.said().length;
    await chat.until('text', () => chat.said().length > before + 20);
    await own.processes?.kill();
    const end = await chat.turnEnd(1);
    expect(end).toMatchObject({ state: 'failed', error: expect.stringMatching(/./) as string });
    await chat.until('the session to have failed', () => chat.session?.state === 'failed');
    expect(chat.session?.error).not.toBeNull();
    expect(rowsOf(chat.rows, 'notice').some((row) => row.code === 'process_died')).toBe(true);
    expect(rowsOf(chat.rows, 'text').every((row) => !row.streaming)).toBe(true);
    const kept = chat.rows.map((row) => row.key);
    await chat.turn(second.prompt);
    expect(chat.said()).toMatch(second.answer);
    expect(chat.rows.map((row) => row.key).slice(0, kept.length)).toEqual(kept);
    await chat.until('the session to be idle', () => chat.session?.state === 'idle');
  }));

  test('forks a session where it says so', alone(async (own, spawn, observe) => {
    const chat = await spawn();
    const { first, second } = own.script.remember();
    await chat.turn(first.prompt);
    if (!own.backend.traits.fork) {
      expect(await code(chat.handle.fork())).toBe('unsupported');
      return;
    }
    const fork = observe(own.backend, (await chat.handle.fork()).id);
    expect(fork.handle.id).not.toBe(chat.handle.id);
    await fork.turn(second.prompt);
    expect(fork.said()).toMatch(second.answer);
    expect(rowsOf(chat.rows, 'prompt')).toHaveLength(1);
    const past = await wholeHistory(own.backend, fork.handle.id, 0);
    expect(viewOf([...past, ...fork.entries]).some((row) => row.kind === 'prompt' && row.text.trim() === first.prompt.trim())).toBe(true);
  }));

  system('removes a session after naming its files', alone(async (own, spawn) => {
    const chat = await spawn();
    await chat.turn(own.script.say().prompt);
    const files = await chat.handle.removalPreview();
    expect(files.length > 0).toBe(traits.namesFiles);
    for (const file of files) expect(existsSync(file), file).toBe(true);
    await chat.handle.remove();
    await chat.until('the removal', () => chat.removed);
    for (const file of files) expect(existsSync(file), file).toBe(false);
    expect((await everySession(own.backend)).map((one) => one.id)).not.toContain(chat.handle.id);
    expect(await code(chat.handle.send({ text: 'Still there?', attachments: [] }, randomUUID()))).toBe('session_not_found');
  }));

  if (hosted?.windows === 'every') system('lets every window act on a session, each seeing what the other did', alone(async (own, spawn, observe) => {
    const chat = await spawn();
    await chat.turn(own.script.say().prompt);
    const other = await own.second();
    await other.connect();
    expect((await everySession(other)).find((one) => one.id === chat.handle.id)).toMatchObject({ owner: 'nobody' });
    const there = observe(other, chat.handle.id);
    there.entries.push(...(await wholeHistory(other, chat.handle.id, 0)));
    const answered = own.script.say();
    await there.turn(answered.prompt);
    await chat.until('the other window’s turn', () => rowsOf(chat.rows, 'text').filter((row) => answered.answer.test(row.text)).length === 2);
    const shown = (one: Observer): unknown => essence(viewOf(one.entries), true);
    await chat.until('both views to be one', () => JSON.stringify(shown(chat)) === JSON.stringify(shown(there)));
    await there.handle.send({ text: own.script.run(`echo tide > ${path.join(own.folder, 'tide.txt')}`).prompt, attachments: [] }, randomUUID());
    const ask = await chat.until('the permission, here', () => chat.asks()[0]);
    await there.until('the permission, there', () => there.asks()[0]);
    await chat.handle.answer(ask.requestId, { outcome: 'allow' });
    await there.until('the answer, there', () => rowsOf(there.rows, 'permission').every((row) => row.outcome !== null));
    expect(await code(there.handle.answer(ask.requestId, { outcome: 'deny' }))).toBe('already_answered');
    await there.handle.rename('Seen twice');
    await chat.until('the title', () => chat.session?.title === 'Seen twice');
  }));
  else if (hosted?.windows === 'turn') system('leaves a session to the window that runs a turn of it, and to any when it has ended', alone(async (own, spawn, observe) => {
    const chat = await spawn();
    await chat.handle.send({ text: own.script.slow().prompt, attachments: [] }, randomUUID());
    const other = await own.second();
    await other.connect();
    expect((await everySession(other)).find((one) => one.id === chat.handle.id)).toMatchObject({ owner: 'window', state: 'running' });
    expect(await code(other.session(chat.handle.id).send({ text: 'Mine!', attachments: [] }, randomUUID()))).toBe('session_runs_elsewhere');
    expect(await wholeHistory(other, chat.handle.id, 0)).toEqual([]);
    await chat.handle.interrupt();
    // The server may need a moment to see that nobody waits any more.
    await chat.quiet(300);
    expect((await everySession(other)).find((one) => one.id === chat.handle.id)).toMatchObject({ owner: 'nobody' });
    const taken = observe(other, chat.handle.id);
    taken.entries.push(...(await wholeHistory(other, chat.handle.id, 0)));
    expect((await taken.turn(own.script.say().prompt)).state).toBe('completed');
    expect(rowsOf(taken.rows, 'prompt')).toHaveLength(2);
    expect((await chat.turn(own.script.say().prompt)).state).toBe('completed');
  }));
  else system('leaves a session to the window that runs it', alone(async (own, spawn, observe) => {
    const chat = await spawn();
    await chat.turn(own.script.say().prompt);
    const other = await own.second();
    await other.connect();
    const there = (await everySession(other)).find((one) => one.id === chat.handle.id);
    expect(there).toMatchObject({ owner: 'window' });
    expect(await code(other.session(chat.handle.id).send({ text: 'Mine!', attachments: [] }, randomUUID()))).toBe('session_runs_elsewhere');
    expect((await chat.turn(own.script.say().prompt)).state).toBe('completed');
    await chat.handle.stop();
    const taken = observe(other, chat.handle.id);
    expect((await taken.turn(own.script.say().prompt)).state).toBe('completed');
  }));
}
