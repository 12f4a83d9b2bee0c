import { describe, expect, it } from 'vitest';
import { agentIds } from '../../../src/core/systems/local/index.ts';
import { withAgent, withChange } from '../../../src/extension/agents.ts';
import type { AgentSetting } from '../../../src/extension/settings.ts';

const agent = (name: string, id?: string): AgentSetting => ({ ...(id === undefined ? {} : { id }), name, command: 'agent', args: [], protocol: 'acp' });

describe('agents of the settings', () => {
  it('get an id when they are added, which no other has', () => {
    expect(withAgent([], agent('Gemini CLI'))).toEqual([agent('Gemini CLI', 'gemini-cli')]);
    expect(withAgent([agent('Old name', 'gemini-cli')], agent('Gemini CLI')).at(-1)).toEqual(agent('Gemini CLI', 'gemini-cli-2'));
  });

  it('keep the id that they have, by their name or their own, when they are renamed', () => {
    const renamed = withChange([agent('Gemini CLI')], 0, agent('My Gemini'));
    expect(renamed).toEqual([agent('My Gemini', 'gemini-cli')]);
    expect(withChange(renamed, 0, agent('Ours'))).toEqual([agent('Ours', 'gemini-cli')]);
  });

  it('do not change each other: a change or a removal leaves every other id as it was', () => {
    const agents = [agent('Gemini'), agent('gemini'), agent('Zed', 'zed'), agent('GEMINI')];
    const before = agentIds(agents);
    expect(agentIds(withChange(agents, 0, agent('Renamed')))).toEqual(before);
    expect(agentIds(withChange(agents, 0, null))).toEqual(before.slice(1));
    expect(agentIds(withChange(agents, 1, null))).toEqual([before[0], before[2], before[3]]);
  });
});
