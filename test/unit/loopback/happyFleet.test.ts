import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isJsonObject, type JsonObject } from '../../../src/core/model/json.ts';
import { animateFleet, type Animation } from '../../loopback/happy/animate.ts';
import { seedFleet, type Fleet, type FleetSession } from '../../loopback/happy/fleet.ts';
import { eventually, Phone } from '../../loopback/happy/phone.ts';
import { startHappyServer, type HappyTestServer } from '../../loopback/happy/server.ts';
import { happyTimes } from '../../loopback/happy/times.ts';

let server: HappyTestServer;
let fleet: Fleet;
let phone: Phone;
let animation: Animation | null;
beforeEach(async () => {
  server = await startHappyServer({ times: happyTimes(100) });
  fleet = seedFleet(server, { sessions: 30, seed: 3 });
  phone = await Phone.signIn(server.url, fleet.master);
  animation = null;
});
afterEach(async () => {
  animation?.close();
  phone.close();
  await server.close();
});

const inState = (state: FleetSession['state']): FleetSession => {
  const found = fleet.sessions.find((session) => session.state === state);
  if (found === undefined) throw new Error(`No session that is ${state}.`);
  return found;
};

async function events(id: string): Promise<JsonObject[]> {
  return (await phone.messages(id)).flatMap(({ value }) => (isJsonObject(value) && value['role'] === 'session' && isJsonObject(value['content']) && isJsonObject(value['content']['ev']) ? [value['content']['ev']] : []));
}
const lastText = (all: readonly JsonObject[]): unknown => all.findLast((event) => event['t'] === 'text' && event['thinking'] !== true)?.['text'];

describe('a seeded fleet', () => {
  it('is what its owner can read: machines, sessions in every state, titles, requests; but one whose key is another\'s', async () => {
    const sessions = await phone.sessions();
    expect(sessions).toHaveLength(30);
    expect(new Map((await phone.machines()).map(({ metadata, active }) => [metadata?.['host'], active]))).toEqual(new Map([['studio', true], ['laptop', true], ['build-server', false]]));
    for (const { id, state, title, path, machine } of fleet.sessions) {
      const seen = sessions.find((session) => session.id === id);
      if (state === 'unreadable') {
        expect(seen?.metadata).toBeNull();
        continue;
      }
      expect(seen?.metadata).toMatchObject({ path, machineId: machine.id, summary: { text: title }, lifecycleState: state === 'archived' ? 'archived' : 'running' });
      const requests = Object.values((seen?.agentState?.['requests'] ?? {}) as JsonObject).map((request) => (request as JsonObject)['tool']);
      expect(requests).toEqual({ permission: ['Bash'], question: ['AskUserQuestion'], plan: ['ExitPlanMode'] }[state as string] ?? []);
      expect(seen?.dataEncryptionKey === null).toBe(state === 'legacy');
    }
    expect(new Set(fleet.sessions.map(({ state }) => state)).size).toBe(12);
  });

  it('has a past: messages in order, none of them in the future, all of which open', async () => {
    for (const session of fleet.sessions.filter(({ cipher }) => cipher !== null)) {
      const rows = server.messages(session.id);
      expect(rows).toHaveLength(session.messages);
      expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
      expect(rows.every(({ createdAt }, index) => createdAt <= Date.now() && createdAt >= (rows[index - 1]?.createdAt ?? 0))).toBe(true);
      expect(rows.every(({ content }) => session.cipher?.open(content) !== undefined)).toBe(true);
    }
  });

  it('repeats no title and no conversation, and is minutes to weeks old', () => {
    const own = seedFleet(server);
    expect(own.sessions.length).toBeGreaterThanOrEqual(40);
    expect(new Set(own.sessions.map(({ title }) => title)).size).toBe(own.sessions.length);
    const ages = own.sessions.map(({ id }) => Math.round((Date.now() - (server.messages(id).at(-1)?.createdAt ?? 0)) / 60_000));
    expect(new Set(ages.map((minutes) => (minutes < 60 ? 'minutes' : minutes < 1_440 ? 'hours' : minutes < 10_080 ? 'days' : 'weeks')))).toEqual(new Set(['minutes', 'hours', 'days', 'weeks']));
    expect(new Set(ages).size).toBe(ages.length);
    const prompts = own.sessions.flatMap(({ id, cipher }) => server.messages(id).slice(0, 1).map(({ content }) => JSON.stringify((cipher?.open(content) as JsonObject | undefined)?.['content'] ?? id)));
    expect(new Set(prompts).size).toBe(prompts.length);
  });

  it('tells in each message when it was written, not when the fleet was made', () => {
    const { id, cipher } = inState('stopped');
    for (const { content, createdAt } of server.messages(id)) {
      const value = cipher?.open(content);
      const time = isJsonObject(value) && value['role'] === 'session' && isJsonObject(value['content']) ? Number(value['content']['time']) : createdAt;
      expect(Math.abs(createdAt - time)).toBeLessThan(10_000);
    }
  });

  it('is as long as was asked for', () => {
    const big = seedFleet(server, { sessions: 6, long: 2_000 });
    expect(Math.max(...big.sessions.map(({ messages }) => messages))).toBeGreaterThanOrEqual(2_000);
  });
});

describe('a fleet that lives', () => {
  it('beats, and works on what runs until it is interrupted', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5, beatMs: 30 });
    const { id } = inState('running');
    const socket = await phone.connect();
    const thinking: unknown[] = [];
    socket.on('ephemeral', (each: JsonObject) => { if (each['type'] === 'activity' && each['id'] === id) thinking.push(each['thinking']); });
    await eventually(() => Promise.resolve(thinking), (seen) => seen.length > 2, 'heartbeats', 3_000);
    expect(new Set(thinking)).toEqual(new Set([true]));
    await phone.rpc(id, 'abort', {});
    await eventually(() => Promise.resolve(thinking.at(-1)), (seen) => seen === false, 'the end', 3_000);
    expect((await events(id)).at(-1)).toEqual({ t: 'turn-end', status: 'cancelled' });
  });

  it('goes on when a permission is allowed, and stops when it is denied', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5 });
    const allowed = inState('permission');
    const [request] = await phone.permission(allowed.id);
    await phone.answer(allowed.id, request, { approved: true });
    await eventually(() => events(allowed.id), (all) => all.at(-1)?.['t'] === 'turn-end', 'the end of the turn', 3_000);
    const denied = inState('plan');
    const [plan] = await phone.permission(denied.id);
    await phone.answer(denied.id, plan, { approved: false, reason: 'not now' });
    const completed = (await phone.session(denied.id)).agentState?.['completedRequests'] as JsonObject;
    expect(completed[plan]).toMatchObject({ tool: 'ExitPlanMode', status: 'denied', reason: 'not now' });
    await server.until(() => server.pushes.some((push) => push.sessionId === denied.id && push.kind === 'done'), 'the end of the denied turn');
    expect((await events(denied.id)).at(-1)).toMatchObject({ t: 'tool-call-end', call: plan });
  });

  it('takes prompts, asks before it edits, and shows the edit in its files', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5 });
    const { id, path } = inState('idle');
    await phone.send(id, 'Please fix src/index.ts');
    await phone.send(id, 'And then say what is there');
    const [request, asked] = await phone.permission(id);
    expect(asked).toMatchObject({ tool: 'Edit', arguments: { file_path: `${path}/src/index.ts` } });
    await phone.answer(id, request, { approved: true });
    const all = await eventually(() => events(id), (seen) => String(lastText(seen)).includes('README.md') && seen.at(-1)?.['t'] === 'turn-end', 'both answers', 5_000);
    expect(all.filter((event) => event['t'] === 'turn-start').length).toBe(all.filter((event) => event['t'] === 'turn-end').length);
    const read = (await phone.rpc(id, 'readFile', { path: 'src/index.ts' })) as { content: string };
    expect(Buffer.from(read.content, 'base64').toString()).toMatch(/^\/\/ Changed in the demo\./);
    expect(await phone.rpc(id, 'readFile', { path: '../web/README.md' })).toMatchObject({ success: false, error: expect.stringContaining('outside the working directory') as string });
  });

  it('spawns, asks for consent to a folder that is not there, and ends sessions for good', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5 });
    const machine = fleet.machines.find(({ online }) => online);
    if (machine === undefined) throw new Error('no machine');
    const directory = `${machine.home}/work/new`;
    await expect(phone.spawn(machine.id, { directory, agent: 'claude' })).rejects.toThrow(/requestToApproveDirectoryCreation/);
    await expect(phone.spawn(machine.id, { agent: 'claude' })).rejects.toThrow('Directory is required');
    const id = await phone.spawn(machine.id, { directory, agent: 'claude', approvedNewDirectoryCreation: true });
    await phone.send(id, 'hello');
    await eventually(() => events(id), (all) => all.at(-1)?.['t'] === 'turn-end', 'an answer', 3_000);
    expect(await phone.rpc(id, 'killSession')).toMatchObject({ success: true });
    await eventually(() => phone.session(id), ({ metadata, active }) => metadata?.['lifecycleState'] === 'archived' && !active, 'the end', 3_000);
    await eventually(() => Promise.resolve(animation?.sessions ?? []), (running) => !running.includes(id), 'the end of its agent', 3_000);
    await expect(phone.rpc(id, 'readFile', { path: 'x' })).rejects.toThrow('RPC method not available');
  });

  it('leaves the session at its terminal there until it is taken over', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5 });
    const { id } = inState('local');
    await eventually(() => Promise.resolve(animation?.sessions ?? []), (running) => running.includes(id), 'its process', 3_000);
    expect((await phone.session(id)).agentState).toMatchObject({ controlledByUser: true });
    await eventually(() => Promise.resolve(server.sockets()), (all) => all.some(({ sessionId }) => sessionId === id), 'the session', 3_000);
    await phone.send(id, 'hello');
    await eventually(() => phone.session(id), ({ agentState }) => agentState?.['controlledByUser'] === false, 'the take-over', 3_000);
    await eventually(() => events(id), (all) => all.at(-1)?.['t'] === 'turn-end' && String(lastText(all)).includes('agent of the demo'), 'an answer', 3_000);
  });

  it('takes what came while its server was away', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5 });
    const { id } = inState('legacy');
    await eventually(() => Promise.resolve(server.sockets()), (all) => all.some(({ sessionId }) => sessionId === id), 'the session', 3_000);
    await server.restart();
    await phone.send(id, 'Are you there?');
    await eventually(() => events(id), (all) => all.at(-1)?.['t'] === 'turn-end' && String(lastText(all)).includes('agent of the demo'), 'an answer', 5_000);
    expect(server.unknown).toEqual([]);
  });
});

describe('the phone', () => {
  it('links terminals of both kinds and accounts, by the code as it is shown', async () => {
    const second = await phone.linkTerminal(2);
    expect(second.encryption?.publicKey).toHaveLength(44);
    const first = await phone.linkTerminal(1);
    expect(first.secret).toBe(Buffer.from(fleet.master).toString('base64'));
    const key = Buffer.alloc(32, 9);
    await fetch(`${server.url}/v1/auth/account/request`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ publicKey: key.toString('base64') }) });
    await phone.approve(`happy:///account?${key.toString('base64url')}`);
    expect(server.rows().links.filter(({ responseAccountId }) => responseAccountId === fleet.accountId).map(({ kind }) => kind)).toEqual(['terminal', 'terminal', 'account']);
    await expect(phone.approve('happy://terminal?nope')).rejects.toThrow('no code');
    await expect(phone.approve(`happy://terminal?${Buffer.alloc(32, 8).toString('base64url')}`)).rejects.toThrow('404');
  });

  it('renames without losing what others write at the same time', async () => {
    animation = await animateFleet(server.url, fleet, { stepMs: 5 });
    const { id } = inState('idle');
    const other = await Phone.signIn(server.url, fleet.master);
    await Promise.all([phone.rename(id, 'One'), other.rename(id, 'Two')]);
    other.close();
    const { metadata, metadataVersion } = await phone.session(id);
    const { text } = (metadata ?? {})['summary'] as JsonObject;
    expect(['One', 'Two']).toContain(text);
    expect(metadata).toMatchObject({ flavor: 'claude', machineId: inState('idle').machine.id });
    expect(metadataVersion).toBe(4);
  });
});
