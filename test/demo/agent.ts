/**
 * The demo agent: an ACP agent over stdio that answers by rules. Started by the tests and by `npm start`, directly by Node 24: `node test/demo/agent.ts`.
 */
import { Readable, Writable } from 'node:stream';
import { agent, methods, ndJsonStream, PROTOCOL_VERSION, RequestError, type AgentContext } from '@agentclientprotocol/sdk';
import { commands, Sessions } from './sessions.ts';
import { stateFolder, Store } from './store.ts';

const pageSize = 50;
/** Milliseconds that running turns get to end when the connection is gone. */
const farewell = 2500;

const store = new Store(stateFolder(process.env));
const sessions = new Sessions(store);

/** Offers the slash commands, once the answer that makes the session known is on its way. */
function offerCommands(client: AgentContext, sessionId: string): void {
  const update = { sessionUpdate: 'available_commands_update' as const, availableCommands: [...commands] };
  // A client that has gone meanwhile needs no commands; the connection itself tells that it is closed.
  setTimeout(() => client.notify(methods.client.session.update, { sessionId, update }).catch(() => undefined), 10);
}

const connection = agent({ name: 'pilothouse-demo' })
  .onRequest(methods.agent.initialize, ({ params }) => {
    if (params.protocolVersion < PROTOCOL_VERSION) throw RequestError.unsupportedProtocolVersion(params.protocolVersion, [PROTOCOL_VERSION]);
    sessions.capabilities = params.clientCapabilities ?? {};
    return {
      protocolVersion: PROTOCOL_VERSION,
      agentInfo: { name: 'pilothouse-demo', title: 'Demo agent', version: '0.1.0' },
      agentCapabilities: {
        loadSession: true, promptCapabilities: { image: true, embeddedContext: true }, sessionCapabilities: { list: {}, resume: {}, close: {}, delete: {} },
      },
      authMethods: [],
    };
  })
  .onRequest(methods.agent.session.new, async ({ params, client }) => {
    const created = await sessions.create(params.cwd);
    offerCommands(client, created.sessionId);
    return created;
  })
  .onRequest(methods.agent.session.load, async ({ params, client }) => {
    const loaded = await sessions.reopen(params.sessionId, params.cwd, client, true);
    offerCommands(client, params.sessionId);
    return loaded;
  })
  .onRequest(methods.agent.session.resume, async ({ params, client }) => {
    const resumed = await sessions.reopen(params.sessionId, params.cwd, client, false);
    offerCommands(client, params.sessionId);
    return resumed;
  })
  .onRequest(methods.agent.session.list, async ({ params }) => {
    const from = params.cursor == null ? 0 : Number(params.cursor);
    if (!Number.isInteger(from) || from < 0) throw RequestError.invalidParams(undefined, 'The cursor is none of this agent.');
    const all = await store.list(params.cwd ?? null);
    const page = all.slice(from, from + pageSize).map(({ id, cwd, title, updatedAt }) => ({ sessionId: id, cwd, title, updatedAt }));
    return { sessions: page, nextCursor: from + pageSize < all.length ? String(from + pageSize) : null };
  })
  .onRequest(methods.agent.session.delete, async ({ params }) => {
    await sessions.remove(params.sessionId);
    return {};
  })
  .onRequest(methods.agent.session.close, async ({ params }) => {
    await sessions.close(params.sessionId);
    return {};
  })
  .onRequest(methods.agent.session.setMode, async ({ params, client }) => {
    await sessions.setMode(params.sessionId, params.modeId, client);
    return {};
  })
  .onRequest(methods.agent.session.setConfigOption, async ({ params, client }) => ({
    configOptions: await sessions.setOption(params.sessionId, params.configId, params.value, client),
  }))
  .onRequest(methods.agent.session.prompt, async ({ params, client }) => ({ stopReason: await sessions.prompt(params.sessionId, params.prompt, client) }))
  .onNotification(methods.agent.session.cancel, ({ params }) => sessions.cancel(params.sessionId))
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>));

let leaving = false;
/** Ends every turn, and with it every command that runs, then this process. */
function leave(code: number): void {
  if (leaving) return;
  leaving = true;
  setTimeout(() => process.exit(code), farewell).unref();
  sessions.closeAll().then(() => process.exit(code), () => process.exit(code));
}
for (const [signal, number] of [['SIGINT', 2], ['SIGTERM', 15], ['SIGHUP', 1]] as const) process.on(signal, () => leave(128 + number));
process.stdout.on('error', () => leave(1));
connection.closed.then(() => leave(0), () => leave(1));
