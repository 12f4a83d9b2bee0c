/**
 * Every command, setting, view and context key of the extension, once. package.json's `contributes` is made from this table by
 * `npm run contributions` and compared with it by `npm run check`. Imports nothing, so that scripts can read it.
 */

interface CommandSpec {
  readonly title: string;
  readonly icon?: string;
  /** `when` of its entry in the palette; `false` hides it there. */
  readonly palette?: string | false;
}

export const COMMANDS = {
  addConnection: { title: 'Add Connection…', icon: 'add' },
  editConnection: { title: 'Edit Connection…', icon: 'edit' },
  removeConnection: { title: 'Remove Connection…' },
  refresh: { title: 'Refresh', icon: 'refresh' },
  signIn: { title: 'Sign In…', icon: 'key' },
  signOut: { title: 'Sign Out…', icon: 'sign-out' },
  newSession: { title: 'New Session…', icon: 'add' },
  runTask: { title: 'Run Task…', icon: 'run' },
  openSession: { title: 'Open Session…', icon: 'comment-discussion' },
  nextSessionThatNeedsYou: { title: 'Next Session That Needs You', icon: 'bell-dot' },
  renameSession: { title: 'Rename Session…', icon: 'edit' },
  interruptTurn: { title: 'Interrupt Turn', icon: 'debug-stop' },
  stopSession: { title: 'Stop Session', icon: 'stop-circle' },
  resumeSession: { title: 'Resume Session', icon: 'debug-continue' },
  forkSession: { title: 'Fork Session…', icon: 'repo-forked' },
  archiveSession: { title: 'Archive Session', icon: 'archive' },
  unarchiveSession: { title: 'Unarchive Session', icon: 'inbox' },
  deleteSession: { title: 'Delete Session…', icon: 'trash' },
  pinSession: { title: 'Pin Session', icon: 'pin' },
  unpinSession: { title: 'Unpin Session', icon: 'pinned' },
  markSessionRead: { title: 'Mark as Read' },
  markSessionUnread: { title: 'Mark as Unread' },
  filterSessions: { title: 'Filter Sessions…', icon: 'filter' },
  changeSessionFilter: { title: 'Change Filter…', icon: 'filter-filled', palette: false },
  clearSessionFilter: { title: 'Clear Filter', icon: 'clear-all', palette: 'pilothouse.filtered' },
  groupSessions: { title: 'Group Sessions By…' },
  groupByMachine: { title: 'Machine', palette: false },
  groupByFolder: { title: 'Folder', palette: false },
  groupByStatus: { title: 'Status', palette: false },
  groupByConnection: { title: 'Connection', palette: false },
  // VS Code gives extensions no check mark in a menu: what is chosen has an entry of its own.
  groupedByMachine: { title: 'Machine ✓', palette: false },
  groupedByFolder: { title: 'Folder ✓', palette: false },
  groupedByStatus: { title: 'Status ✓', palette: false },
  groupedByConnection: { title: 'Connection ✓', palette: false },
  showArchivedSessions: { title: 'Show Archived Sessions', palette: '!config.pilothouse.sessions.showArchived' },
  hideArchivedSessions: { title: 'Hide Archived Sessions', palette: 'config.pilothouse.sessions.showArchived' },
  showOlderSessions: { title: 'Show Older Sessions', palette: false },
  openSessionFolder: { title: 'Open Session Folder', icon: 'folder-opened' },
  finishWorktree: { title: 'Finish Worktree…', icon: 'git-merge' },
  sendSelection: { title: 'Send Selection to Session…' },
  openTranscript: { title: 'Open Transcript as Document', icon: 'go-to-file' },
  showEarlierRows: { title: 'Show Earlier Rows', palette: 'resourceScheme == pilothouse-transcript' },
  exportTranscript: { title: 'Export Transcript…', icon: 'export' },
  searchSessions: { title: 'Search Sessions…', icon: 'search' },
  showUsage: { title: 'Show Usage', icon: 'graph' },
  exportUsage: { title: 'Export Usage as CSV…', icon: 'export' },
  clearTranscripts: { title: 'Clear Stored Transcripts…', icon: 'clear-all' },
  copySessionLink: { title: 'Copy Session Link', icon: 'link' },
  findInChat: { title: 'Find in Chat', icon: 'search' },
  findNext: { title: 'Find Next in Chat', palette: 'pilothouse.chatFocused' },
  findPrevious: { title: 'Find Previous in Chat', palette: 'pilothouse.chatFocused' },
  goToTurn: { title: 'Go to Turn…', icon: 'list-tree' },
  nextPrompt: { title: 'Next Prompt', palette: 'pilothouse.chatFocused' },
  previousPrompt: { title: 'Previous Prompt', palette: 'pilothouse.chatFocused' },
  copyRow: { title: 'Copy as Markdown', palette: false },
  copyTurn: { title: 'Copy Turn as Markdown' },
  copyTranscript: { title: 'Copy Transcript as Markdown' },
  forkFromHere: { title: 'Fork from Here…', icon: 'repo-forked' },
  sendAgain: { title: 'Send Again', palette: false },
  callCapability: { title: 'Call Capability…', icon: 'play' },
  sendCall: { title: 'Call', icon: 'play', palette: 'pilothouse.callDraft' },
  showJob: { title: 'Show Job…', icon: 'go-to-file' },
  openJobPart: { title: 'Open', icon: 'go-to-file', palette: false },
  saveArtifact: { title: 'Save As…', icon: 'save-as', palette: false },
  copyJobId: { title: 'Copy Job ID', palette: false },
  startWorker: { title: 'Start Worker…', icon: 'briefcase' },
  stopWorker: { title: 'Stop Worker', icon: 'debug-stop' },
  reviewAnswer: { title: 'Review Answer…', icon: 'eye' },
  writeMcpConfiguration: { title: 'Write MCP Configuration…' },
  runPromptOnClawdforge: { title: 'Run Prompt on clawdforge…', icon: 'run' },
  uploadFileToClawdforge: { title: 'Upload File to clawdforge…', icon: 'cloud-upload' },
  shipSessions: { title: 'Ship Sessions to CatSyphon…', icon: 'cloud-upload' },
  stopShipping: { title: 'Stop Shipping to CatSyphon' },
  shipSession: { title: 'Ship Session to CatSyphon…', icon: 'cloud-upload' },
  showParked: { title: 'Show What CatSyphon Did Not Take…' },
  registerWithCatsyphon: { title: 'Register with CatSyphon…' },
  manageClawdforgeTokens: { title: 'Manage clawdforge Tokens…', icon: 'key' },
  showLog: { title: 'Show Log', icon: 'output' },
  manageTrust: { title: 'Manage Workspace Trust', icon: 'workspace-untrusted', palette: '!isWorkspaceTrusted' },
  allowPermission: { title: 'Allow', icon: 'check', palette: false },
  denyPermission: { title: 'Deny', icon: 'close', palette: false },
  loadMoreSessions: { title: 'Show More Sessions', palette: false },
  copySignInLink: { title: 'Copy Sign-In Link', palette: false },
  openSignInLink: { title: 'Open Sign-In Link', palette: false },
  newSignInCode: { title: 'Show a New Sign-In Code', palette: false },
  changeSignInServer: { title: 'Change Sign-In Server…', palette: false },
  cancelSignIn: { title: 'Cancel Sign-In', palette: false },
} as const satisfies Readonly<Record<string, CommandSpec>>;

export type CommandName = keyof typeof COMMANDS;
export const commandId = (name: CommandName): string => `pilothouse.${name}`;

export const VIEWS = { container: 'pilothouse', sessions: 'pilothouse.sessions', jobs: 'pilothouse.jobs', connections: 'pilothouse.connections', chat: 'pilothouse.chat', signIn: 'pilothouse.signIn', usage: 'pilothouse.usage' } as const;

/** Context keys that the code sets. */
const CONTEXT_KEYS = ['pilothouse.ready', 'pilothouse.hasConnections', 'pilothouse.hasClawdforge', 'pilothouse.chatFocused', 'pilothouse.noHebing', 'pilothouse.hebingSignedOut', 'pilothouse.noJobs', 'pilothouse.callDraft', 'pilothouse.filtered'] as const;
export type ContextKey = (typeof CONTEXT_KEYS)[number];

/** Settings by their part after `pilothouse.`. */
export const SETTINGS = {
  'local.agents': {
    type: 'array', scope: 'machine', default: [],
    markdownDescription: 'Agents of this computer that speak the Agent Client Protocol. Each becomes a connection.',
    items: {
      type: 'object', required: ['name', 'command'], additionalProperties: false,
      properties: {
        id: { type: 'string', pattern: '^[a-z0-9][a-z0-9-]{0,59}$', description: 'Keeps the connection and its sessions together when the name changes. Add Connection… and Edit Connection… write it; without it the name counts.' },
        name: { type: 'string', minLength: 1, description: 'Name shown for the connection and its sessions.' },
        command: { type: 'string', minLength: 1, description: 'Program to run: a name on PATH or an absolute path. It is started without a shell.' },
        args: { type: 'array', items: { type: 'string' }, default: [], description: 'Arguments of the program.' },
        protocol: { type: 'string', enum: ['acp'], default: 'acp', description: 'Protocol that the program speaks on its standard input and output.' },
      },
    },
  },
  'local.claudePath': { type: 'string', scope: 'machine', default: '', markdownDescription: 'Path of the `claude` program. Empty: the one on PATH.' },
  'local.codexPath': { type: 'string', scope: 'machine', default: '', markdownDescription: 'Path of the `codex` program. Empty: the one on PATH.' },
  'sessions.groupBy': {
    type: 'string', scope: 'window', default: 'machine', enum: ['machine', 'folder', 'status', 'connection'],
    enumDescriptions: ['By machine, then folder', 'By folder', 'By state', 'By connection, then machine and folder'],
    description: 'How the Sessions view groups sessions.',
  },
  'sessions.showArchived': { type: 'boolean', scope: 'window', default: false, description: 'Show archived sessions in the Sessions view, in a group of their own.' },
  'sessions.autoArchiveDays': { type: 'integer', scope: 'machine', default: 0, minimum: 0, description: 'Archive sessions that nobody touched for this many days, of all accounts. Never one that works, waits, is pinned or unread, or has prompts that are not delivered. The process of a Happy session ends with it. 0 archives none.' },
  'notifications': {
    type: 'string', scope: 'window', default: 'attention', enum: ['all', 'attention', 'none'],
    enumDescriptions: ['When a session needs you, and when a turn ends', 'When a session needs you', 'Never'],
    description: 'When to show a notification for a session whose chat is not visible.',
  },
  'chat.enterKey': {
    type: 'string', scope: 'window', default: 'send', enum: ['send', 'newline'],
    enumDescriptions: ['Enter sends, Shift+Enter starts a line', 'Enter starts a line, Ctrl+Enter (⌘Enter) sends'],
    description: 'What Enter does in the message box of a chat.',
  },
  'chat.thinking': {
    type: 'string', scope: 'window', default: 'collapsed', enum: ['collapsed', 'expanded', 'hidden'],
    enumDescriptions: ['One line that opens', 'Open', 'Not shown'],
    description: 'How an agent’s thinking is shown.',
  },
  'store.keepDays': { type: 'integer', scope: 'machine', default: 0, minimum: 0, description: 'Forget stored transcripts of sessions that nobody touched for this many days: opened again, they are read from their agents and servers anew. What an agent does not write down itself does not come back (such as requests for permission and how they were answered). Kept are those of pinned sessions, those with drafts or messages that wait, those that may be stored here alone (of clawdforge servers, and of ACP agents that keep none), and those of connections that were removed. 0 keeps them all.' },
} as const;
export type SettingName = keyof typeof SETTINGS;

const can = (verb: string): string => `view == ${VIEWS.sessions} && viewItem =~ /^session:.*:${verb}(:|$)/`;
const connection = (verb: string): string => `view == ${VIEWS.connections} && viewItem =~ /^connection:.*:${verb}(:|$)/`;

const job = (kind: string, verb: string): string => `view == ${VIEWS.jobs} && viewItem =~ /^${kind}:.*${verb}(:|$)/`;

interface CommandEntry {
  readonly command: CommandName;
  readonly when?: string;
  readonly group?: string;
}
type MenuEntry = CommandEntry | (Omit<CommandEntry, 'command'> & { readonly submenu: string });

/** Menus within menus, by id. */
const SUBMENUS = { 'pilothouse.groupBy': 'Group By' } as const;

/** An entry for each way to group: the one that is chosen is marked. */
const grouping = (by: string, chosen: CommandName, other: CommandName, place: number): readonly CommandEntry[] => [
  { command: chosen, when: `config.pilothouse.sessions.groupBy == ${by}`, group: `1_by@${place}` },
  { command: other, when: `config.pilothouse.sessions.groupBy != ${by}`, group: `1_by@${place}` },
];

/** True while a chat has the focus. VS Code keeps the id of the active panel also while its own parts have it. */
const IN_CHAT = `activeWebviewPanelId == '${VIEWS.chat}' && !sideBarFocus && !auxiliaryBarFocus && !panelFocus && !inQuickOpen`;

/** Of the documents that transcripts are read as. */
export const TRANSCRIPT_SCHEME = 'pilothouse-transcript';

/** Of the documents that whole results of a search are read as. */
export const SEARCH_SCHEME = 'pilothouse-search';

/** Of what jobs made, as files. */
export const ARTIFACT_SCHEME = 'pilothouse-artifact';

/** Id under which hebing's MCP servers are offered to VS Code. */
export const MCP_PROVIDER = 'pilothouse.hebing';
/** Id of hebing's accounts in VS Code's Accounts menu. */
export const AUTHENTICATION = { id: 'pilothouse-hebing', label: 'hebing' } as const;

/** Keys as VS Code's own find, its own chat and its accessible view have them. `when`: other than in a chat. */
const KEYS: readonly { readonly command: CommandName; readonly key: string; readonly mac?: string; readonly win?: string; readonly when?: string }[] = [
  { command: 'findInChat', key: 'ctrl+f', mac: 'cmd+f' },
  { command: 'findNext', key: 'f3', mac: 'cmd+g' },
  { command: 'findPrevious', key: 'shift+f3', mac: 'cmd+shift+g' },
  { command: 'previousPrompt', key: 'ctrl+alt+up', mac: 'cmd+alt+up' },
  { command: 'nextPrompt', key: 'ctrl+alt+down', mac: 'cmd+alt+down' },
  { command: 'interruptTurn', key: 'ctrl+escape', mac: 'cmd+escape', win: 'alt+backspace' },
  { command: 'nextSessionThatNeedsYou', key: 'ctrl+k a', mac: 'cmd+k a', when: 'pilothouse.ready' },
  { command: 'openTranscript', key: 'alt+f2' },
  { command: 'openTranscript', key: 'alt+f2', when: `editorTextFocus && resourceScheme == ${TRANSCRIPT_SCHEME}` },
];

/** A part of a chat's page, by what it says of itself in `data-vscode-context`. */
const row = (kind: string): string => `webviewId == '${VIEWS.chat}' && ${kind}`;

const MENUS: Readonly<Record<string, readonly MenuEntry[]>> = {
  'view/title': [
    { command: 'newSession', when: `view == ${VIEWS.sessions}`, group: 'navigation@1' },
    { command: 'searchSessions', when: `view == ${VIEWS.sessions}`, group: 'navigation@2' },
    { command: 'filterSessions', when: `view == ${VIEWS.sessions} && !pilothouse.filtered`, group: 'navigation@3' },
    { command: 'changeSessionFilter', when: `view == ${VIEWS.sessions} && pilothouse.filtered`, group: 'navigation@3' },
    { command: 'clearSessionFilter', when: `view == ${VIEWS.sessions} && pilothouse.filtered`, group: 'navigation@4' },
    { command: 'refresh', when: `view == ${VIEWS.sessions}`, group: 'navigation@5' },
    { command: 'manageTrust', when: `view == ${VIEWS.sessions} && !isWorkspaceTrusted`, group: 'navigation@6' },
    { submenu: 'pilothouse.groupBy', when: `view == ${VIEWS.sessions}`, group: '1_view@1' },
    { command: 'showArchivedSessions', when: `view == ${VIEWS.sessions} && !config.pilothouse.sessions.showArchived`, group: '1_view@2' },
    { command: 'hideArchivedSessions', when: `view == ${VIEWS.sessions} && config.pilothouse.sessions.showArchived`, group: '1_view@2' },
    { command: 'callCapability', when: `view == ${VIEWS.jobs} && !pilothouse.noHebing`, group: 'navigation@1' },
    { command: 'refresh', when: `view == ${VIEWS.jobs} && !pilothouse.noHebing`, group: 'navigation@2' },
    { command: 'showJob', when: `view == ${VIEWS.jobs}`, group: '1_jobs@1' },
    { command: 'startWorker', when: `view == ${VIEWS.jobs} && !pilothouse.noHebing`, group: '1_jobs@2' },
    { command: 'stopWorker', when: `view == ${VIEWS.jobs} && !pilothouse.noHebing`, group: '1_jobs@3' },
    { command: 'writeMcpConfiguration', when: `view == ${VIEWS.jobs}`, group: '2_mcp@1' },
    { command: 'addConnection', when: `view == ${VIEWS.connections}`, group: 'navigation@1' },
    { command: 'showLog', when: `view == ${VIEWS.connections}`, group: '1_log' },
  ],
  'pilothouse.groupBy': [
    ...grouping('machine', 'groupedByMachine', 'groupByMachine', 1),
    ...grouping('folder', 'groupedByFolder', 'groupByFolder', 2),
    ...grouping('status', 'groupedByStatus', 'groupByStatus', 3),
    ...grouping('connection', 'groupedByConnection', 'groupByConnection', 4),
  ],
  'view/item/context': [
    { command: 'allowPermission', when: `view == ${VIEWS.sessions} && viewItem =~ /^permission:.*:allow(:|$)/`, group: 'inline@1' },
    { command: 'denyPermission', when: `view == ${VIEWS.sessions} && viewItem =~ /^permission:.*:deny(:|$)/`, group: 'inline@2' },
    { command: 'newSession', when: `view == ${VIEWS.sessions} && viewItem =~ /^(machine|folder)/`, group: 'inline@1' },
    { command: 'interruptTurn', when: can('interrupt'), group: 'inline@1' },
    { command: 'pinSession', when: can('pin'), group: 'inline@2' },
    { command: 'unpinSession', when: can('unpin'), group: 'inline@2' },
    { command: 'openSession', when: can('open'), group: '1_open@1' },
    { command: 'openSessionFolder', when: can('folder'), group: '1_open@2' },
    { command: 'interruptTurn', when: can('interrupt'), group: '2_run@1' },
    { command: 'stopSession', when: can('stop'), group: '2_run@2' },
    { command: 'resumeSession', when: can('resume'), group: '2_run@3' },
    { command: 'forkSession', when: can('fork'), group: '2_run@4' },
    { command: 'finishWorktree', when: can('worktree'), group: '4_end@0' },
    { command: 'renameSession', when: can('rename'), group: '3_edit@1' },
    { command: 'openTranscript', when: can('open'), group: '1_open@3' },
    { command: 'exportTranscript', when: can('open'), group: '3_edit@2' },
    { command: 'copySessionLink', when: can('open'), group: '3_edit@3' },
    { command: 'shipSession', when: can('open'), group: '3_edit@4' },
    { command: 'pinSession', when: can('pin'), group: '3_mark@1' },
    { command: 'unpinSession', when: can('unpin'), group: '3_mark@1' },
    { command: 'markSessionRead', when: can('markread'), group: '3_mark@2' },
    { command: 'markSessionUnread', when: can('markunread'), group: '3_mark@2' },
    { command: 'archiveSession', when: can('archive'), group: '4_end@1' },
    { command: 'unarchiveSession', when: can('unarchive'), group: '4_end@2' },
    { command: 'deleteSession', when: can('delete'), group: '4_end@3' },
    { command: 'callCapability', when: job('capability', 'call'), group: 'inline@1' },
    { command: 'callCapability', when: job('capability', 'call'), group: '1_open@1' },
    { command: 'startWorker', when: job('capability', 'call'), group: '1_open@2' },
    { command: 'showJob', when: job('job', 'show'), group: 'inline@1' },
    { command: 'stopWorker', when: job('worker', 'stop'), group: 'inline@1' },
    { command: 'stopWorker', when: job('worker', 'stop'), group: '1_open@1' },
    { command: 'showJob', when: job('job', 'show'), group: '1_open@1' },
    { command: 'copyJobId', when: job('job', 'show'), group: '2_copy@1' },
    { command: 'saveArtifact', when: job('artifact', 'save'), group: 'inline@1' },
    { command: 'openJobPart', when: job('artifact', 'save'), group: '1_open@1' },
    { command: 'saveArtifact', when: job('artifact', 'save'), group: '1_open@2' },
    { command: 'signIn', when: connection('signin'), group: 'inline@1' },
    { command: 'newSession', when: connection('new'), group: 'inline@1' },
    { command: 'signIn', when: connection('signin'), group: '1_open@0' },
    { command: 'newSession', when: connection('new'), group: '1_open@1' },
    { command: 'runTask', when: connection('new'), group: '1_open@1' },
    { command: 'refresh', when: connection('refresh'), group: '1_open@2' },
    { command: 'runPromptOnClawdforge', when: connection('forge'), group: '1_open@3' },
    { command: 'uploadFileToClawdforge', when: connection('forge'), group: '1_open@4' },
    { command: 'shipSessions', when: connection('ship'), group: '3_ship@1' },
    { command: 'stopShipping', when: connection('unship'), group: '3_ship@2' },
    { command: 'showParked', when: connection('parked'), group: '3_ship@3' },
    { command: 'registerWithCatsyphon', when: connection('collector'), group: '3_ship@4' },
    { command: 'manageClawdforgeTokens', when: connection('forge'), group: '2_edit@0' },
    { command: 'editConnection', when: connection('edit'), group: '2_edit@1' },
    { command: 'signOut', when: connection('signout'), group: '2_edit@2' },
    { command: 'removeConnection', when: connection('remove'), group: '2_edit@3' },
  ],
  'webview/context': [
    { command: 'copyRow', when: row('pilothouseRow'), group: '9_markdown@1' },
    { command: 'copyTurn', when: row('pilothouseRow'), group: '9_markdown@2' },
    { command: 'copyTranscript', when: row('pilothouseRow'), group: '9_markdown@3' },
    { command: 'forkFromHere', when: row('pilothouseFork'), group: '9_z_fork@1' },
  ],
  'editor/title': [
    { command: 'sendCall', when: 'pilothouse.callDraft', group: 'navigation@1' },
    { command: 'findInChat', when: `activeWebviewPanelId == '${VIEWS.chat}'`, group: '1_find@1' },
    { command: 'goToTurn', when: `activeWebviewPanelId == '${VIEWS.chat}'`, group: '1_find@2' },
    { command: 'openTranscript', when: `activeWebviewPanelId == '${VIEWS.chat}'`, group: '2_take@0' },
    { command: 'exportTranscript', when: `activeWebviewPanelId == '${VIEWS.chat}'`, group: '2_take@1' },
    { command: 'copyTranscript', when: `activeWebviewPanelId == '${VIEWS.chat}'`, group: '2_take@2' },
  ],
  'explorer/context': [{ command: 'uploadFileToClawdforge', when: 'pilothouse.hasClawdforge && !explorerResourceIsFolder', group: '6_copypath@9' }],
  'editor/context': [{ command: 'sendSelection', when: 'editorHasSelection && pilothouse.ready', group: '1_modification@9' }],
};

/** The `contributes` object of package.json. */
export function contributes(): Record<string, unknown> {
  return {
    commands: Object.entries<CommandSpec>(COMMANDS).map(([name, spec]) => ({
      command: commandId(name as CommandName), title: spec.title, category: 'Pilothouse', ...(spec.icon === undefined ? {} : { icon: `$(${spec.icon})` }),
    })),
    viewsContainers: { activitybar: [{ id: VIEWS.container, title: 'Pilothouse', icon: 'media/pilothouse.svg' }] },
    views: {
      [VIEWS.container]: [
        { id: VIEWS.sessions, name: 'Sessions', icon: 'media/pilothouse.svg', contextualTitle: 'Pilothouse' },
        { id: VIEWS.jobs, name: 'Jobs', icon: 'media/pilothouse.svg', contextualTitle: 'Pilothouse', visibility: 'collapsed' },
        { id: VIEWS.connections, name: 'Connections', icon: 'media/pilothouse.svg', contextualTitle: 'Pilothouse', visibility: 'collapsed' },
      ],
    },
    viewsWelcome: [
      { view: VIEWS.sessions, contents: 'No sessions yet. Start one with an agent of this computer.\n[New Session…](command:pilothouse.newSession)', when: 'isWorkspaceTrusted && pilothouse.ready && pilothouse.hasConnections && !pilothouse.filtered' },
      { view: VIEWS.sessions, contents: 'No connections yet.\n[Add Connection…](command:pilothouse.addConnection)', when: 'isWorkspaceTrusted && pilothouse.ready && !pilothouse.hasConnections' },
      { view: VIEWS.sessions, contents: 'This workspace is not trusted: agents do not run here.\n[Manage Trust](command:workbench.trust.manage)', when: '!isWorkspaceTrusted' },
      { view: VIEWS.jobs, contents: 'hebing is a market of jobs: call what others offer (a capability), or work for others. Calls may cost.\n[Sign In to hebing…](command:pilothouse.addConnection?%7B%22system%22%3A%22hebing%22%7D)', when: 'pilothouse.ready && pilothouse.noHebing' },
      { view: VIEWS.jobs, contents: 'You are signed out of hebing. Your jobs go on, and are here again when you sign in.\n[Sign In…](command:pilothouse.signIn)', when: 'pilothouse.ready && pilothouse.hebingSignedOut' },
      { view: VIEWS.jobs, contents: 'hebing lists no capabilities and no jobs for this key.\n[Refresh](command:pilothouse.refresh)', when: 'pilothouse.ready && pilothouse.noJobs' },
    ],
    authentication: [AUTHENTICATION],
    mcpServerDefinitionProviders: [{ id: MCP_PROVIDER, label: 'hebing' }],
    submenus: Object.entries(SUBMENUS).map(([id, label]) => ({ id, label })),
    menus: {
      ...Object.fromEntries(Object.entries(MENUS).map(([place, entries]) => [place, entries.map((entry) => ('command' in entry ? { ...entry, command: commandId(entry.command) } : entry))])),
      commandPalette: Object.entries<CommandSpec>(COMMANDS).filter(([, spec]) => spec.palette !== undefined).map(([name, spec]) => ({
        command: commandId(name as CommandName), when: spec.palette === false ? 'false' : spec.palette,
      })),
    },
    keybindings: KEYS.map(({ command, ...keys }) => ({ command: commandId(command), when: IN_CHAT, ...keys })),
    configuration: {
      title: 'Pilothouse',
      properties: Object.fromEntries(Object.entries(SETTINGS).map(([name, schema]) => [`pilothouse.${name}`, schema])),
    },
  };
}
