import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionState } from '../../../src/core/model/backend.ts';
import { PilothouseError } from '../../../src/core/model/errors.ts';
import type { JsonObject } from '../../../src/core/model/json.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { SessionHost } from '../../../src/core/systems/local/acp/host.ts';
import { AcpSession } from '../../../src/core/systems/local/acp/session.ts';
import { sharedStateDir } from '../../../src/core/systems/local/sessionLock.ts';
import type { Observer } from '../../contract/observer.ts';
import { rowsOf } from '../../contract/observer.ts';
import { runningChildren } from '../../contract/world.ts';
import { AcpRig, FastClock } from './acpRig.ts';

let rig: AcpRig;
beforeEach(async () => {
  rig = await AcpRig.make();
});
afterEach(async () => {
  await rig.dispose();
  expect(await runningChildren(), 'nothing is left running').toEqual([]);
});

const say = (text: string): JsonObject => ({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
const code = async (work: Promise<unknown>): Promise<string> => {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(PilothouseError);
  return error instanceof PilothouseError ? error.code : '';
};
const send = (chat: Observer, text: string, clientId: string = randomUUID()): Promise<void> => chat.handle.send({ text, attachments: [] }, clientId);

/** Who has the session: the window by its lease, and the locks that other programs see. */
async function claimOf(id: string): Promise<{ readonly lease: string; readonly locks: number }> {
  const { context } = await rig.world.window('local-acp-scripted');
  const names = await readdir(path.join(sharedStateDir({ HOME: rig.world.root }), 'locks')).catch(() => []);
  return { lease: await context.leases.holder(`session:${id}`), locks: names.filter((name) => name.endsWith('.lock')).length };
}
const mine = { lease: 'other', locks: 1 };
const free = { lease: 'nobody', locks: 0 };

describe('whose a session is', () => {
  const resumes = { capabilities: { sessionCapabilities: { resume: {} } } };

  it('stays this window\'s where a prompt was sent while it was being stopped', async () => {
    const backend = await rig.backend({ ...resumes, prompts: { long: [{ update: say('On it.') }, { hang: true }] } });
    const chat = await rig.spawn(backend);
    await chat.turn('one');
    const { id } = chat.handle;
    const sent: Promise<void>[] = [];
    backend.watch((event) => {
      if (event.type === 'session' && event.session.owner === 'nobody' && sent.length === 0) sent.push(send(chat, 'long'));
    });
    await chat.handle.stop();
    await chat.until('the prompt to be sent', () => sent.length > 0);
    await Promise.all(sent);
    await chat.until('the turn', () => chat.said().includes('On it.'));
    expect(chat.session).toMatchObject({ state: 'running', owner: 'this' });
    expect(await claimOf(id)).toEqual(mine);
    await chat.handle.interrupt();
    await chat.until('the session to rest', () => chat.session?.state === 'idle');
    await chat.handle.stop();
    expect(chat.session).toMatchObject({ state: 'stopped', owner: 'nobody' });
    expect(await claimOf(id)).toEqual(free);
  });

  it('a start that is under way keeps its claim when a stop finds nothing to stop', async () => {
    const chat = await rig.spawn(await rig.backend(resumes));
    await chat.turn('one');
    await chat.handle.stop();
    const started = chat.handle.resume();
    await chat.until('the start', () => chat.session?.state === 'starting');
    expect((await chat.handle.stop()).step).toBe('nothing-to-stop');
    await started;
    expect(await claimOf(chat.handle.id)).toEqual(mine);
    await chat.until('the session to rest', () => chat.session?.state === 'idle');
  });

  it('what an unloading gives back is not what the next start has taken, nor is it given back twice', async () => {
    const acts: string[] = [];
    const chat = await rig.spawn(await rig.backend(resumes));
    await chat.turn('one');
    const { handle } = chat;
    if (!(handle instanceof AcpSession)) throw new Error('not a session of ACP');
    const { presence } = handle;
    const { link } = presence;
    const { claims } = Reflect.get(presence, 'host') as SessionHost;
    const real = { ...claims };
    Object.assign(claims, {
      take: async (id: string) => {
        acts.push('take');
        await real.take(id);
      },
      release: async (id: string) => {
        acts.push('release');
        // Long enough for a start that does not wait to claim the session meanwhile.
        await new Promise((resolve) => {
          setTimeout(resolve, 200);
        });
        await real.release(id);
        acts.push('released');
      },
    });
    const left = presence.unload(link);
    const started = presence.activate();
    await Promise.all([left, presence.unload(link), started]);
    expect(acts.slice(0, 4)).toEqual(['release', 'released', 'take', 'take']);
    await presence.unload(null);
    expect(acts.filter((act) => act === 'release')).toHaveLength(1);
    expect(await claimOf(chat.handle.id)).toEqual(mine);
  });
});

describe('starting an agent', () => {
  it('says that the program is missing, and where its command is set', async () => {
    const backend = await rig.backend({}, { agent: { command: 'no-such-agent' } });
    const state = await backend.connect();
    expect(state).toMatchObject({ status: 'not-installed', message: expect.stringContaining('no-such-agent') as string, remedy: { text: expect.stringContaining('pilothouse.local.agents') as string, command: null } });
    expect(await code(backend.spawn({ machineId: 'this-computer', folder: rig.folder }))).toBe('not_installed');
    expect(await code(backend.sessions({ limit: 5 }))).toBe('not_installed');
  });

  it('says what a program said that ended at once, without its secrets', async () => {
    const backend = await rig.backend({ stderr: 'token=abcdef123456 is not valid', exitAtStart: 3 });
    const state = await backend.connect();
    expect(state).toMatchObject({ status: 'failed', message: expect.stringMatching(/exit code 3.*is not valid/) as string });
    expect(state.message).not.toContain('abcdef123456');
  });

  it('refuses another version of the protocol, and leaves no process', async () => {
    const backend = await rig.backend({ initialize: { protocolVersion: 9 } });
    expect(await backend.connect()).toMatchObject({ status: 'failed', message: expect.stringContaining('version 9') as string });
    expect(await runningChildren()).toEqual([]);
  });

  it('wants a sign-in in the agent\'s words, with the command for it, and is ready afterwards', async () => {
    const authMethods = [{ id: 'key', name: 'API key' }, { id: 'tty', name: 'Log in', type: 'terminal', args: ['login', 'with space'] }];
    const backend = await rig.backend({ authMethods, errors: { 'session/new': { error: { code: -32000, message: 'Please sign in to Scripted' }, times: 1 } } });
    const states: ConnectionState[] = [];
    backend.watch((event) => event.type === 'connection' && states.push(event.state));
    const error: unknown = await backend.spawn({ machineId: 'this-computer', folder: rig.folder }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'needs_sign_in', personMustAct: true });
    expect(states.at(-1)).toMatchObject({ status: 'needs-sign-in', message: 'Please sign in to Scripted', version: '1.2.3' });
    expect(states.at(-1)?.remedy).toMatchObject({ text: 'Sign in in a terminal.', command: expect.stringMatching(/ login "with space"$/) as string });
    expect((await backend.signInMethods()).map(({ id, name }) => [id, name])).toEqual([['key', 'API key'], ['tty', 'Log in']]);
    await backend.signIn('key');
    expect(states.at(-1)).toMatchObject({ status: 'ready' });
    await rig.spawn(backend);
  });

  it('reads over what is no message, and takes updates that come before the id of their session', async () => {
    const early = [{ sessionUpdate: 'available_commands_update', availableCommands: [{ name: 'plan', description: 'Plan it', input: { hint: 'what' } }] }];
    const backend = await rig.backend({ early, prompts: { '*': [{ raw: 'Loading model…' }, { update: say('Here.') }, { raw: '[1,2]' }] } });
    const chat = await rig.spawn(backend);
    expect(chat.handle.controls().commands).toEqual([{ name: 'plan', description: 'Plan it', argumentHint: 'what' }]);
    await chat.turn('hello');
    expect(chat.said()).toBe('Here.');
  });

  it('ends an idle agent and starts it again on demand', async () => {
    const clock = new FastClock();
    const backend = await rig.backend({ capabilities: { sessionCapabilities: { resume: {} } } }, { clock });
    const chat = await rig.spawn(backend);
    await chat.turn('one');
    clock.factor = 600;
    await chat.turn('two');
    await expect.poll(runningChildren, { timeout: 3000 }).toEqual([]);
    await chat.until('nobody to own it', () => chat.session?.owner === 'nobody' && chat.session.state === 'idle');
    clock.factor = 1;
    await chat.turn('three');
    expect(chat.said()).toContain('You said three.');
    expect((await rig.methods()).filter((method) => method === 'session/resume')).toHaveLength(1);
    expect(rowsOf(chat.rows, 'notice')).toEqual([]);
  });
});

describe('bringing a session back', () => {
  const dying = { prompts: { die: [{ update: say('I am ') }, { update: { sessionUpdate: 'tool_call', toolCallId: 't1', title: 'Think', status: 'in_progress' } }, { exit: 7 }] } } as const;

  it('closes what a dead agent left open, says so, and goes on in a fresh session where the agent can do no better', async () => {
    const backend = await rig.backend(dying);
    const chat = await rig.spawn(backend);
    await chat.turn('hello');
    const end = await chat.turn('die');
    expect(end).toMatchObject({ state: 'failed', error: expect.stringContaining('exit code 7') as string });
    expect(rowsOf(chat.rows, 'text').at(-1)).toMatchObject({ text: 'I am ', streaming: false });
    expect(rowsOf(chat.rows, 'tool')[0]).toMatchObject({ status: 'cancelled' });
    expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['process_died']);
    expect(chat.session).toMatchObject({ state: 'failed', owner: 'nobody' });
    await chat.turn('again');
    expect(rowsOf(chat.rows, 'notice').map((row) => row.code)).toEqual(['process_died', 'context_lost']);
    expect(chat.said()).toContain('You said again.');
    expect(chat.session).toMatchObject({ state: 'idle', id: chat.handle.id });
  });

  it('loses a permission that waited with the agent', async () => {
    const asking = { toolCall: { toolCallId: 't1', title: 'rm -rf', kind: 'execute', rawInput: { command: 'rm -rf' } }, options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }] };
    const backend = await rig.backend({ prompts: { ask: [{ ask: asking }, { takeBack: true }, { wait: 50 }, { ask: asking }, { wait: 50 }, { exit: 1 }] } });
    const chat = await rig.spawn(backend);
    await send(chat, 'ask');
    const first = await chat.until('the answer of the agent itself', () => rowsOf(chat.rows, 'permission').find((row) => row.outcome === 'withdrawn'));
    expect(await code(chat.handle.answer(first.requestId, { outcome: 'allow' }))).toBe('already_answered');
    await chat.turnEnd(0);
    expect(rowsOf(chat.rows, 'permission').map((row) => row.outcome)).toEqual(['withdrawn', 'lost']);
  });

  it('resumes without a replay where it has the rows, and takes one where it has none', async () => {
    const replay = [{ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'hello' } }, say('You said hello.')];
    const scenario = { capabilities: { loadSession: true, sessionCapabilities: { resume: {} } }, replay };
    const first = await rig.window(scenario);
    const chat = await rig.spawn(first.backend);
    await chat.turn('hello');
    expect((await chat.handle.history({ limit: 10, stored: 3 })).items).toEqual([]);
    await first.close();

    const again = await rig.window(scenario);
    const back = rig.observe(again.backend, chat.handle.id);
    expect((await back.handle.history({ limit: 10 })).items).toEqual([]);
    await back.turn('more');
    expect((await rig.methods()).filter((method) => method === 'session/resume' || method === 'session/load')).toEqual(['session/resume']);
    expect(back.said()).toBe('You said more.');
    await again.close();

    const empty = await rig.backend(scenario);
    const past = await empty.session(chat.handle.id).history({ limit: 10, stored: 0 });
    expect(viewOf(past.items).map((row) => row.kind)).toEqual(['prompt', 'text']);
    expect((await rig.methods()).filter((method) => method === 'session/load')).toHaveLength(1);
    const late = rig.observe(empty, chat.handle.id);
    await late.turn('and more');
    expect((await rig.methods()).filter((method) => method === 'session/load')).toHaveLength(1);
    expect(rowsOf(viewOf([...past.items, ...late.entries]), 'prompt').map((row) => row.text)).toEqual(['hello', 'and more']);
  });

  it.each([[-32002, 'Resource not found'], [-32603, 'Internal error']])('says that the agent has lost a session (%i)', async (rpcCode, message) => {
    const list = [{ sessionId: 'old-one', cwd: rig.folder, title: 'From a terminal', updatedAt: '2026-11-20T16:50:44.000Z' }];
    const backend = await rig.backend({ capabilities: { loadSession: true, sessionCapabilities: { list: {} } }, list, errors: { 'session/load': { error: { code: rpcCode, message, data: { details: 'no rollout found' } } } } });
    expect((await backend.sessions({ limit: 5 })).items).toMatchObject([{ id: 'old-one', title: 'From a terminal', state: 'idle', owner: 'nobody' }]);
    const error: unknown = await backend.session('old-one').send({ text: 'hello', attachments: [] }, randomUUID()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'session_not_found', message: expect.stringContaining('no rollout found') as string });
  });

  it('does not hand a prompt over twice when it cannot know: it asks the replay', async () => {
    const scenario = { capabilities: { loadSession: true }, replay: [{ sessionUpdate: 'user_message_chunk', content: { type: 'text', text: 'only once' } }, say('You said only once.')] };
    const first = await rig.window(scenario);
    const chat = await rig.spawn(first.backend);
    await chat.turn('hello');
    await first.close();
    const clientId = randomUUID();
    const { context } = await rig.world.window('other');
    const key = `session:${chat.handle.id}`;
    const record = JSON.parse((await context.keep.get(key)) ?? '{}') as Record<string, unknown>;
    await context.keep.set(key, JSON.stringify({ ...record, sending: clientId }));
    const backend = await rig.backend(scenario);
    await backend.session(chat.handle.id).send({ text: 'only once', attachments: [] }, clientId);
    expect((await rig.received()).filter((message) => message['method'] === 'session/prompt')).toHaveLength(1);
    await backend.session(chat.handle.id).send({ text: 'only once', attachments: [] }, clientId);
    await backend.session(chat.handle.id).send({ text: 'another', attachments: [] }, randomUUID());
    expect((await rig.received()).filter((message) => message['method'] === 'session/prompt')).toHaveLength(2);
  });

  it.each(['closed', 'killed'])('closes the rows of a turn whose window was %s', async (how) => {
    const scenario = { prompts: { slow: [{ update: say('Half a ') }, { update: { sessionUpdate: 'tool_call', toolCallId: 't1', title: 'Look', status: 'in_progress' } }, { update: say('sentence') }, { hang: true } as const] } };
    const first = await rig.window(scenario);
    const chat = await rig.spawn(first.backend);
    await send(chat, 'slow');
    await chat.until('the text', () => chat.said().endsWith('sentence'));
    const seen = [...chat.entries];
    if (how === 'closed') await first.close();
    else {
      await new Promise((resolve) => { setTimeout(resolve, 700); });
      first.end();
    }
    const next = await rig.backend(scenario);
    const { items } = await next.session(chat.handle.id).history({ limit: 10, stored: 4 });
    const rows = viewOf([...seen, ...items]);
    expect(rowsOf(rows, 'text').map((row) => [row.text, row.streaming])).toEqual([['Half a ', false], ['sentence', false]]);
    expect(rowsOf(rows, 'tool')[0]).toMatchObject({ status: 'cancelled' });
    expect(rows.at(-1)).toMatchObject({ kind: 'turn', state: 'cancelled' });
    const { items: listed } = await next.sessions({ limit: 5 });
    expect(listed).toMatchObject([{ id: chat.handle.id, state: 'idle', owner: 'nobody' }]);
  });
});
