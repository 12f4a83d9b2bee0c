import type * as vscode from 'vscode';
import type { AttentionQueue } from '../core/fleet/attentionQueue.ts';
import type { Fleet } from '../core/fleet/fleet.ts';
import type { Retention } from '../core/fleet/retention.ts';
import type { Keep, Logger } from '../core/model/context.ts';
import type { SessionSearch } from '../core/session/search/search.ts';
import type { Store } from '../core/session/store-api.ts';
import type { Accounts } from './accounts/accounts.ts';
import type { LostSecrets } from './accounts/lostSecrets.ts';
import type { SignInPanels } from './accounts/signInPanels.ts';
import type { AutoArchive } from './autoArchive.ts';
import type { AttachmentFiles } from './chat/attachments.ts';
import type { LastEditor } from './chat/lastEditor.ts';
import type { ReadOnlyDocuments } from './chat/documents.ts';
import type { ChatTabs } from './chat/tabs.ts';
import type { TranscriptDocuments } from './chat/transcriptDocuments.ts';
import type { Connections } from './connections.ts';
import type { ContextKey } from './contributions.ts';
import type { ArtifactFiles } from './hebing/artifactFiles.ts';
import type { HebingBoards } from './hebing/boards.ts';
import type { DraftEditors } from './hebing/draftEditors.ts';
import type { JobsTree } from './hebing/jobsTree.ts';
import type { PendingCalls } from './hebing/pendingCalls.ts';
import type { RemoteFiles } from './remote/remoteFiles.ts';
import type { SearchDocuments } from './search/documents.ts';
import type { Settings } from './settings.ts';
import type { Shipping } from './shipping/shipping.ts';
import type { SessionsTree } from './tree/sessions.ts';
import type { Usage } from './usage/usage.ts';
import type { UnusedSessions } from './unused.ts';
import type { Answers } from './worker/answers.ts';
import type { SessionWorktrees } from './worktrees.ts';
import type { WorkerFiles } from './worker/files.ts';
import type { Workers } from './worker/workers.ts';

/** What the parts of the extension share; built once by activate. */
export interface Services {
  readonly extensionUri: vscode.Uri;
  /** The extension's id, by which links find it. */
  readonly extensionId: string;
  readonly channel: vscode.LogOutputChannel;
  readonly log: Logger;
  readonly settings: Settings;
  readonly store: Store;
  readonly fleet: Fleet;
  /** All that waits for the person. */
  readonly attention: AttentionQueue;
  readonly connections: Connections;
  readonly accounts: Accounts;
  readonly signIns: SignInPanels;
  readonly lostSecrets: LostSecrets;
  readonly panels: ChatTabs;
  readonly documents: ReadOnlyDocuments;
  readonly transcripts: TranscriptDocuments;
  /** Searching all sessions, and what was found as documents. */
  readonly search: SessionSearch;
  readonly searchDocuments: SearchDocuments;
  /** Forgetting stored transcripts, by age and when asked. */
  readonly retention: Retention;
  readonly usage: Usage;
  readonly attachments: AttachmentFiles;
  readonly remote: RemoteFiles;
  readonly lastEditor: LastEditor;
  readonly tree: SessionsTree;
  /** Accounts of hebing with their jobs, the view that shows them, artifacts as files, inputs in editors, and calls whose outcome is not known. */
  readonly boards: HebingBoards;
  readonly jobs: JobsTree;
  readonly artifacts: ArtifactFiles;
  readonly callDrafts: DraftEditors;
  readonly calls: PendingCalls;
  /** Agents that do hebing's jobs, their answers that wait for the person, and both as files to edit. */
  readonly workers: Workers;
  readonly answers: Answers;
  readonly workerFiles: WorkerFiles;
  /** What is shipped to CatSyphon, and where to. */
  readonly shipping: Shipping;
  readonly drafts: Keep;
  readonly unused: UnusedSessions;
  /** Git worktrees that sessions of this computer have of their own. */
  readonly worktrees: SessionWorktrees;
  readonly autoArchive: AutoArchive;
  /** Resolves when the connections of this window were started. */
  readonly ready: Promise<void>;
  readonly context: { set(key: ContextKey, value: boolean): Promise<void> };
}
