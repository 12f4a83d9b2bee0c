import { expect, it, vi } from 'vitest';
import type { RetentionSurvey } from '../../../src/core/session/store-api.ts';
import type { Services } from '../../../src/extension/services.ts';

const window = vi.hoisted(() => ({ showWarningMessage: vi.fn<(message: string, options: { readonly detail: string }) => Promise<undefined>>(), showInformationMessage: vi.fn<(message: string) => Promise<undefined>>() }));
vi.mock('vscode', () => ({ window, ProgressLocation: { Notification: 15 } }));
const { retentionCommands } = await import('../../../src/extension/commands/retention.ts');

const kept = { open: 0, prompts: 0, draft: 0, pinned: 1, onlyHere: 0, gone: 3 };
const servicesWith = (survey: RetentionSurvey): Services => ({ retention: { survey: () => Promise.resolve(survey) }, log: {} }) as unknown as Services;

it('says before transcripts are cleared what stays and why, and what no agent can tell again', async () => {
  window.showWarningMessage.mockResolvedValue(undefined);
  await expect(retentionCommands.clearTranscripts(servicesWith({ sessions: ['a', 'b'], kept, bytes: 3 * 1024 * 1024 }))).rejects.toThrow();
  const [message, options] = window.showWarningMessage.mock.calls[0] ?? [];
  expect(message).toBe('Clear the stored transcripts of 2 sessions?');
  expect(options?.detail).toContain('Kept: 1 pinned, 3 of connections that are not there any more, which nobody could read again.');
  expect(options?.detail).toContain('nor does what an agent does not write down itself, such as requests for permission and how they were answered.');
});

it('says what stays where there is nothing to clear', async () => {
  await retentionCommands.clearTranscripts(servicesWith({ sessions: [], kept, bytes: 1 }));
  expect(window.showInformationMessage.mock.calls).toEqual([['There are no stored transcripts to clear. Kept: 1 pinned, 3 of connections that are not there any more, which nobody could read again.']]);
});
