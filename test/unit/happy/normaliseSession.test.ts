import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { PresenceInput, SessionInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { controlsOf, flavourOf, isHidden, localSessionOf, machineOf, sessionOf, titleOf } from '../../../src/core/systems/happy/normalise/index.ts';

const now = 1_800_000_000_000;
const row = { id: 's1', createdAt: now - 3_600_000, updatedAt: now - 60_000, active: true, activeAt: now - 1000 };
const metadata: JsonObject = { path: '/home/dev/code/app', host: 'vm', machineId: 'M', flavor: 'claude', lifecycleState: 'running', lifecycleStateSince: now - 3_600_000, claudeSessionId: 'c-1', hostPid: 7 };
const idle: JsonValue = { controlledByUser: false, requests: {}, completedRequests: {} };
const asked: JsonValue = { requests: { r: { tool: 'Bash', arguments: { command: 'ls' }, createdAt: now - 500 } } };
const heard = { connectedAt: now - 600_000, heardAt: now - 1000, thinking: false };
const of = (input: Partial<SessionInput> = {}) => sessionOf({ connectionId: 'happy', row, metadata, agentState: idle, presence: heard, now, ...input });

describe('state of a session', () => {
  it.each<[string, Partial<SessionInput>, string]>([
    ['idle by its own word', {}, 'idle'],
    ['idle whatever the messages say', { turn: { turn: 't', state: 'running', at: now, error: null } }, 'idle'],
    ['running', { presence: { ...heard, thinking: true } }, 'running'],
    ['running by the messages before the first activity', { presence: { connectedAt: now - 100, heardAt: null, thinking: null }, turn: { turn: 't', state: 'running', at: now, error: null } }, 'running'],
    ['waiting, thinking or not', { agentState: asked, presence: { ...heard, thinking: true } }, 'waiting'],
    ['unknown without a connection, whatever was last known', { agentState: asked, presence: { connectedAt: null, heardAt: now - 1, thinking: true } }, 'unknown'],
    ['unknown without a connection, archived or not', { metadata: { ...metadata, lifecycleState: 'archived' }, presence: { ...heard, connectedAt: null } }, 'unknown'],
    ['unknown in silence: a killed process stays active for ten minutes', { presence: { ...heard, heardAt: now - 31_000, thinking: true } }, 'unknown'],
    ['not unknown just after connecting', { presence: { connectedAt: now - 5000, heardAt: null, thinking: null } }, 'idle'],
    ['stopped', { row: { ...row, active: false } }, 'stopped'],
    ['stopped when archived', { metadata: { ...metadata, lifecycleState: 'archived', lifecycleStateSince: now - 5000 } }, 'stopped'],
    ['alive when only marked so', { metadata: { ...metadata, lifecycleState: 'archived', lifecycleStateSince: now - 300_000 } }, 'idle'],
    ['failed with the agent\'s words', { turn: { turn: 't', state: 'failed', at: now, error: 'no key' } }, 'failed'],
    ['idle after a take over, which ends the turn as failed', { turn: { turn: 't', state: 'failed', at: now, error: null } }, 'idle'],
    ['starting before its first state', { row: { ...row, createdAt: now - 2000 }, agentState: null }, 'starting'],
    ['unknown on a machine that is away, though the flag is fresh', { presence: { connectedAt: now - 5000, heardAt: null, thinking: null }, machine: { state: 'offline', activeAt: now - 2000 } }, 'unknown'],
    ['unknown on a machine without a sign of life', { presence: { connectedAt: now - 5000, heardAt: null, thinking: null }, machine: { state: 'unknown', activeAt: now - 200_000 } }, 'unknown'],
    ['by its own word, though the daemon of its machine is away', { machine: { state: 'offline', activeAt: now - 200_000 } }, 'idle'],
    ['unknown where it vanished with its machine', { row: { ...row, active: false, activeAt: now - 800_000 }, machine: { state: 'offline', activeAt: now - 790_000 } }, 'unknown'],
    ['stopped where its machine went on without it', { row: { ...row, active: false, activeAt: now - 800_000 }, machine: { state: 'offline', activeAt: now - 300_000 } }, 'stopped'],
    ['stopped where it said so, wherever its machine is', { metadata: { ...metadata, lifecycleState: 'archived' }, row: { ...row, active: false }, machine: { state: 'offline', activeAt: now - 2000 } }, 'stopped'],
    ['stopped on a machine that is there', { row: { ...row, active: false }, machine: { state: 'online', activeAt: now - 2000 } }, 'stopped'],
    ['not starting by a clock that is a day behind', { row: { ...row, createdAt: now + 86_400_000 }, agentState: null }, 'idle'],
    ['not running in a terminal by a clock that is a day behind', { agentState: { controlledByUser: true }, turn: { turn: 't', state: 'running', at: now + 86_400_000, error: null } }, 'idle'],
    ['idle in a terminal, where thinking stays false and turns end late', { agentState: { controlledByUser: true }, turn: { turn: 't', state: 'running', at: now - 60_000, error: null } }, 'idle'],
    ['running in a terminal while it says something', { agentState: { controlledByUser: true }, turn: { turn: 't', state: 'running', at: now - 1000, error: null } }, 'running'],
  ])('%s', (_, input, state) => {
    expect(of(input).state).toBe(state);
  });

  it('says what waits, who has it, and why it failed', () => {
    expect(of({ agentState: asked })).toMatchObject({ waiting: [{ requestId: 'r', tool: 'Bash', title: 'ls', ask: 'tool', askedAt: now - 500 }], activity: { phase: 'waiting', detail: 'Bash' }, owner: 'nobody' });
    expect(of({ agentState: { ...asked, controlledByUser: true } })).toMatchObject({ owner: 'foreign', ownerName: 'a terminal on vm', waiting: [] });
    expect(of({ turn: { turn: 't', state: 'failed', at: now, error: 'no key' } })).toMatchObject({ error: 'no key' });
  });
});

describe('what a session is called and where it is', () => {
  it('title: summary, then name, then folder; one line', () => {
    expect(titleOf({ ...metadata, name: 'n', summary: { text: ' Fix\nit ', updatedAt: 1 } })).toBe('Fix it');
    expect(titleOf({ ...metadata, name: 'n', summary: { text: '  ' } })).toBe('n');
    expect(titleOf(metadata)).toBe('app');
    expect(titleOf({ path: 'C:\\code\\app\\' })).toBe('app');
    expect(titleOf({})).toBe('Untitled session');
  });

  it('without a key it is still there, and says so', () => {
    expect(of({ metadata: undefined, agentState: undefined })).toMatchObject({ id: 's1', title: 'Cannot be decrypted', folder: '', machineId: '', state: 'idle' });
  });

  it('folder, machine, agent, archive mark, branch', () => {
    expect(of({ metadata: { ...metadata, lifecycleState: 'archiveRequested', gitBranch: 'main' } })).toMatchObject({ folder: '/home/dev/code/app', machineId: 'M', agent: 'claude', archived: true, branch: 'main' });
  });

  it('side chats are hidden; the agent\'s own session is told', () => {
    expect([isHidden({ ...metadata, isSideChat: true }), isHidden(metadata)]).toEqual([true, false]);
    expect(localSessionOf(metadata)).toEqual({ agent: 'claude', id: 'c-1', host: 'vm', pid: 7 });
    expect(of({})).toMatchObject({ agentSession: { agent: 'claude', id: 'c-1', host: 'vm' } });
    expect(of({ metadata: { path: '/work' } })).not.toHaveProperty('agentSession');
    expect(localSessionOf({ ...metadata, codexThreadId: 'x' })).toMatchObject({ agent: 'codex', id: 'x' });
    expect(localSessionOf({})).toBeNull();
  });
});

describe('machines', () => {
  const machine = { id: 'be759bd5-3a94', active: true, activeAt: now - 1000 };
  const at = (daemonState: JsonValue | undefined, presence: PresenceInput = heard, active = true) => machineOf({ connectionId: 'happy', row: { ...machine, active }, metadata: { host: 'vm', displayName: 'Lab box', homeDir: '/home/dev' }, daemonState, presence, now });
  it('trust the daemon\'s word and its heartbeat, not the flag', () => {
    expect(at({ status: 'running' })).toMatchObject({ name: 'Lab box', state: 'online', home: '/home/dev', seenAt: now - 1000 });
    expect(at({ status: 'shutting-down' }).state).toBe('offline');
    expect(at({ status: 'running' }, heard, false).state).toBe('offline');
    expect(at({ status: 'running' }, { ...heard, connectedAt: null }).state).toBe('unknown');
    expect(at({ status: 'running' }, { ...heard, heardAt: now - 100_000 }).state).toBe('unknown');
    expect(at({ status: 'running' }, { connectedAt: now - 1000, heardAt: null, thinking: null }).state).toBe('online');
    expect(machineOf({ connectionId: 'happy', row: machine, metadata: undefined, daemonState: undefined, presence: heard, now }).name).toBe('Machine be759bd5');
  });
});

describe('pickers', () => {
  const ids = (list: readonly { readonly id: string }[]): readonly string[] => list.map((one) => one.id);
  it.each([
    ['claude', ['default', 'acceptEdits', 'plan', 'dontAsk', 'bypassPermissions'], 6, 5], ['codex', ['default', 'auto', 'read-only', 'safe-yolo', 'yolo'], 11, 4], ['gemini', ['default', 'auto_edit', 'yolo', 'plan'], 6, 0],
    ['openclaw', ['default', 'bypassPermissions'], 1, 0], ['agy', ['default', 'bypassPermissions'], 11, 0], ['something new', ['default', 'acceptEdits', 'plan', 'dontAsk', 'bypassPermissions'], 6, 5],
  ])('of %s', (flavour, modes, models, efforts) => {
    const controls = controlsOf({ flavor: flavour }, flavour);
    expect(ids(controls.modes)).toEqual(modes);
    expect([controls.models.length, controls.efforts.length, controls.mode, controls.model]).toEqual([models, efforts, 'default', null]);
  });

  it('take lists, picks and commands from the metadata', () => {
    const controls = controlsOf({ models: [{ code: 'm1', value: 'One' }], thoughtLevels: [{ code: 'deep', value: 'Deep' }], modelMode: 'm9', permissionMode: 'plan', effortLevel: 'deep', slashCommands: ['init', '/init', 'clear'] }, 'claude');
    expect(controls).toMatchObject({ model: 'm9', mode: 'plan', effort: 'deep' });
    expect([ids(controls.models), ids(controls.efforts), controls.commands.map((one) => one.name)]).toEqual([['m1', 'm9'], ['deep'], ['clear', 'compact', 'mcp', 'skills', 'init']]);
    expect(ids(controlsOf({ models: [{ code: 'gpt', value: 'GPT' }] }, 'codex').models)).toEqual(['default', 'gpt']);
    expect(controlsOf({ dangerouslySkipPermissions: true }, 'claude').mode).toBe('bypassPermissions');
    expect(controlsOf({ dangerouslySkipPermissions: true }, 'codex').mode).toBe('yolo');
    expect(ids(controlsOf({ operatingModes: [{ code: 'ask', value: 'Ask' }] }, 'gemini').modes)).toEqual(['ask']);
  });

  it('of Rig name models by their provider', () => {
    const rig: JsonObject = {
      client: { id: 'rig', name: 'Rig', version: '1' }, rigMetadataVersion: 1, models: [{ id: 'o5', code: 'o5', name: 'Opus 5', providerId: 'anthropic', providerName: 'Anthropic' }],
      currentModelProviderId: 'anthropic', currentModelCode: 'o5', operatingModes: [{ code: 'safe', value: 'Safe', description: 'd' }], currentOperatingModeCode: 'safe', reasoning: { current: 'high', levels: ['low', 'high'] },
    };
    expect(controlsOf(rig, flavourOf(rig))).toMatchObject({ models: [{ id: 'anthropic:o5', label: 'Opus 5', description: 'Anthropic' }], model: 'anthropic:o5', modes: [{ id: 'safe' }], mode: 'safe', efforts: [{ id: 'low' }, { id: 'high' }], effort: 'high' });
  });
});
