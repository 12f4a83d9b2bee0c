import * as vscode from 'vscode';
import type { CommandName, ContextKey } from '../contributions.ts';
import { commandId, VIEWS } from '../contributions.ts';
import { sizeText } from '../remote/kind.ts';
import { age, oneLine } from '../tree/text.ts';
import { stepText, workerCounts, workerLine } from '../worker/line.ts';
import type { Workers } from '../worker/workers.ts';
import type { HebingBoards } from './boards.ts';
import type { JobNode, JobsModel } from './jobsModel.ts';
import { buildJobs, errorText, groupTitle, jobDescription, jobNodeId, statusText } from './jobsModel.ts';
import { groupOf, timeOf } from './jobState.ts';

type SetContext = (key: ContextKey, value: boolean) => Promise<void>;

/** The Jobs view: what hebing can do, and this person's jobs there by state. Reads while it can be seen. */
export class JobsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly view: vscode.TreeView<string>;
  private readonly boards: HebingBoards;
  private readonly setContext: SetContext;
  private readonly changed = new vscode.EventEmitter<undefined>();
  private readonly disposables: { dispose(): unknown }[] = [];
  private model: JobsModel;
  private pending = false;
  private workers: Pick<Workers, 'workers'> | null = null;
  readonly onDidChangeTreeData = this.changed.event;

  constructor(boards: HebingBoards, setContext: SetContext) {
    this.boards = boards;
    this.setContext = setContext;
    this.model = buildJobs([]);
    this.view = vscode.window.createTreeView(VIEWS.jobs, { treeDataProvider: this, showCollapseAll: true });
    this.rebuild();
    this.disposables.push(
      this.view, this.changed,
      boards.onChange(() => this.rebuildSoon()),
      this.view.onDidChangeVisibility(({ visible }) => boards.setVisible(visible)),
      this.view.onDidExpandElement(({ element }) => this.onEvents(element, (connectionId, jobId) => void boards.get(connectionId)?.board.readEvents(jobId))),
      this.view.onDidCollapseElement(({ element }) => this.onEvents(element, (connectionId, jobId) => boards.get(connectionId)?.board.dropEvents(jobId))),
    );
    // Ages grow without any event.
    const timer = setInterval(() => {
      if (this.view.visible) this.rebuild();
    }, 60_000);
    this.disposables.push({ dispose: () => clearInterval(timer) });
    boards.setVisible(this.view.visible);
  }

  /** Shows this window's workers, first. */
  showWorkers(workers: Workers): void {
    this.workers = workers;
    this.disposables.push(workers.onChange(() => this.rebuildSoon()));
    this.rebuild();
  }

  node(id: string): JobNode | null {
    return this.model.node(id);
  }

  /** Selects a job where the view can be seen; the focus stays where it is. Never rejects. */
  async reveal(connectionId: string, jobId: string, expand: boolean): Promise<void> {
    if (!this.view.visible) return;
    this.rebuild();
    const id = jobNodeId(connectionId, jobId);
    // A tree that is being read anew may not find it; it is there all the same.
    if (this.model.node(id) !== null) await Promise.resolve(this.view.reveal(id, { select: true, focus: false, expand })).catch(() => undefined);
  }

  getParent(id: string): string | null {
    return this.model.parent(id)?.id ?? null;
  }

  getChildren(id?: string): string[] {
    return (id === undefined ? this.model.roots : this.model.children(id)).map((node) => node.id);
  }

  getTreeItem(id: string): vscode.TreeItem {
    const node = this.model.node(id);
    const item = node === null ? new vscode.TreeItem('') : itemOf(node, Date.now());
    item.id = id;
    return item;
  }

  dispose(): void {
    for (const each of this.disposables.reverse()) each.dispose();
  }

  private onEvents(id: string, work: (connectionId: string, jobId: string) => void): void {
    const node = this.model.node(id);
    if (node?.kind === 'events') work(node.connectionId, node.job.id);
  }

  /** Changes that come together are shown together. */
  private rebuildSoon(): void {
    if (this.pending) return;
    this.pending = true;
    queueMicrotask(() => {
      this.pending = false;
      this.rebuild();
    });
  }

  private rebuild(): void {
    const accounts = this.boards.all();
    this.model = buildJobs(accounts.map(({ record, board }) => ({ connectionId: record.connectionId, name: record.name, state: board.state })), this.workers?.workers());
    const bare = this.model.roots.length === 0;
    const [only] = accounts;
    void this.setContext('pilothouse.noHebing', accounts.length === 0);
    void this.setContext('pilothouse.hebingSignedOut', bare && only !== undefined && only.board.state.access !== 'in');
    void this.setContext('pilothouse.noJobs', bare && only !== undefined && only.board.state.access === 'in' && only.board.state.loaded);
    this.changed.fire(undefined);
  }
}

const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;
const dimmed = (): vscode.ThemeColor => new vscode.ThemeColor('disabledForeground');

function itemOf(node: JobNode, now: number): vscode.TreeItem {
  switch (node.kind) {
    case 'account':
      return dressed(node, new vscode.TreeItem(oneLine(node.name), Expanded), 'account', new vscode.ThemeIcon('account'));
    case 'notice': {
      const signIn = node.why === 'sign-in';
      const item = dressed(node, new vscode.TreeItem(oneLine(node.text, 200), None), 'notice', new vscode.ThemeIcon(signIn ? 'key' : 'warning', new vscode.ThemeColor('list.warningForeground')));
      item.command = signIn ? command('signIn', 'Sign In…', { connectionId: node.connectionId }) : command('refresh', 'Try Again');
      item.description = signIn ? 'Sign In…' : 'Try Again';
      item.tooltip = oneLine(node.text, 600);
      return item;
    }
    case 'capabilities': {
      const item = dressed(node, new vscode.TreeItem('Capabilities', node.open ? Expanded : Collapsed), 'capabilities', new vscode.ThemeIcon('library'));
      item.description = String(node.count);
      return item;
    }
    case 'capability':
      return capabilityItem(node);
    case 'group': {
      const item = dressed(node, new vscode.TreeItem(groupTitle(node.group), node.group === 'cancelled' || node.group === 'expired' ? Collapsed : Expanded), `jobs:${node.group}`);
      item.description = String(node.count);
      return item;
    }
    case 'job':
      return jobItem(node, now);
    case 'part': {
      const item = dressed(node, new vscode.TreeItem(PARTS[node.part].label, None), `part:${node.part}`, new vscode.ThemeIcon(PARTS[node.part].icon));
      if (node.part === 'error') item.description = oneLine(errorText(node.job.error), 100);
      item.command = command('openJobPart', 'Open', node.id);
      return item;
    }
    case 'artifact': {
      const { artifact } = node;
      const item = dressed(node, new vscode.TreeItem(artifact.name, None), 'artifact:save', vscode.ThemeIcon.File);
      // Its name alone chooses the icon of the person's icon theme.
      item.resourceUri = vscode.Uri.from({ scheme: 'pilothouse-artifact-icon', path: `/${artifact.name}` });
      item.description = [artifact.size === null ? '' : sizeText(artifact.size), artifact.type === null ? '' : oneLine(artifact.type, 40)].filter((word) => word !== '').join(' · ');
      item.tooltip = artifact.name;
      item.command = command('openJobPart', 'Open', node.id);
      return item;
    }
    case 'events':
      return dressed(node, new vscode.TreeItem('Events', Collapsed), 'events', new vscode.ThemeIcon('history'));
    case 'event': {
      const { event } = node;
      const at = timeOf(event.createdAt);
      const item = dressed(node, new vscode.TreeItem(oneLine(event.type, 80).replaceAll('_', ' '), None), 'event');
      const data = event.data === null || JSON.stringify(event.data) === '{}' ? '' : JSON.stringify(event.data);
      item.description = [at === null ? '' : age(at, now), oneLine(data, 80)].filter((word) => word !== '').join(' · ');
      item.tooltip = [at === null ? '' : new Date(at).toLocaleString(), oneLine(data, 900)].filter((word) => word !== '').join('\n');
      return item;
    }
    case 'reading':
      return new vscode.TreeItem('Reading…', None);
    case 'worker':
      return workerItem(node);
    case 'worker-job':
      return workerJobItem(node, now);
  }
}

function capabilityItem(node: Extract<JobNode, { kind: 'capability' }>): vscode.TreeItem {
  const { capabilityKey, name, description } = node.capability;
  const item = dressed(node, new vscode.TreeItem(oneLine(name), None), 'capability:call', new vscode.ThemeIcon('zap'));
  item.description = oneLine(capabilityKey, 80);
  const tooltip = new vscode.MarkdownString();
  tooltip.appendText([oneLine(name, 200), oneLine(capabilityKey, 200), oneLine(description ?? '', 900)].filter((line) => line !== '').join('\n'));
  item.tooltip = tooltip;
  item.accessibilityInformation = { label: `${oneLine(name)}, ${[oneLine(description ?? '', 300), oneLine(capabilityKey)].filter((line) => line !== '').join(', ')}` };
  return item;
}

function jobItem(node: Extract<JobNode, { kind: 'job' }>, now: number): vscode.TreeItem {
  const { job, title } = node;
  const item = dressed(node, new vscode.TreeItem(oneLine(title), Collapsed), `job:${groupOf(job)}:show`, jobIcon(node));
  item.description = jobDescription(job, now);
  const tooltip = new vscode.MarkdownString();
  const created = timeOf(job.createdAt);
  tooltip.appendText([`${oneLine(title, 200)} · ${statusText(job)}`, oneLine(job.capabilityKey, 200), oneLine(job.id, 200), created === null ? '' : `made ${age(created, now)} ago`, oneLine(errorText(job.error), 600)].filter((line) => line !== '').join('\n'));
  item.tooltip = tooltip;
  item.accessibilityInformation = { label: [oneLine(title), statusText(job), item.description].filter((word) => word !== '').join(', ') };
  return item;
}

function workerItem(node: Extract<JobNode, { kind: 'worker' }>): vscode.TreeItem {
  const { definition, state } = node.worker;
  const item = dressed(node, new vscode.TreeItem(`Worker: ${oneLine(definition.capabilityName)}`, state.jobs.length === 0 ? None : Expanded), 'worker:stop', new vscode.ThemeIcon(state.trouble === null ? 'briefcase' : 'warning'));
  item.description = [workerLine(state), workerCounts(state)].filter((word) => word !== '').join(' · ');
  item.tooltip = oneLine(`${definition.capabilityKey} · ${definition.place.folder}`, 400);
  return item;
}

function workerJobItem(node: Extract<JobNode, { kind: 'worker-job' }>, now: number): vscode.TreeItem {
  const { jobId, session, since, step } = node.work;
  const review = step === 'review';
  const item = dressed(node, new vscode.TreeItem(oneLine(jobId), None), 'worker-job', review ? new vscode.ThemeIcon('eye', new vscode.ThemeColor('list.warningForeground')) : new vscode.ThemeIcon('loading~spin', new vscode.ThemeColor('progressBar.background')));
  item.description = `${stepText(step)} · ${age(since, now)}`;
  if (session !== null) item.command = command('openSession', 'Open Session', { key: session });
  return item;
}

function jobIcon({ job }: Extract<JobNode, { kind: 'job' }>): vscode.ThemeIcon {
  switch (groupOf(job)) {
    case 'running': return new vscode.ThemeIcon('loading~spin', new vscode.ThemeColor('progressBar.background'));
    case 'waiting': return new vscode.ThemeIcon('circle-outline');
    case 'succeeded': return new vscode.ThemeIcon('check');
    case 'failed': return new vscode.ThemeIcon('error', new vscode.ThemeColor('list.errorForeground'));
    case 'cancelled': return new vscode.ThemeIcon('circle-slash', dimmed());
    case 'expired': return new vscode.ThemeIcon('watch', dimmed());
  }
}

const PARTS = { input: { label: 'Input', icon: 'arrow-right' }, result: { label: 'Result', icon: 'output' }, error: { label: 'Error', icon: 'error' } } as const;

function dressed(node: JobNode, item: vscode.TreeItem, contextValue: string, icon?: vscode.ThemeIcon): vscode.TreeItem {
  item.contextValue = contextValue;
  if (icon !== undefined) item.iconPath = icon;
  item.id = node.id;
  return item;
}

function command(name: CommandName, title: string, ...args: readonly unknown[]): vscode.Command {
  return { command: commandId(name), title, arguments: [...args] };
}
