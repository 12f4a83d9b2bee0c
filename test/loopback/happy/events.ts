import { accessKey } from './database.ts';
import type { HappySocket } from './hub.ts';
import { appendMessage, messageView, takeSeq } from './routes/sessions.ts';
import { accessKeyView, artifactView, changeArtifact, createArtifact } from './routes/records.ts';
import { Refusal } from './router.ts';
import { afterRead, type World } from './world.ts';

/** An acknowledgement; calling it when the client wants none throws, as on the real server, and the event's handler then stops there. */
type Ack = (answer: unknown) => void;
type Handler = (data: Record<string, unknown>, ack: Ack, wantsAck: boolean) => void | Promise<void>;

/** Puts the handlers of everything but RPC on a client's socket. `log` is told every event that came, with what became of it. */
export function hearEvents(world: World, socket: HappySocket, hears: (event: string, handler: Handler) => void): void {
  const { accountId } = socket.data;
  const { database, hub, presence } = world;

  hears('app-state', (data) => {
    socket.data.appState = data['state'] === 'active' ? 'active' : 'background';
  });
  // The client sends this one without data: its first argument is the acknowledgement.
  hears('ping', (_, ack) => ack({}));

  hears('session-alive', (data) => {
    const { sid, time, thinking } = data;
    if (typeof time === 'number' && typeof sid === 'string') presence.sessionAlive(accountId, sid, time, thinking === true);
  });
  hears('session-end', (data) => {
    const { sid, time } = data;
    if (typeof time === 'number' && typeof sid === 'string') presence.sessionEnd(accountId, sid, time);
  });
  hears('machine-alive', (data) => {
    const { machineId, time } = data;
    if (typeof time === 'number' && typeof machineId === 'string') presence.machineAlive(accountId, machineId, time);
  });

  let before: Promise<void> = Promise.resolve();
  hears('message', (data) => {
    // One socket's messages keep their order.
    before = before.then(() => message(data)).catch(() => undefined);
    return before;
  });
  const message = async (data: Record<string, unknown>): Promise<void> => {
    const { sid, message: content, localId } = data;
    if (typeof sid !== 'string' || typeof content !== 'string') return;
    const session = database.session(accountId, sid);
    if (session === undefined) return;
    // Both numbers are taken before the duplicate is noticed: that is where the gaps come from.
    const updateSeq = hub.nextSeq(accountId);
    const seq = takeSeq(world, session);
    database.changed();
    await afterRead(world);
    const known = typeof localId === 'string' ? localId : null;
    if (known !== null && database.messageByLocalId(sid, known) !== undefined) return;
    if (database.session(accountId, sid) === undefined) return;
    const row = appendMessage(world, session, content, known, seq);
    hub.update(accountId, { t: 'new-message', sid, message: messageView(row) }, { session: sid, except: socket.id }, updateSeq);
  };

  hears('update-metadata', async (data, ack, wantsAck) => {
    const { sid, metadata, expectedVersion } = data;
    if (typeof sid !== 'string' || sid === '' || typeof metadata !== 'string' || typeof expectedVersion !== 'number') return wantsAck ? ack({ result: 'error' }) : undefined;
    const row = database.session(accountId, sid);
    // An unknown session gets no answer at all.
    if (row === undefined) return undefined;
    const read = { ...row };
    await afterRead(world);
    if (read.metadataVersion !== expectedVersion || row.metadataVersion !== expectedVersion) {
      return ack({ result: 'version-mismatch', version: read.metadataVersion, metadata: read.metadata });
    }
    Object.assign(row, { metadata, metadataVersion: expectedVersion + 1, updatedAt: database.now() });
    database.changed();
    hub.update(accountId, { t: 'update-session', id: sid, metadata: { value: metadata, version: expectedVersion + 1 } }, { session: sid });
    return ack({ result: 'success', version: expectedVersion + 1, metadata });
  });

  hears('update-state', async (data, ack, wantsAck) => {
    const { sid, agentState, expectedVersion } = data;
    if (typeof sid !== 'string' || sid === '' || (typeof agentState !== 'string' && agentState !== null) || typeof expectedVersion !== 'number') {
      return wantsAck ? ack({ result: 'error' }) : undefined;
    }
    const row = database.session(accountId, sid);
    if (row === undefined) return ack({ result: 'error' });
    const read = { ...row };
    await afterRead(world);
    if (read.agentStateVersion !== expectedVersion || row.agentStateVersion !== expectedVersion) {
      return ack({ result: 'version-mismatch', version: read.agentStateVersion, agentState: read.agentState });
    }
    Object.assign(row, { agentState, agentStateVersion: expectedVersion + 1, updatedAt: database.now() });
    database.changed();
    hub.update(accountId, { t: 'update-session', id: sid, agentState: { value: agentState, version: expectedVersion + 1 } }, { session: sid });
    return ack({ result: 'success', version: expectedVersion + 1, agentState });
  });

  machineEvents(world, socket, hears);
  artifactEvents(world, accountId, hears);
  usageEvents(world, accountId, hears);

  hears('access-key-get', (data, ack) => {
    const { sessionId, machineId } = data;
    if (typeof sessionId !== 'string' || typeof machineId !== 'string') return ack({ ok: false, error: 'Invalid parameters: sessionId and machineId are required' });
    if (database.session(accountId, sessionId) === undefined || database.machine(accountId, machineId) === undefined) return ack({ ok: false, error: 'Session or machine not found' });
    const row = database.accessKeys.get(accessKey(accountId, machineId, sessionId));
    return ack({ ok: true, accessKey: row === undefined ? null : accessKeyView(row) });
  });
}

function machineEvents(world: World, socket: HappySocket, hears: (event: string, handler: Handler) => void): void {
  const { accountId } = socket.data;
  const { database, hub } = world;
  const change = (event: string, field: 'metadata' | 'daemonState'): void => hears(event, async (data, ack, wantsAck) => {
    const { machineId, expectedVersion, [field]: value } = data;
    if (typeof machineId !== 'string' || machineId === '' || typeof value !== 'string' || typeof expectedVersion !== 'number') {
      return wantsAck ? ack({ result: 'error', message: 'Invalid parameters' }) : undefined;
    }
    const row = database.machine(accountId, machineId);
    if (row === undefined) return wantsAck ? ack({ result: 'error', message: 'Machine not found' }) : undefined;
    const versionField = `${field}Version` as const;
    const readVersion = row[versionField];
    await afterRead(world);
    // Unlike those of sessions, a lost race here answers with what is there by then.
    if (readVersion !== expectedVersion || row[versionField] !== expectedVersion) return ack({ result: 'version-mismatch', version: row[versionField], [field]: row[field] });
    const now = database.now();
    Object.assign(row, { [field]: value, [versionField]: expectedVersion + 1, updatedAt: now, ...(field === 'daemonState' ? { active: true, activeAt: now } : {}) });
    database.changed();
    hub.update(accountId, { t: 'update-machine', machineId, [field]: { value, version: expectedVersion + 1 } }, { machine: machineId });
    return ack({ result: 'success', version: expectedVersion + 1, [field]: value });
  });
  change('machine-update-metadata', 'metadata');
  change('machine-update-state', 'daemonState');
}

function usageEvents(world: World, accountId: string, hears: (event: string, handler: Handler) => void): void {
  const { database, hub } = world;
  hears('usage-report', (data, ack, wantsAck) => {
    const answer = (body: unknown): void => (wantsAck ? ack(body) : undefined);
    const { key, sessionId } = data;
    const tokens = amounts(data['tokens']);
    const cost = amounts(data['cost']);
    if (typeof key !== 'string' || key === '') return answer({ success: false, error: 'Invalid key' });
    if (tokens === null) return answer({ success: false, error: 'Invalid tokens object - must include total' });
    if (cost === null) return answer({ success: false, error: 'Invalid cost object - must include total' });
    const session = typeof sessionId === 'string' && sessionId !== '' ? sessionId : null;
    if (session !== null && database.session(accountId, session) === undefined) return answer({ success: false, error: 'Session not found' });
    const now = database.now();
    const id = `${accountId} ${session} ${key}`;
    const row = database.usage.get(id) ?? { id: database.newId(), accountId, sessionId: session, key, tokens, cost, createdAt: now, updatedAt: now };
    Object.assign(row, { tokens, cost, updatedAt: now });
    database.usage.set(id, row);
    database.changed();
    if (session !== null) hub.ephemeral(accountId, { type: 'usage', id: session, key, tokens, cost, timestamp: now });
    return answer({ success: true, reportId: row.id, createdAt: row.createdAt, updatedAt: row.updatedAt });
  });
}

function amounts(value: unknown): Record<string, number> | null {
  if (typeof value !== 'object' || value === null) return null;
  const record = value as Record<string, number>;
  return typeof record['total'] === 'number' ? record : null;
}

function artifactEvents(world: World, accountId: string, hears: (event: string, handler: Handler) => void): void {
  const { database, hub } = world;
  const find = (id: unknown, ack: Ack) => {
    const row = typeof id === 'string' ? database.artifacts.get(id) : undefined;
    if (typeof id !== 'string' || id === '') ack({ result: 'error', message: 'Invalid parameters' });
    else if (row?.accountId !== accountId) ack({ result: 'error', message: 'Artifact not found' });
    return row?.accountId === accountId ? row : undefined;
  };
  const view = (row: ReturnType<typeof artifactView>) => {
    const { dataEncryptionKey: _key, ...rest } = row;
    return rest;
  };

  hears('artifact-read', (data, ack) => {
    const row = find(data['artifactId'], ack);
    if (row !== undefined) ack({ result: 'success', artifact: view(artifactView(row)) });
  });
  hears('artifact-create', (data, ack) => {
    const { id, header, body, dataEncryptionKey } = data;
    if (typeof id !== 'string' || id === '' || typeof header !== 'string' || typeof body !== 'string' || typeof dataEncryptionKey !== 'string') {
      return ack({ result: 'error', message: 'Invalid parameters' });
    }
    try {
      return ack({ result: 'success', artifact: view(createArtifact(world, accountId, { id, header, body, dataEncryptionKey })) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return ack({ result: 'error', message: 'Artifact with this ID already exists for another account' });
    }
  });
  hears('artifact-update', async (data, ack) => {
    const header = change(data['header']);
    const body = change(data['body']);
    const row = find(data['artifactId'], ack);
    if (row === undefined) return undefined;
    if (data['header'] === undefined && data['body'] === undefined) return ack({ result: 'error', message: 'No updates provided' });
    if (header === null || body === null) return ack({ result: 'error', message: `Invalid ${header === null ? 'header' : 'body'} parameters` });
    await afterRead(world);
    const headDiffers = header !== undefined && header.expectedVersion !== row.headerVersion;
    const bodyDiffers = body !== undefined && body.expectedVersion !== row.bodyVersion;
    if (headDiffers || bodyDiffers) {
      return ack({
        result: 'version-mismatch', ...(headDiffers ? { header: { currentVersion: row.headerVersion, currentData: row.header } } : {}),
        ...(bodyDiffers ? { body: { currentVersion: row.bodyVersion, currentData: row.body } } : {}),
      });
    }
    const next = (part: { data: string; expectedVersion: number } | undefined) => (part === undefined ? undefined : { value: part.data, version: part.expectedVersion + 1 });
    changeArtifact(world, row, next(header), next(body));
    const answer = (part: typeof header) => (part === undefined ? undefined : { version: part.expectedVersion + 1, data: part.data });
    return ack({ result: 'success', ...(header === undefined ? {} : { header: answer(header) }), ...(body === undefined ? {} : { body: answer(body) }) });
  });
  hears('artifact-delete', (data, ack) => {
    const row = find(data['artifactId'], ack);
    if (row === undefined) return;
    database.artifacts.delete(row.id);
    database.changed();
    hub.update(accountId, { t: 'delete-artifact', artifactId: row.id });
    ack({ result: 'success' });
  });
}

/** A part of an artifact's change; undefined when it is not there, null when it is none. */
function change(value: unknown): { readonly data: string; readonly expectedVersion: number } | undefined | null {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) return null;
  const { data, expectedVersion } = value as Record<string, unknown>;
  return typeof data === 'string' && typeof expectedVersion === 'number' ? { data, expectedVersion } : null;
}
