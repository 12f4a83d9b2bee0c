import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/cli/main.ts';
import { askLine } from '../../../src/cli/happy/print.ts';
import { transcriptText } from '../../../src/cli/happy/transcript.ts';
import type { HappyMachine, HappyMessage, HappySession } from '../../../src/core/systems/happy/client.ts';
import { permissionAsk } from '../../../src/core/systems/happy/normalise/asks.ts';
import type { Rig } from './happyWorld.ts';
import { startRig, World } from './happyWorld.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const verbs = ['login', 'machines', 'sessions', 'get', 'alive', 'spawn', 'send', 'messages', 'metadata', 'rename', 'interrupt', 'answer', 'stop', 'delete', 'wait', 'run-task'];
const studio = (): string => rig.fleet.machines.find(({ host }) => host === 'studio')?.id ?? '';
const sessionNow = async (id: string): Promise<HappySession> => (await rig.json('get', id)) as HappySession;
const requestIn = async (id: string): Promise<string> => Object.keys((await sessionNow(id)).agentState?.['requests'] ?? {})[0] ?? '';
async function spawned(): Promise<string> {
  const { sessionId } = (await rig.json('spawn', '--machine', 'studio', '--directory', '~/work/api')) as { sessionId: string };
  return sessionId;
}

describe('usage', () => {
  it('help is there for the system and for every verb', async () => {
    for (const argv of [['--help'], ['happy', '--help'], ['happy', 'help']]) {
      const world = new World({});
      expect(await run(argv, world)).toBe(0);
      for (const verb of verbs) expect(world.stdout).toContain(`pilothouse happy ${verb}`);
    }
    for (const verb of verbs) {
      for (const argv of [['happy', verb, '--help'], ['happy', verb, 'x', '-h']]) {
        const world = new World({});
        expect(await run(argv, world), argv.join(' ')).toBe(0);
        expect(world.stdout).toMatch(new RegExp(`^pilothouse happy ${verb}`));
        expect(world.stderr).toBe('');
      }
    }
  });

  it.each([
    [], ['frob'], ['toString'], ['machines', 'x'], ['machines', '--frob'], ['get'], ['get', ' '], ['get', 'a', 'b'], ['alive'], ['messages'], ['interrupt'], ['stop'], ['wait'], ['delete'], ['delete', 'x'],
    ['spawn'], ['spawn', '--machine', 'studio'], ['spawn', '--directory', '/x'], ['spawn', '--machine', 'studio', '--directory', 'relative'], ['send'], ['send', 'x'], ['send', 'x', 'a', 'b'],
    ['send', 'x', 'a', '--timeout', '3'], ['wait', 'x', '--timeout', 'soon'], ['wait', 'x', '--timeout', '0'], ['rename', 'x'], ['rename', 'x', ' '], ['metadata'], ['metadata', 'x', 'y'], ['metadata', 'x', '--set', '[1]'],
    ['metadata', 'x', '--set', '{'], ['answer', 'x'], ['answer', 'x', 'y'], ['answer', 'x', 'y', 'maybe'], ['answer', 'x', 'y', 'allow', '--reason', 'z'], ['answer', 'x', 'y', 'deny', '--answer', 'z'],
    ['run-task', '--machine', 'studio', '--directory', '/x'], ['run-task', 'a', '--machine', 'studio'], ['login', '--timeout', '-1'], ['get', 'c'],
  ])('%s %s %s %s: one line and exit 2, before anything is changed', async (...argv) => {
    const before = rig.server.count({ method: 'POST' });
    const { code, stdout, stderr } = await rig.happy(...argv.filter((one) => one !== undefined));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    if (argv.length > 0) expect(stderr).toMatch(/^(?:invalid_argument|ambiguous_id): [^\n]+\n$/);
    expect(rig.server.count({ method: 'POST' })).toBe(before);
  });

  it('without credentials every verb says how to sign in', async () => {
    for (const argv of [['machines'], ['get', 'x'], ['send', 'x', 'y'], ['run-task', 'p', '--machine', 'm', '--directory', '/d']]) {
      const world = new World({ HAPPY_HOME_DIR: rig.home, HAPPY_SERVER_URL: rig.server.url });
      expect(await run(['happy', ...argv], world)).toBe(1);
      expect(world.stderr).toMatch(/^credentials_missing: There is no access\.key and no agent\.key in .*\. Run: pilothouse happy login\n$/);
    }
    const half = new World({ HAPPY_HOME_DIR: rig.home, HAPPY_SERVER_URL: rig.server.url, HAPPY_TOKEN: 'x' });
    expect(await run(['happy', 'machines'], half)).toBe(1);
    expect(half.stderr).toMatch(/^credentials_missing: HAPPY_SECRET is not set/);
  });

  it('refused credentials, a server that is away and plain http are said in one line', async () => {
    const refused = new World({ ...rig.env, HAPPY_TOKEN: 'secret-token' });
    expect(await run(['happy', 'sessions'], refused)).toBe(1);
    expect(refused.stderr).toMatch(/^authentication_failed: The Happy server does not accept this token\. Sign in again\.[^\n]*\n$/);
    expect(refused.stderr).not.toContain('secret-token');
    const plain = new World({ ...rig.env, HAPPY_SERVER_URL: 'http://happy.example.org' });
    expect(await run(['happy', 'sessions'], plain)).toBe(1);
    expect(plain.stderr).toMatch(/^plain_http_refused: .*--allow-http/);
    const away = new World(rig.env);
    expect(await run(['happy', 'machines', '--server', 'http://127.0.0.1:9'], away)).toBe(1);
    expect(away.stderr).toMatch(/^connection_failed: The Happy server cannot be reached[^\n]*\n$/);
  }, 30_000);
});

describe('looking', () => {
  it('machines', async () => {
    const all = (await rig.json('machines')) as HappyMachine[];
    expect(all.map(({ id }) => id).sort()).toEqual(rig.fleet.machines.map(({ id }) => id).sort());
    expect((await rig.json('machines', '--active')) as HappyMachine[]).toHaveLength(2);
    const { stdout } = await rig.happy('machines');
    expect(stdout).toMatch(/^ID +STATE +HOST +PLATFORM +HAPPY +HOME\n/);
    expect(stdout).toMatch(new RegExp(`^${studio()} +online +studio +linux +1\\.2\\.5 +/home/dev$`, 'm'));
    expect(stdout).toMatch(/ offline +build-server /);
  });

  it('sessions', async () => {
    const all = (await rig.json('sessions')) as HappySession[];
    expect(all.map(({ id }) => id)).toEqual(rig.fleet.sessions.map(({ id }) => id));
    const active = (await rig.json('sessions', '--active')) as HappySession[];
    expect(active.length).toBeGreaterThan(3);
    expect(active.every((session) => session.active)).toBe(true);
    const lines = (await rig.happy('sessions')).stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(all.length + 1);
    const line = (state: Parameters<Rig['in']>[0]): string => lines.find((one) => one.startsWith(rig.in(state).id)) ?? '';
    const waiting = rig.in('permission');
    expect(line('permission')).toMatch(new RegExp(` waiting +${waiting.machine.host} +\\d+ (?:min|h) +~/work/\\w+ +${waiting.title}$`));
    expect(line('idle')).toContain(' active ');
    expect(line('archived')).toContain(' stopped ');
    expect(line('unreadable')).toContain('(these credentials hold no key for it)');
  });

  it('one session, by the beginning of its id too, with what waits in it', async () => {
    const { id, title, machine } = rig.in('permission');
    const { stdout } = await rig.happy('get', id.slice(0, 9));
    expect(stdout).toContain(`title     ${title}\n`);
    expect(stdout).toContain(`machine   ${machine.host} (${machine.id})\n`);
    expect(stdout).toMatch(new RegExp(`^waits +Bash: rm -rf dist .* \\(pilothouse happy answer ${id} toolu_\\w+ allow\\|allow-session\\|deny\\)$`, 'm'));
    expect((await rig.happy('get', rig.in('question').id)).stdout).toMatch(/1\. Which limit should be the default\? \(Three \/ Five\) .* allow --answer NUMBER=ANSWER\)/);
    expect((await rig.happy('get', rig.in('local').id)).stdout).toContain('a terminal of its machine has it');
    expect(await rig.happy('get', 'cmaaaaaaaaaaaaaaaaaaaaaaa')).toMatchObject({ code: 1, stdout: '', stderr: 'session_not_found: There is no session cmaaaaaaaaaaaaaaaaaaaaaaa in this Happy account.\n' });
    expect(await rig.happy('get', 'zzz')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^session_not_found: /) as string });
  });

  it('alive', async () => {
    expect(await rig.json('alive', rig.in('idle').id)).toEqual({ sessionId: rig.in('idle').id, alive: true });
    expect(await rig.happy('alive', rig.in('archived').id)).toEqual({ code: 0, stdout: 'not alive\n', stderr: '' });
  });

  it('messages', async () => {
    const { id, messages } = rig.in('failed');
    expect(((await rig.json('messages', id)) as HappyMessage[]).length).toBeGreaterThanOrEqual(messages);
    const { stdout } = await rig.happy('messages', id);
    expect(stdout).toMatch(/^› /);
    expect(stdout).toMatch(/\n• Read /);
    expect(stdout).toMatch(/\n! .*(?:error|failed)/i);
    expect(await rig.happy('messages', rig.in('unreadable').id)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^encryption_failed: /) as string });
  });

  it('what agents wrote does nothing to the terminal', () => {
    const evil = 'a\u001B[2Jb\u202Ec';
    const text = transcriptText([
      { kind: 'prompt', key: '1', at: 1, turn: null, text: `${evil}\nd`, attachments: [], clientId: null }, { kind: 'text', key: '2', at: 1, turn: null, text: evil, streaming: false },
      { kind: 'notice', key: '3', at: 1, turn: null, level: 'error', code: 'x', text: evil, remedy: null },
    ]);
    expect(text).toBe('› abc\n  d\n\nabc\n\n! abc');
    const session = { id: 's', metadata: { path: '/x' }, active: true, agentState: null } as unknown as HappySession;
    expect(askLine(session, permissionAsk(`r${evil}`, { tool: evil, arguments: {} }), { program: 'node dist/cli.js' })).toMatch(/^abc: .*\(node dist\/cli\.js happy answer s rabc allow/);
  });
});

describe('acting', () => {
  it('spawns on a machine by id, prefix or host, in its home, in a folder that it may have to make, under a name', async () => {
    const { code, stdout, stderr } = await rig.happy('spawn', '--machine', studio().slice(0, 8), '--directory', '/home/dev/work/api', '--name', 'Nightly build');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await sessionNow(stdout.trim())).toMatchObject({ active: true, metadata: { machineId: studio(), path: '/home/dev/work/api', name: 'Nightly build', flavor: 'claude' } });
    const missing = ['spawn', '--machine', 'studio', '--directory', '~/work/fresh', '--agent', 'codex'];
    expect(await rig.happy(...missing)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^folder_missing: The folder \/home\/dev\/work\/fresh does not exist/) as string });
    const { sessionId } = (await rig.json(...missing, '--create-dir')) as { sessionId: string };
    expect(await sessionNow(sessionId)).toMatchObject({ metadata: { path: '/home/dev/work/fresh', flavor: 'codex' } });
    expect(await rig.happy('spawn', '--machine', 'build-server', '--directory', '/x')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^machine_offline: /) as string });
    expect(await rig.happy('spawn', '--machine', 'nobody', '--directory', '/x')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^machine_not_found: /) as string });
    expect(await rig.happy('spawn', '--machine', 'studio', '--directory', '/home/dev/work/api', '--agent', 'nonsense')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^spawn_failed: .*nonsense/) as string });
  }, 20_000);

  it('sends, waits for the turn and prints what the agent said in it', async () => {
    const id = await spawned();
    const sent = await rig.happy('send', id, 'What is here?', '--wait', '--timeout', '20');
    expect(sent).toMatchObject({ code: 0, stderr: '' });
    expect(sent.stdout).toMatch(/^I am an agent of the demo/);
    expect(await rig.json('send', id, 'And again?', '--wait', '--permission-mode', 'plan')).toMatchObject({ sessionId: id, localId: expect.any(String) as string, answer: expect.stringMatching(/^I am an agent of the demo/) as string });
    expect(await rig.happy('wait', id, '--idle', '--timeout', '20')).toEqual({ code: 0, stdout: 'It is idle.\n', stderr: '' });
    expect(await rig.json('wait', id)).toEqual({ sessionId: id, waitedFor: 'turn' });
    const prompt = ((await rig.json('messages', id)) as HappyMessage[]).findLast(({ content }) => (content as { role?: string }).role === 'user');
    expect(prompt?.content).toMatchObject({ content: { text: 'And again?' }, meta: { permissionMode: 'plan', sentFrom: 'pilothouse' } });
  }, 60_000);

  it('takes a prompt from stdin', async () => {
    const world = new World(rig.env);
    world.stdin.end('from stdin\n');
    const { id } = rig.in('idle');
    expect(await run(['happy', 'send', id, '-'], world)).toBe(0);
    expect(world.stdout).toBe('Delivered.\n');
    expect(((await rig.json('messages', id)) as HappyMessage[]).some(({ content }) => JSON.stringify(content).includes('from stdin\\n'))).toBe(true);
    expect(await rig.happy('send', id, '  ')).toMatchObject({ code: 2, stderr: expect.stringMatching(/^invalid_argument: /) as string });
  }, 20_000);

  it('answers permissions, questions and plans as their agent takes it, and says what it waits for when a wait ends', async () => {
    const id = await spawned();
    await rig.happy('send', id, 'run the tests');
    const late = await rig.happy('wait', id, '--timeout', '3');
    expect(late).toMatchObject({ code: 1, stdout: '' });
    expect(late.stderr).toMatch(/^timeout: The turn .* It waits for an answer: Bash: npm test \(pilothouse happy answer /);
    const request = await requestIn(id);
    expect(await rig.happy('answer', id, 'toolu_nothing', 'allow')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^already_answered: .*These wait: Bash: npm test/) as string });
    expect(await rig.happy('answer', id, request, 'allow', '--answer', 'yes')).toMatchObject({ code: 2, stderr: expect.stringContaining('asks for no answer') as string });
    expect(await rig.json('answer', id, request.slice(0, -2), 'allow-session')).toEqual({ sessionId: id, requestId: request, approved: true, decision: 'approved', allowTools: ['Bash(npm test)'] });
    expect(await rig.happy('answer', id, request, 'allow')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^already_answered: /) as string });
    await rig.happy('wait', id);

    await rig.happy('send', id, 'ask me');
    await expect.poll(() => requestIn(id), { timeout: 10_000 }).not.toBe('');
    const question = await requestIn(id);
    for (const wrong of [[], ['--answer', '2=That'], ['--answer', '1=']]) expect(await rig.happy('answer', id, question, 'allow', ...wrong), wrong.join(' ')).toMatchObject({ code: 2 });
    expect(await rig.happy('answer', id, question, 'allow', '--answer', 'That')).toEqual({ code: 0, stdout: 'Answered.\n', stderr: '' });
    expect(await requestIn(id)).toBe('');
    await rig.happy('wait', id);

    await rig.happy('send', id, 'plan it');
    await expect.poll(() => requestIn(id), { timeout: 10_000 }).not.toBe('');
    const denied = await rig.happy('answer', id, await requestIn(id), 'deny', '--reason', 'Too early');
    expect(denied).toEqual({ code: 0, stdout: 'Denied.\n', stderr: '' });
    expect(Object.values((await sessionNow(id)).agentState?.['completedRequests'] ?? {})).toContainEqual(expect.objectContaining({ tool: 'ExitPlanMode', status: 'denied', reason: 'Too early' }));
  }, 60_000);

  it('answers a question by number, head and text', async () => {
    const { id } = rig.in('question');
    const request = await requestIn(id);
    for (const argv of [[], ['--answer', '1=']]) expect(await rig.happy('answer', id, request, 'allow', ...argv)).toMatchObject({ code: 2, stderr: expect.stringContaining('1. Which limit should be the default? (Three / Five)') as string });
    expect(await rig.json('answer', id, request, 'allow', '--answer', 'limit=2')).toEqual({ sessionId: id, requestId: request, approved: true, decision: 'approved', updatedInput: { answers: { 'Which limit should be the default?': 'Five' } } });
  }, 20_000);

  it('interrupts', async () => {
    const id = await spawned();
    await rig.happy('send', id, 'something long');
    await expect.poll(async () => ((await rig.json('messages', id)) as HappyMessage[]).length, { timeout: 10_000 }).toBeGreaterThan(4);
    expect(await rig.happy('interrupt', id)).toEqual({ code: 0, stdout: 'Interrupted.\n', stderr: '' });
    await rig.happy('wait', id);
    expect((await rig.happy('messages', id)).stdout).toMatch(/! Interrupted\.\n$/);
    expect(await rig.happy('interrupt', rig.in('archived').id)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^session_unreachable: /) as string });
  }, 40_000);

  it('shows and changes metadata, and names', async () => {
    const { id } = rig.in('cancelled');
    expect(await rig.json('metadata', id)).toMatchObject({ path: rig.in('cancelled').path, flavor: expect.any(String) as string });
    expect(await rig.json('metadata', id, 'stage=two=2', '--set', '{"deep": {"n": 1}, "gone": null}')).toMatchObject({ path: rig.in('cancelled').path, stage: 'two=2', deep: { n: 1 }, gone: null });
    const { stdout } = await rig.happy('metadata', id);
    expect(JSON.parse(stdout)).toMatchObject({ stage: 'two=2' });
    expect(stdout).toContain('\n  "stage": "two=2"');
    expect(await rig.happy('rename', id, 'Nightly build')).toEqual({ code: 0, stdout: 'Renamed to Nightly build.\n', stderr: '' });
    expect(await sessionNow(id)).toMatchObject({ metadata: { stage: 'two=2', summary: { text: 'Nightly build' }, name: 'Nightly build' } });
  }, 20_000);

  it('stops, and deletes only who said yes', async () => {
    const id = await spawned();
    expect(await rig.happy('stop', id)).toEqual({ code: 0, stdout: 'Stopped.\n', stderr: '' });
    expect(rig.animation.sessions).not.toContain(id);
    const world = new World(rig.env, true);
    const asked = run(['happy', 'delete', id], world);
    await world.printed(/for good\? \[y\/N\] $/);
    world.stdin.write('\n');
    expect(await asked).toBe(0);
    expect(world.stdout).toBe('Nothing was deleted.\n');
    const sure = new World(rig.env, true);
    const deleting = run(['happy', 'delete', id], sure);
    await sure.printed(/\[y\/N\] $/);
    sure.stdin.write('yes\n');
    expect(await deleting).toBe(0);
    expect(await rig.happy('get', id)).toMatchObject({ code: 1 });
    const other = await spawned();
    expect(await rig.json('delete', other, '--yes')).toEqual({ sessionId: other, deleted: true });
    expect(rig.animation.sessions).not.toContain(other);
    expect(await rig.happy('delete', other, '--yes')).toMatchObject({ code: 1, stderr: expect.stringMatching(/^session_not_found: /) as string });
  }, 40_000);
});

describe('tasks and Ctrl+C', () => {
  const task = (...more: readonly string[]): readonly string[] => ['run-task', '--machine', 'studio', '--directory', '~/work/api', ...more];

  it('runs a task to its end and leaves nothing running', async () => {
    const { sessionId, answer } = (await rig.json(...task('What is here?', '--name', 'A task'))) as { sessionId: string; answer: string };
    expect(answer).toMatch(/^I am an agent of the demo/);
    expect(rig.animation.sessions).not.toContain(sessionId);
    expect(await sessionNow(sessionId)).toMatchObject({ active: false, metadata: { name: 'A task' } });
    const human = await rig.happy(...task('What is here?'));
    expect(human).toMatchObject({ code: 0, stdout: expect.stringMatching(/^I am an agent/) as string, stderr: expect.stringMatching(/^Session c\w{24}\n$/) as string });
  }, 60_000);

  it.each(['interrupt', 'terminate'] as const)('%s ends the task and what it spawned, in one line', async (how) => {
    const before = new Set(rig.animation.sessions);
    const world = new World(rig.env);
    const running = run(['happy', ...task('something long')], world);
    await expect.poll(() => rig.animation.sessions.filter((id) => !before.has(id)).length, { timeout: 10_000 }).toBe(1);
    world[how]();
    expect(await running).toBe(1);
    expect({ stdout: world.stdout, stderr: world.stderr }).toEqual({ stdout: '', stderr: 'Cancelled.\n' });
    expect(rig.animation.sessions.filter((id) => !before.has(id))).toEqual([]);
  }, 40_000);

  it('ends a wait, and the reading of a prompt', async () => {
    const id = await spawned();
    await rig.happy('send', id, 'run the tests');
    for (const argv of [['wait', id], ['send', id, '-'], ['send', id, 'x', '--wait']]) {
      const world = new World(rig.env);
      const running = run(['happy', ...argv], world);
      await new Promise((resolve) => {
        setTimeout(resolve, 300);
      });
      world.interrupt();
      expect(await running, argv.join(' ')).toBe(1);
      expect(world.stderr).toBe('Cancelled.\n');
    }
  }, 30_000);

  it('deletes what may still run on a machine that is away only who said that too', async () => {
    const away = rig.fleet.sessions.filter(({ machine, cipher, state }) => !machine.online && cipher !== null && state !== 'archived').map(({ id }) => id);
    const [first = '', second = ''] = away;
    expect(await rig.happy('delete', first, '--yes')).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^machine_offline: .*could not be confirmed.*--unconfirmed/) as string });
    expect(await rig.json('delete', first, '--yes', '--unconfirmed')).toEqual({ sessionId: first, deleted: true });
    const world = new World(rig.env, true);
    const asked = run(['happy', 'delete', second, '--yes'], world);
    await world.printed(/may live on\. \[y\/N\] $/);
    world.stdin.write('\n');
    expect(await asked).toBe(0);
    expect(world.stdout).toBe('Nothing was deleted.\n');
  }, 40_000);
});
