import { afterEach, expect, it, vi } from 'vitest';

const { executeCommand } = vi.hoisted(() => ({ executeCommand: vi.fn<(id: string, target: unknown) => Promise<unknown>>() }));
vi.mock('vscode', () => ({ commands: { executeCommand } }));
const { answerRequest } = await import('../../../src/extension/chat/requests.ts');

afterEach(() => executeCommand.mockReset());

it('a page does not wait for a person who is asked by the command that it ran', async () => {
  // As a name that is typed slowly, or a message that nobody dismisses.
  executeCommand.mockReturnValue(Promise.withResolvers<undefined>().promise);
  for (const [command, id] of [['rename', 'renameSession'], ['export', 'exportTranscript'], ['signIn', 'signIn'], ['stop', 'stopSession']] as const) {
    expect(await answerRequest({} as never, { key: 'k', runtime: {} } as never, { ask: 'run', command })).toEqual({ kind: 'done', message: null });
    expect(executeCommand).toHaveBeenLastCalledWith(`pilothouse.${id}`, { key: 'k' });
  }
});
