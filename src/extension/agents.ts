import { agentIds } from '../core/systems/local/index.ts';
import type { AgentSetting } from './settings.ts';

/** The agents with one more, which gets an id of its own that a later change of its name does not touch. */
export function withAgent(agents: readonly AgentSetting[], added: Omit<AgentSetting, 'id'>): readonly AgentSetting[] {
  const id = agentIds([...agents, added]).at(-1);
  return [...agents, { ...(id === undefined ? {} : { id }), ...added }];
}

/**
 * The agents with another in the place of one of them, or without it (null). What takes its place keeps its id, so that its sessions stay its own;
 * those that were numbered because of a like name get theirs written down before that name goes.
 */
export function withChange(agents: readonly AgentSetting[], place: number, changed: Omit<AgentSetting, 'id'> | null): readonly AgentSetting[] {
  const ids = agentIds(agents);
  return agents.flatMap((agent, index): readonly AgentSetting[] => {
    const id = ids[index];
    if (index !== place) return agent.id === undefined && id !== undefined && id !== agentIds([agent])[0] ? [{ id, ...agent }] : [agent];
    return changed === null ? [] : [{ ...(id === undefined ? {} : { id }), ...changed }];
  });
}
