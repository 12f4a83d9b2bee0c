import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../../../src/core/model/json.ts';
import { artifactOf, resultDocument } from '../../../../src/extension/hebing/artifact.ts';
import type { BoardState } from '../../../../src/extension/hebing/board.ts';
import type { JobNode, ShownBoard } from '../../../../src/extension/hebing/jobsModel.ts';
import { buildJobs, errorText, jobDescription } from '../../../../src/extension/hebing/jobsModel.ts';
import { groupOf, isOver, timeOf } from '../../../../src/extension/hebing/jobState.ts';
import { capability, job } from './samples.ts';
import type { ShownWorker } from '../../../../src/extension/worker/workers.ts';

const STATE: BoardState = { access: 'in', loaded: true, capabilities: [], jobs: [], problem: null, events: new Map() };
const shown = (state: Partial<BoardState>, connectionId = 'hebing-1', name = 'hebing'): ShownBoard => ({ connectionId, name, state: { ...STATE, ...state } });

/** The tree as lines, a level two spaces. */
function lines(boards: readonly ShownBoard[]): readonly string[] {
  const model = buildJobs(boards);
  const seen: string[] = [];
  const walk = (nodes: readonly JobNode[], depth: number): void => {
    for (const node of nodes) {
      expect(model.node(node.id)).toBe(node);
      seen.push(`${'  '.repeat(depth)}${wordOf(node)}`);
      for (const child of model.children(node.id)) expect(model.parent(child.id)).toBe(node);
      walk(model.children(node.id), depth + 1);
    }
  };
  walk(model.roots, 0);
  return seen;
}

function wordOf(node: JobNode): string {
  switch (node.kind) {
    case 'account': return `account ${node.name}`;
    case 'notice': return `${node.why} ${node.text}`;
    case 'capabilities': return `capabilities ${node.count}${node.open ? ' open' : ''}`;
    case 'capability': return `capability ${node.capability.name}`;
    case 'group': return `${node.group} ${node.count}`;
    case 'job': return `job ${node.job.id} ${node.title}`;
    case 'part': return node.part;
    case 'artifact': return `artifact ${node.artifact.name}`;
    case 'event': return `event ${node.event.type}`;
    case 'events':
    case 'reading': return node.kind;
    case 'worker': return `worker ${node.worker.definition.capabilityName}`;
    case 'worker-job': return `worked on ${node.work.jobId}`;
  }
}

describe('the Jobs tree', () => {
  const capabilities = [capability('media.echo.v1', 'Echo'), capability('media.draw', 'Drawing')];

  it('has what hebing can do, then the jobs by state, with what came of each', () => {
    const jobs = [job('1', 'queued'), job('2', 'succeeded', { output: { echo: 'x' }, artifacts: [{ name: 'a.png', url: 'https://x.example/a.png' }] }), job('3', 'failed', { error: { code: 'no_luck' } }), job('4', 'in_progress', { capabilityKey: 'gone.v1' })];
    const events = new Map([['2', [{ seq: 1, type: 'job_created', createdAt: null, data: null }]]]);
    expect(lines([shown({ capabilities, jobs, events })])).toEqual([
      'capabilities 2', '  capability Drawing', '  capability Echo',
      'running 1', '  job 4 gone.v1', '    input', '    events', '      reading',
      'waiting 1', '  job 1 Echo', '    input', '    events', '      reading',
      'failed 1', '  job 3 Echo', '    error', '    input', '    events', '      reading',
      'succeeded 1', '  job 2 Echo', '    result', '    artifact a.png', '    input', '    events', '      event job_created',
    ]);
  });

  it('has this window’s workers first, with the jobs that they do', () => {
    const work = { jobId: 'j7', capabilityKey: 'media.echo.v1', step: 'working', session: null, since: 1 } as const;
    const worker = { definition: { id: 'w1', connectionId: 'c', capabilityName: 'Echo' }, state: { jobs: [work] } } as unknown as ShownWorker;
    const model = buildJobs([shown({ jobs: [job('1', 'queued')] })], [worker]);
    const [first] = model.roots;
    expect([first === undefined ? '' : wordOf(first), model.children('worker/w1').map(wordOf), model.parent('worker-job/w1/j7')?.id, model.roots.length]).toEqual(['worker Echo', ['worked on j7'], 'worker/w1', 2]);
  });

  it('stands for itself where there is one account, and has a root for each of several', () => {
    expect(lines([shown({ capabilities })])[0]).toBe('capabilities 2 open');
    expect(lines([shown({ capabilities }, 'hebing-1', 'Work'), shown({ access: 'out' }, 'hebing-2', 'Home')])).toEqual(['account Work', '  capabilities 2 open', '    capability Drawing', '    capability Echo', 'account Home', '  sign-in Signed out']);
  });

  it('keeps what was read where a sign-in is needed or hebing cannot be reached, and says so above it', () => {
    expect(lines([shown({ access: 'rejected', jobs: [job('1', 'succeeded')] })]).slice(0, 2)).toEqual(['sign-in Needs a new sign-in', 'succeeded 1']);
    expect(lines([shown({ problem: 'hebing cannot be reached.', capabilities })])[0]).toBe('failed hebing cannot be reached.');
    expect([lines([shown({ access: 'rejected' })]), lines([shown({ access: 'out' })]), lines([])]).toEqual([[], [], []]);
  });

  it('tells a job by its age, what it was asked, or why it failed', () => {
    const now = Date.parse('2026-01-01T00:05:10Z');
    expect(jobDescription(job('1', 'running'), now)).toBe('5 m · A harbour at dawn');
    expect(jobDescription(job('1', 'failed', { error: { code: 'x', message: 'no picture\nat all' } }), now)).toBe('5 m · no picture at all');
    expect(jobDescription(job('1', 'running', { createdAt: null, inputPayload: [1] }), now)).toBe('');
    expect([errorText('plain'), errorText({ code: 'attempts_exhausted' }), errorText({ detail: 'why' }), errorText(null), errorText([1])]).toEqual(['plain', 'attempts exhausted', 'why', '', '[1]']);
    expect(['queued', 'running', 'brand_new', 'succeeded', 'expired'].map((status) => groupOf({ status }))).toEqual(['waiting', 'running', 'running', 'succeeded', 'expired']);
    expect([isOver({ status: 'brand_new' }), isOver({ status: 'cancelled' })]).toEqual([false, true]);
    expect([timeOf(1_700_000_000), timeOf(1_700_000_000_000), timeOf('nonsense'), timeOf(null)]).toEqual([1_700_000_000_000, 1_700_000_000_000, null, null]);
  });
});

describe('an artifact', () => {
  const at = (record: JsonObject, index = 0) => artifactOf(record, index);
  const text = (record: JsonObject): string => {
    const { from } = at(record);
    return 'bytes' in from ? Buffer.from(from.bytes).toString() : 'none';
  };

  it('is found by the fields that services use: an address, its contents, or nothing but its record', () => {
    expect(at({ url: 'https://x.example/files/a%20b.png?sig=1', size: 12, content_type: 'image/png; q=1' })).toEqual({ name: 'a b.png', type: 'image/png', size: 12, from: { url: 'https://x.example/files/a%20b.png?sig=1' } });
    expect([text({ text: 'hello' }), text({ content: { a: 1 } }), text({ base64: 'aGk=' }), text({ content: 'aGk=', encoding: 'base64' }), text({ url: 'data:text/plain;base64,aGk=' }), text({ url: 'data:,h%C3%A9' })])
      .toEqual(['hello', '{\n  "a": 1\n}\n', 'hi', 'hi', 'hi', 'hé']);
    expect(at({ id: 7 }, 1)).toEqual({ name: 'artifact 2.json', type: null, size: null, from: { record: { id: 7 } } });
    for (const url of ['file:///etc/passwd', 'command:evil', 'not an address']) expect(at({ url }).from).toEqual({ record: { url } });
  });

  it('has a name that is one of a file, with an ending that fits', () => {
    expect([at({ name: '../../etc/pass\u202Ewd', text: '' }).name, at({ filename: 'C:\\x\\report.pdf', text: '' }).name, at({ name: '..', text: 'x' }, 2).name, at({ name: 'chart', mime_type: 'image/svg+xml', text: '<svg/>' }).name, at({ title: 'facts', content: { a: 1 } }).name])
      .toEqual(['pass wd', 'report.pdf', 'artifact 3', 'chart.svg', 'facts.json']);
  });

  it('of a result is a document: JSON pretty, also where it came as a text', () => {
    expect(resultDocument('R', { a: [1] })).toEqual({ name: 'R.json', text: '{\n  "a": [\n    1\n  ]\n}\n' });
    expect(resultDocument('R', '{"a":1}')).toEqual({ name: 'R.json', text: '{\n  "a": 1\n}\n' });
    expect([resultDocument('R', '# Title'), resultDocument('R', '12')]).toEqual([{ name: 'R.md', text: '# Title' }, { name: 'R.md', text: '12' }]);
  });
});
