import type { Capability, Job, JobEvent } from '../../core/systems/hebing/index.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { JsonValue } from '../../core/model/json.ts';
import { age, oneLine } from '../tree/text.ts';
import type { WorkerJob } from '../../core/fleet/worker.ts';
import type { ShownWorker } from '../worker/workers.ts';
import type { Artifact } from './artifact.ts';
import { artifactOf } from './artifact.ts';
import type { BoardState } from './board.ts';
import type { JobGroup } from './jobState.ts';
import { GROUP_TITLES, groupOf, isOver, JOB_GROUPS, timeOf } from './jobState.ts';

/** A node of the Jobs tree. `id` is stable, so that VS Code keeps what is open and selected. */
export type JobNode = { readonly id: string; readonly connectionId: string } & (
  | { readonly kind: 'account'; readonly name: string }
  | { readonly kind: 'notice'; readonly why: 'sign-in' | 'failed'; readonly text: string }
  | { readonly kind: 'capabilities'; readonly count: number; readonly open: boolean }
  | { readonly kind: 'capability'; readonly capability: Capability }
  | { readonly kind: 'group'; readonly group: JobGroup; readonly count: number }
  | { readonly kind: 'job'; readonly job: Job; readonly title: string }
  | { readonly kind: 'part'; readonly job: Job; readonly part: 'input' | 'result' | 'error' }
  | { readonly kind: 'artifact'; readonly job: Job; readonly index: number; readonly artifact: Artifact }
  | { readonly kind: 'events'; readonly job: Job }
  | { readonly kind: 'event'; readonly event: JobEvent }
  | { readonly kind: 'reading' }
  | { readonly kind: 'worker'; readonly worker: ShownWorker }
  | { readonly kind: 'worker-job'; readonly work: WorkerJob }
);

/** One account as the tree shows it. */
export interface ShownBoard {
  readonly connectionId: string;
  readonly name: string;
  readonly state: BoardState;
}
export interface JobsModel {
  readonly roots: readonly JobNode[];
  children(id: string): readonly JobNode[];
  node(id: string): JobNode | null;
  parent(id: string): JobNode | null;
}

/** The whole tree; pure. This window's workers stand first; several accounts stand beside each other, one stands for itself. An account that nobody is signed in to shows nothing. */
export function buildJobs(boards: readonly ShownBoard[], workers: readonly ShownWorker[] = []): JobsModel {
  const children = new Map<string, JobNode[]>();
  const nodes = new Map<string, JobNode>();
  const parents = new Map<string, string>();
  const roots: JobNode[] = [];
  const add = (parent: JobNode | null, node: JobNode): JobNode => {
    nodes.set(node.id, node);
    if (parent === null) roots.push(node);
    else {
      parents.set(node.id, parent.id);
      children.set(parent.id, [...(children.get(parent.id) ?? []), node]);
    }
    return node;
  };
  for (const worker of workers) addWorker(add, worker);
  for (const board of boards) {
    const { connectionId, name, state } = board;
    const top = boards.length > 1 ? add(null, { kind: 'account', id: `account/${connectionId}`, connectionId, name }) : null;
    // One account alone that there is nothing of is told by the view's welcome.
    const bare = state.jobs.length === 0 && state.capabilities.length === 0;
    const notice = noticeOf(state);
    if (notice !== null && !(top === null && bare && notice.why === 'sign-in')) add(top, { kind: 'notice', id: `notice/${connectionId}`, connectionId, ...notice });
    if (state.access === 'out') continue;
    addCapabilities(add, top, board);
    addJobs(add, top, board);
  }
  return {
    roots,
    children: (id) => children.get(id) ?? [],
    node: (id) => nodes.get(id) ?? null,
    parent: (id) => nodes.get(parents.get(id) ?? '') ?? null,
  };
}

function noticeOf({ access, problem }: BoardState): { readonly why: 'sign-in' | 'failed'; readonly text: string } | null {
  if (access === 'out') return { why: 'sign-in', text: 'Signed out' };
  if (access === 'rejected') return { why: 'sign-in', text: 'Needs a new sign-in' };
  return problem === null ? null : { why: 'failed', text: problem };
}

type Add = (parent: JobNode | null, node: JobNode) => JobNode;

function addWorker(add: Add, worker: ShownWorker): void {
  const { id, connectionId } = worker.definition;
  const node = add(null, { kind: 'worker', id: `worker/${id}`, connectionId, worker });
  for (const job of worker.state.jobs) add(node, { kind: 'worker-job', id: `worker-job/${id}/${job.jobId}`, connectionId, work: job });
}

function addCapabilities(add: Add, top: JobNode | null, { connectionId, state }: ShownBoard): void {
  if (state.capabilities.length === 0) return;
  const group = add(top, { kind: 'capabilities', id: `capabilities/${connectionId}`, connectionId, count: state.capabilities.length, open: state.jobs.length === 0 });
  for (const capability of [...state.capabilities].sort((a, b) => a.name.localeCompare(b.name))) add(group, { kind: 'capability', id: `capability/${connectionId}/${capability.capabilityKey}`, connectionId, capability });
}

function addJobs(add: Add, top: JobNode | null, { connectionId, state }: ShownBoard): void {
  const names = new Map(state.capabilities.map((capability) => [capability.capabilityKey, capability.name]));
  for (const group of JOB_GROUPS) {
    const jobs = state.jobs.filter((job) => groupOf(job) === group);
    if (jobs.length === 0) continue;
    const parent = add(top, { kind: 'group', id: `group/${connectionId}/${group}`, connectionId, group, count: jobs.length });
    for (const job of jobs) addParts(add, add(parent, { kind: 'job', id: jobNodeId(connectionId, job.id), connectionId, job, title: names.get(job.capabilityKey) ?? job.capabilityKey }), job, state);
  }
}

function addParts(add: Add, parent: JobNode, job: Job, state: BoardState): void {
  const { connectionId } = parent;
  const place = `${connectionId}/${job.id}`;
  if (hasContent(job.output)) add(parent, { kind: 'part', id: `result/${place}`, connectionId, job, part: 'result' });
  if (hasContent(job.error)) add(parent, { kind: 'part', id: `error/${place}`, connectionId, job, part: 'error' });
  job.artifacts.forEach((record, index) => add(parent, { kind: 'artifact', id: `artifact/${place}/${index}`, connectionId, job, index, artifact: artifactOf(record, index) }));
  add(parent, { kind: 'part', id: `input/${place}`, connectionId, job, part: 'input' });
  const events = add(parent, { kind: 'events', id: `events/${place}`, connectionId, job });
  const known = state.events.get(job.id);
  if (known === undefined) add(events, { kind: 'reading', id: `reading/${place}`, connectionId });
  known?.forEach((event, at) => add(events, { kind: 'event', id: `event/${place}/${event.seq ?? `at ${at}`}`, connectionId, event }));
}

const hasContent = (value: JsonValue): boolean => value !== null && value !== '' && !(isJsonObject(value) && Object.keys(value).length === 0);

export function jobNodeId(connectionId: string, jobId: string): string {
  return `job/${connectionId}/${jobId}`;
}

/** What stands beside a job: when it changed, what it says of itself where the groups don't, and what it was asked. */
export function jobDescription(job: Job, now: number): string {
  const at = timeOf(isOver(job) ? job.updatedAt : job.createdAt);
  const said = groupOf(job) === 'failed' ? oneLine(errorText(job.error), 100) : '';
  return [at === null ? '' : age(at, now), said === '' ? oneLine(gistOf(job.inputPayload), 60) : said].filter((word) => word !== '').join(' · ');
}

/** The status in a person's word: `queued`, `in progress`. */
export function statusText({ status }: Pick<Job, 'status'>): string {
  return oneLine(status, 40).replaceAll('_', ' ');
}

/** An error as a job carries it, in words: hebing gives `{code, detail}`, a text, or whatever a worker said. */
export function errorText(error: JsonValue): string {
  if (typeof error === 'string') return error;
  if (!isJsonObject(error)) return error === null ? '' : JSON.stringify(error);
  const said = ['message', 'detail', 'reason', 'error'].map((name) => error[name]).find((value): value is string => typeof value === 'string' && value !== '');
  const code = typeof error['code'] === 'string' ? error['code'].replaceAll('_', ' ') : '';
  return said ?? (code === '' ? JSON.stringify(error) : code);
}

/** The first text of an input, by which a person knows it again. */
function gistOf(input: JsonValue): string {
  return isJsonObject(input) ? (Object.values(input).find((value): value is string => typeof value === 'string' && value.trim() !== '') ?? '') : '';
}

/** `Running`, `Waiting`, … */
export const groupTitle = (group: JobGroup): string => GROUP_TITLES[group];
