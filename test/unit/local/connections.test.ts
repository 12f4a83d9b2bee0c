import { expect, it } from 'vitest';
import { localConnections } from '../../../src/core/systems/local/index.ts';

const agent = (name: string, command = 'agent', args: readonly string[] = []): { name: string; command: string; args: readonly string[]; protocol: 'acp' } => ({ name, command, args, protocol: 'acp' });

it('names the connections of this computer, each once', () => {
  const connections = localConnections({ env: {}, agents: [agent('Gemini CLI'), agent('gemini  cli!'), agent('Zoë'), agent('北斗')] });
  expect(connections.map(({ connectionId, name, system }) => [connectionId, name, system])).toEqual([
    ['local-claude', 'Claude Code', 'local'], ['local-codex', 'Codex', 'local'], ['local-acp-gemini-cli', 'Gemini CLI', 'local'], ['local-acp-gemini-cli-2', 'gemini  cli!', 'local'],
    ['local-acp-zoe', 'Zoë', 'local'], [expect.stringMatching(/^local-acp-[0-9a-f]{12}$/), '北斗', 'local'],
  ]);
});

it('keeps an agent’s own id whatever its name is, and gives it to no other', () => {
  const ids = (...agents: readonly { readonly id?: string; readonly name: string }[]): readonly string[] => localConnections({ env: {}, agents: agents.map(({ id, name }) => ({ ...agent(name), id })) }).slice(2).map((one) => one.connectionId);
  expect(ids({ id: 'gemini-cli', name: 'Gemini of mine' })).toEqual(['local-acp-gemini-cli']);
  expect(ids({ name: 'Gemini CLI' }, { id: 'gemini-cli', name: 'Renamed' })).toEqual(['local-acp-gemini-cli-2', 'local-acp-gemini-cli']);
  expect(ids({ id: 'a', name: 'One' }, { id: 'a', name: 'Two' })).toEqual(['local-acp-a', 'local-acp-a-2']);
});

it('has another revision where the configuration is another', () => {
  const revisions = (options: Partial<Parameters<typeof localConnections>[0]>): readonly string[] => localConnections({ env: {}, agents: [agent('A')], ...options }).map((one) => one.revision);
  const [claude, codex, acp] = revisions({});
  expect(revisions({ env: { OTHER: '1' } })).toEqual([claude, codex, acp]);
  const [otherClaude, sameCodex] = revisions({ claudePath: '/opt/claude' });
  expect(otherClaude).not.toBe(claude);
  expect(sameCodex).toBe(codex);
  expect(revisions({ agents: [agent('A', 'agent', ['--acp'])] })[2]).not.toBe(acp);
});
