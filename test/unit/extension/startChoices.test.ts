import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/core/fleet/connection.ts';
import type { Places } from '../../../src/core/model/backend.ts';
import type { Machine } from '../../../src/core/model/session.ts';
import type { StartWish } from '../../../src/extension/commands/startChoices.ts';
import { choiceLine, requireOnline, startChoices } from '../../../src/extension/commands/startChoices.ts';

const connection = (connectionId: string, name: string, system: Connection['system'], status: Connection['state']['status'] = 'ready'): Connection =>
  ({ connectionId, name, system, state: { status, message: null, remedy: null, version: system === 'local' ? '2.1.0' : null }, traits: { spawn: true }, more: false, canSignIn: false, dormant: false }) as unknown as Connection;
const machine = (id: string, connectionId: string, state: Machine['state'] = 'online'): Machine => ({ id, connectionId, name: id, state, seenAt: 1, home: '/home/ada' });
const LABELS: Readonly<Record<string, string>> = { claude: 'Claude Code', codex: 'Codex' };

const agents: Readonly<Record<string, readonly string[]>> = { studio: ['claude', 'codex'], laptop: ['claude'], silent: [] };
const places: Places = {
  agents: (machineId) => (machineId === 'broken' ? Promise.reject(new Error('no answer')) : Promise.resolve((agents[machineId] ?? []).map((id) => ({ id, label: LABELS[id] ?? id, description: null })))),
  folders: () => Promise.reject(new Error('not asked')),
};
const connections = [connection('happy', 'Happy', 'happy'), connection('local-claude', 'Claude Code', 'local'), connection('local-codex', 'Codex', 'local', 'not-installed')];
const machines: Readonly<Record<string, readonly Machine[]>> = {
  'happy': [machine('attic', 'happy', 'offline'), machine('studio', 'happy'), machine('laptop', 'happy', 'unknown')], 'local-claude': [{ ...machine('this-computer', 'local-claude'), name: 'This computer' }], 'empty': [],
};
const fleet = (all: readonly Connection[] = connections) => ({
  connections: () => all, machinesOf: (id: string) => machines[id] ?? [], backend: (id: string) => (id.startsWith('local') ? {} : { places }),
});
const NONE: StartWish = { connectionId: null, machineId: null, agent: null };
async function lines(wish: Partial<StartWish> = {}): Promise<string[]> {
  return (await startChoices(fleet(), { ...NONE, ...wish })).map((choice) => {
    const { group, label, description } = choiceLine(choice, 180_001);
    return `${group} / ${label} / ${description}`;
  });
}

describe('where a session can begin', () => {
  it('is one list: agents of this computer, then those of each machine, then machines that are away', async () => {
    expect(await lines()).toEqual(['This computer / Claude Code / 2.1.0', 'Happy / Claude Code / on studio', 'Happy / Codex / on studio', 'Happy / Claude Code / on laptop · no contact', 'Happy / attic / offline · seen 3 m ago']);
  });

  it('is narrowed by what the command was called with', async () => {
    expect(await lines({ connectionId: 'local-claude' })).toEqual(['This computer / Claude Code / 2.1.0']);
    expect(await lines({ machineId: 'studio' })).toEqual(['Happy / Claude Code / on studio', 'Happy / Codex / on studio']);
    expect(await lines({ machineId: 'studio', agent: 'codex' })).toEqual(['Happy / Codex / on studio']);
    expect(await lines({ connectionId: 'happy', machineId: 'studio', agent: 'gemini' })).toEqual(['Happy / gemini / on studio']);
    expect(await lines({ machineId: 'attic' })).toEqual(['Happy / attic / offline · seen 3 m ago']);
    // One that was named by its caller is taken as it is: it says itself what keeps it.
    expect(await lines({ connectionId: 'local-codex' })).toEqual(['This computer / Codex / 2.1.0']);
  });

  it('waits for no machine that does not say its agents', async () => {
    const silent = { ...fleet(), machinesOf: () => [machine('silent', 'happy'), machine('broken', 'happy')] };
    const choices = await startChoices(silent, { ...NONE, connectionId: 'happy' });
    expect(choices.map((choice) => [choice.agent, choiceLine(choice, 0).label])).toEqual([[null, 'Its usual agent'], [null, 'Its usual agent']]);
  });

  it('says what is missing where it can begin nowhere', async () => {
    await expect(startChoices(fleet([]), NONE)).rejects.toMatchObject({ code: 'no_connection' });
    await expect(startChoices(fleet([connection('local-codex', 'Codex', 'local', 'not-installed')]), NONE)).rejects.toMatchObject({ code: 'no_connection' });
    await expect(startChoices(fleet([connection('empty', 'Happy', 'happy')]), NONE)).rejects.toMatchObject({ code: 'no_machine', personMustAct: true });
    await expect(startChoices(fleet(), { ...NONE, machineId: 'gone' })).rejects.toMatchObject({ code: 'machine_not_found' });
    const [away] = await startChoices(fleet(), { ...NONE, machineId: 'attic' });
    if (away === undefined) throw new Error('no choice');
    expect(() => requireOnline(away)).toThrow('offline');
  });
});
