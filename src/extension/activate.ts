import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { AttentionQueue } from '../core/fleet/attentionQueue.ts';
import { Fleet } from '../core/fleet/fleet.ts';
import { Retention } from '../core/fleet/retention.ts';
import { hostsSessions } from '../core/fleet/sessionless.ts';
import { describeError } from '../core/model/errors.ts';
import type { StoreHealth } from '../core/session/store-api.ts';
import { SessionSearch } from '../core/session/search/search.ts';
import { openStore } from '../core/session/store/open.ts';
import { systemClock } from '../core/transport/clock.ts';
import { Accounts } from './accounts/accounts.ts';
import { LostSecrets } from './accounts/lostSecrets.ts';
import { accountSystems } from './accounts/registry.ts';
import { SignInPanels } from './accounts/signInPanels.ts';
import { watchAttention } from './attention.ts';
import { AttentionBar } from './attentionBar.ts';
import { startAutoArchive } from './autoArchiveStart.ts';
import { AttachmentFiles } from './chat/attachments.ts';
import { ReadOnlyDocuments } from './chat/documents.ts';
import { TranscriptDocuments } from './chat/transcriptDocuments.ts';
import { LastEditor } from './chat/lastEditor.ts';
import { ChatPanels } from './chat/panels.ts';
import { registerCommands } from './commands/index.ts';
import { Connections } from './connections.ts';
import type { ContextKey } from './contributions.ts';
import { createLog } from './log.ts';
import { startHebing } from './hebing/start.ts';
import { Notifications } from './notifications.ts';
import { vscodeProxy } from './proxy.ts';
import { RemoteFiles } from './remote/remoteFiles.ts';
import { SearchDocuments } from './search/documents.ts';
import { openLinks } from './search/links.ts';
import type { Services } from './services.ts';
import { Settings } from './settings.ts';
import { offerKey, usableKey } from './storeKey.ts';
import { ConnectionsTree } from './tree/connections.ts';
import { SessionsTree } from './tree/sessions.ts';
import { UnusedSessions } from './unused.ts';
import { Usage } from './usage/usage.ts';
import { tellRefused } from './shipping/refused.ts';
import { Shipping } from './shipping/shipping.ts';
import { startWorkers } from './worker/start.ts';
import { SessionWorktrees } from './worktrees.ts';

let closing: (() => Promise<void>) | null = null;

/** What the extension gives to tests in real VS Code and to other extensions. */
interface PilothouseApi {
  /** Resolves when the connections were read once. */
  readonly ready: Promise<void>;
  /** Milliseconds that `activate` took until the views stood. */
  readonly activationMs: number;
}

export async function activate(context: vscode.ExtensionContext): Promise<PilothouseApi> {
  const started = performance.now();
  const { channel, log } = createLog();
  context.subscriptions.push(channel);
  const stateDir = context.globalStorageUri.fsPath;
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const { key, keptIn, warning, directory, temporary } = await usableKey(context, path.join(stateDir, 'store'));
  context.subscriptions.push(offerKey(context, { key, keptIn }, log));
  const store = await openStore({
    directory, key, log: log.child('store'), clock: systemClock,
    workerUrl: path.join(context.extensionPath, 'dist', 'store-worker.cjs'),
  });
  const search = new SessionSearch({ directory, key, log: log.child('search'), workerUrl: path.join(context.extensionPath, 'dist', 'search-worker.cjs') });
  const worktrees = new SessionWorktrees({ env: process.env, leases: store.leases, log: log.child('worktrees'), trusted: () => vscode.workspace.isTrusted });
  const fleet = new Fleet({ store, log, clock: systemClock, stateDir: path.join(stateDir, 'connections'), dress: (session) => shipping.dress(worktrees.dress(session)) });
  worktrees.showIn(fleet);
  const ends: (() => Promise<void>)[] = [];
  closing = async () => {
    await Promise.all([...ends.map((end) => end()), retention[Symbol.asyncDispose]()]);
    await Promise.all([fleet[Symbol.asyncDispose](), search[Symbol.asyncDispose]()]);
    await store[Symbol.asyncDispose]();
    if (temporary) rmSync(directory, { recursive: true, force: true });
  };
  const connected = Promise.withResolvers<void>();
  const settings = new Settings();
  const retention = new Retention({
    store, clock: systemClock, log: log.child('retention'), days: () => settings.get('store.keepDays'), forgotten: () => search.trim(),
    spare: () => fleet.connections().filter(({ connectionId, traits, dormant }) => traits.onlyHere === true || dormant || shipping.keeps(connectionId)).map(({ connectionId }) => connectionId),
    known: () => fleet.connections().map(({ connectionId }) => connectionId),
  });
  const accounts = new Accounts({ folder: path.join(stateDir, 'accounts'), secrets: context.secrets, systems: accountSystems(vscodeProxy), log: log.child('accounts') });
  const shipping = new Shipping({ store, clock: systemClock, log: log.child('shipping'), accounts, folder: path.join(stateDir, 'shipping'), refused: tellRefused });
  shipping.start(fleet);
  ends.push(() => shipping.close());
  const connections = new Connections(fleet, settings, accounts, path.join(stateDir, 'removed'), log);
  const signIns = new SignInPanels(context.extensionUri, log);
  const lostSecrets = new LostSecrets(context.globalState);
  const usage = new Usage(fleet, store);
  const panels = new ChatPanels();
  const documents = new ReadOnlyDocuments();
  const transcripts = new TranscriptDocuments(fleet, log.child('transcripts'));
  const searchDocuments = new SearchDocuments();
  const attachments = new AttachmentFiles(path.join(stateDir, 'attachments'), log);
  const remote = new RemoteFiles(fleet, log.child('remote'));
  const lastEditor = new LastEditor();
  const attention = new AttentionQueue(fleet, systemClock.now(), (error) => log.error('a listener of what waits failed', { error: describeError(error) }));
  const tree = new SessionsTree(fleet, attention, settings, store);
  const contextKeys = new Map<ContextKey, boolean>();
  const setContext = async (name: ContextKey, value: boolean): Promise<void> => {
    if (contextKeys.get(name) === value) return;
    contextKeys.set(name, value);
    await vscode.commands.executeCommand('setContext', name, value);
  };
  const hebing = startHebing({ accounts, store, log: log.child('hebing'), setContext });
  const work = startWorkers({ fleet, store, boards: hebing.parts.boards, log: log.child('worker'), stateDir });
  ends.push(() => work.close());
  const autoArchive = startAutoArchive({ fleet, store, settings, log: log.child('auto-archive'), ready: connected.promise });
  ends.push(() => autoArchive.close());
  const services: Services = {
    extensionUri: context.extensionUri, extensionId: context.extension.id, channel, log, settings, store, fleet, attention, connections, accounts, signIns, lostSecrets, panels, documents, transcripts, search, searchDocuments, retention, usage, attachments, remote, lastEditor, tree,
    ...hebing.parts, ...work.parts,
    drafts: store.keep('drafts'),
    unused: new UnusedSessions({
      fleet, keep: store.keep('unused'), log: log.child('unused'),
      removed: (session) => {
        void worktrees.leftBy(session);
        void vscode.window.setStatusBarMessage('Pilothouse: the session was removed, as nothing was said in it', 5_000);
      },
    }),
    shipping,
    worktrees,
    autoArchive: autoArchive.parts,
    ready: connected.promise,
    context: { set: setContext },
  };
  panels.start(services);
  context.subscriptions.push(
    settings, accounts, connections, signIns, panels, documents, transcripts, searchDocuments, openLinks(services), attachments, remote, lastEditor, tree,
    hebing, hebing.offer(services, context.extension), work, work.offer(services),
    worktrees, shipping,
    watchAttention(fleet, [tree.view], panels),
    new ConnectionsTree(fleet, accounts, shipping, (id) => connections.agentOf(id) !== null || id === 'local-claude' || id === 'local-codex' || accounts.record(id) !== null),
    attention, new AttentionBar(attention, fleet), new Notifications(services),
    registerCommands(services),
    settings.onChange((name) => name === 'store.keepDays' && retention.settingChanged()),
    fleet.onChange((change) => {
      if (change.connections) void setContext('pilothouse.hasConnections', fleet.connections().some(({ system }) => hostsSessions(system)));
      if (change.connections) void setContext('pilothouse.hasClawdforge', fleet.connections().some(({ system }) => system === 'clawdforge'));
    }),
  );
  if (warning !== null) void vscode.window.showWarningMessage(warning);
  const tellHealth = (health: StoreHealth): void => {
    if (health.status === 'memory') tellMemoryOnly(health.reason, health.setAside);
  };
  tellHealth(store.health);
  context.subscriptions.push(store.onHealth(tellHealth));
  const activationMs = performance.now() - started;
  // Secrets may take their time (a keyring that asks); connections that have none yet say so, and the others do not wait.
  const ready = Promise.race([accounts.load(), new Promise((resolve) => setTimeout(resolve, SECRETS_MS))])
    .then(() => connections.apply())
    .catch((error: unknown) => log.error('connections could not be started', { error: describeError(error) }))
    .then(() => services.context.set('pilothouse.ready', true))
    .finally(() => connected.resolve())
    .then(() => {
      tellLost(services);
      retention.start();
      return Promise.all([attachments.sweep(Date.now()), worktrees.sweep()]);
    })
    .then(() => undefined);
  log.info('active', { ms: Math.round(activationMs) });
  return { ready, activationMs };
}

export async function deactivate(): Promise<void> {
  await closing?.();
  closing = null;
}

const SECRETS_MS = 1_500;

/** Not waited for: the person answers when they like. */
function tellLost({ accounts, lostSecrets, log }: Services): void {
  lostSecrets.tell(accounts).catch((error: unknown) => log.warn('lost sign-ins could not be told', { error: describeError(error) }));
}

function tellMemoryOnly(reason: string, setAside: string | null): void {
  const moved = setAside === null ? '' : ` The file was kept as ${path.basename(setAside)}.`;
  void vscode.window.showWarningMessage(`Stored transcripts could not be opened (${reason}).${moved} Sessions work, but what is new is kept only while this window is open.`);
}
