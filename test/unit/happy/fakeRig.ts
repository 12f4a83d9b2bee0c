import type { JsonObject } from '../../../src/core/model/json.ts';
import type { FakeAgent, FakeDaemon } from './fakeDaemon.ts';

/** One model as Rig tells it. */
function model(providerId: string, id: string, name: string, thinkingLevels: readonly string[]): JsonObject {
  const provider = { id: providerId, kind: providerId, name: providerId.toUpperCase() };
  return { providerId, providerKind: providerId, providerName: provider.name, provider, id, code: id, name, value: name, serviceTiers: [], thinkingLevels, defaultThinkingLevel: thinkingLevels[0] ?? 'low' };
}

const catalog: JsonObject = {
  client: { id: 'rig', name: 'Rig', version: '0.0.30' }, rigMetadataVersion: 1,
  models: [model('codex', 'shared', 'GPT Shared', ['low', 'high']), model('claude', 'shared', 'Claude Shared', ['low', 'max'])],
  operatingModes: [
    { code: 'auto', value: 'Auto', description: 'Asks before actions that need full access.', kind: 'safe-yolo' }, { code: 'full_access', value: 'Full access', description: 'Removes restrictions.', kind: 'yolo' },
  ],
};

/** Metadata of a session of Rig, version 1 (slopus/happy at 2c8ecacc1: `rigMetadataFixture`). */
export function rigSession(more: JsonObject = {}): JsonObject {
  return {
    ...catalog, flavor: 'codex', currentModelProviderId: 'codex', currentModelCode: 'shared', permissionMode: 'auto', currentOperatingModeCode: 'auto', currentThoughtLevelCode: 'high',
    session: { status: 'running', permissionMode: 'auto', modelLocked: false },
    capabilities: {
      abort: true, attachments: { enabled: true, maxBytes: 10_485_760, mediaTypes: ['image/*'] }, files: { browse: true, read: true, search: true, write: true }, modelSelection: true,
      reasoningSelection: true, permissionModeSelection: true, resume: false, rpcMethods: ['abort', 'bash', 'readFile', 'writeFile', 'ripgrep'], shell: true, steering: true,
    },
    activity: { subagents: { running: 1, queued: 2, total: 4 }, workflows: { running: 0, total: 2 }, processes: { running: 2 }, tasks: { pending: 3, inProgress: 1, completed: 5, total: 9 } },
    tools: ['bash'], ...more,
  };
}

/** What becomes of one call to make a session. */
export type SpawnFate = 'pending' | 'lost' | 'success';

/**
 * Makes a daemon one of Rig: a machine of its own kind, sessions that answer to what they advertise, and a call to make a session that is the same call when it comes with the same id. `fates`
 * says what becomes of the calls in turn; `lost`: the session is made and the answer never comes.
 */
export function asRig(daemon: FakeDaemon, fates: SpawnFate[] = []): { readonly made: ReadonlyMap<string, FakeAgent> } {
  const made = new Map<string, FakeAgent>();
  daemon.methods = new Set(['abort', 'readFile', 'permission', 'communication']);
  daemon.about = { ...catalog, machineKind: 'rig', rigOnly: true, defaults: { providerId: 'claude', modelId: 'shared', permissionMode: 'auto', effort: 'max' }, capabilities: { newSession: true, resume: false } };
  daemon.machine.on('spawn-happy-session', async ({ directory, clientRequestId }) => {
    if (typeof clientRequestId !== 'string' || typeof directory !== 'string') throw new Error('Rig session creation requires a client request ID');
    const fate = fates.shift() ?? 'success';
    if (fate === 'pending') return { type: 'pending', clientRequestId, retryAfterMs: 50 };
    const agent = made.get(clientRequestId) ?? await daemon.start(directory, rigSession());
    made.set(clientRequestId, agent);
    agent.on('readFile', () => ({ success: false, error: 'It is a folder.' }));
    return fate === 'lost' ? new Promise(() => undefined) : { type: 'success', sessionId: agent.id };
  });
  return { made };
}
