import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { Row, ToolRow } from '../../../src/core/model/row.ts';
import { InputScan } from '../../../src/core/systems/local/claude/inputScan.ts';
import { ClaudeReader } from '../../../src/core/systems/local/claude/reader.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { assertOrderFree } from '../session/properties.ts';

const silent = { onTaken: () => undefined, onAsk: () => undefined, onTurnEnd: () => undefined, onTitle: () => undefined, onMode: () => undefined, onLoginFailed: () => undefined, onRefuse: () => undefined };

/** A reader that is told of one message's stream, and all entries that it has given. */
class Stream {
  readonly reader = new ClaudeReader({ folder: '/w', events: silent });
  readonly entries: Entry[] = [];
  #at = 1000;

  constructor() {
    this.reader.sent({ text: 'Go', attachments: [] }, 'u1', this.#at);
    this.line({ type: 'command_lifecycle', command_uuid: 'u1', state: 'started' });
  }
  line(value: JsonObject): this {
    this.#at += 10;
    this.reader.accept(value, this.#at);
    this.entries.push(...this.reader.flush());
    return this;
  }
  event(event: JsonObject, more: JsonObject = {}): this {
    return this.line({ type: 'stream_event', event, parent_tool_use_id: null, ...more });
  }
  start(message: string): this {
    return this.event({ type: 'message_start', message: { id: message, usage: {} } });
  }
  call(index: number, id: string, name: string): this {
    return this.event({ type: 'content_block_start', index, content_block: { type: 'tool_use', id, name, input: {} } });
  }
  input(index: number, json: string): this {
    return this.event({ type: 'content_block_delta', index, delta: { type: 'input_json_delta', partial_json: json } });
  }
  text(index: number, words: string): this {
    this.event({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
    return this.event({ type: 'content_block_delta', index, delta: { type: 'text_delta', text: words } });
  }
  whole(message: string, ...content: readonly JsonObject[]): this {
    return this.line({ type: 'assistant', message: { id: message, content } });
  }
  end(at = 9999): this {
    this.reader.ended({ text: 'over', remedy: '' }, at);
    this.entries.push(...this.reader.flush());
    return this;
  }
  /** Rows that the agent made. */
  get rows(): Row[] {
    return viewOf(this.entries).filter((row) => row.kind !== 'prompt' && row.kind !== 'notice');
  }
  get tools(): ToolRow[] {
    return this.rows.filter((row) => row.kind === 'tool');
  }
}

describe('the input of a tool that streams', () => {
  it('shows the call at once, its path as soon as that is known, and its text while it comes', () => {
    const stream = new Stream().start('m1').call(0, 't1', 'Write');
    expect(stream.tools).toMatchObject([{ key: 't:t1', name: 'Write', verb: 'edit', title: 'Write', status: 'running', input: null }]);
    stream.input(0, '{"file_path":"/w/src');
    expect(stream.tools[0]?.title).toBe('Write');
    stream.input(0, '/a.ts","content":"');
    expect(stream.tools[0]).toMatchObject({ title: 'src/a.ts', locations: [{ path: '/w/src/a.ts', line: null }] });
    stream.input(0, 'line\\n'.repeat(40));
    expect(stream.tools[0]?.input).toBe(`{"file_path":"/w/src/a.ts","content":"${'line\\n'.repeat(40)}`);
    stream.whole('m1', { type: 'tool_use', id: 't1', name: 'Write', input: { file_path: '/w/src/a.ts', content: 'line\n'.repeat(40) } });
    expect(stream.tools).toMatchObject([{ key: 't:t1', title: 'src/a.ts', status: 'running', input: { content: 'line\n'.repeat(40) } }]);
    expect(stream.tools[0]?.diffs).toHaveLength(1);
  });

  it('shows a command once it is whole, before its description is', () => {
    const stream = new Stream().start('m1').call(0, 't1', 'Bash').input(0, '{"command":"npm run build","desc');
    expect(stream.tools[0]).toMatchObject({ title: 'npm run build', command: 'npm run build', status: 'running' });
  });

  it('costs no more than some times its length, and few versions of its call', () => {
    const stream = new Stream().start('m1').call(0, 't1', 'Write').input(0, '{"file_path":"/w/a","content":"');
    for (let n = 0; n < 4000; n += 1) stream.input(0, 'twenty-four characters..');
    const pieces = stream.entries.filter((entry) => entry.kind === 'delta');
    expect(pieces.length).toBeLessThan(200);
    expect(stream.entries.filter((entry) => entry.kind === 'tool')).toHaveLength(2);
    const input = stream.tools[0]?.input;
    expect(typeof input === 'string' && input.length > 4000 * 24 * 0.9).toBe(true);
  });

  it('of several calls goes to each of them, whatever the order in which they become whole', () => {
    const stream = new Stream().start('m1').call(0, 't1', 'Bash').input(0, '{"command":"one"}').call(1, 't2', 'Bash').input(1, '{"command":"two"}');
    expect(stream.tools.map((row) => row.title)).toEqual(['one', 'two']);
    stream.whole('m1', { type: 'tool_use', id: 't2', name: 'Bash', input: { command: 'two', timeout: 5 } });
    stream.whole('m1', { type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'one', timeout: 5 } });
    expect(stream.tools.map((row) => [row.title, row.input])).toEqual([['one', { command: 'one', timeout: 5 }], ['two', { command: 'two', timeout: 5 }]]);
  });

  it('stays where it began, though the agent stamps a result with a time before that at which we read the call', () => {
    const stream = new Stream().start('m1').call(0, 't1', 'Bash').call(1, 't2', 'Bash');
    for (const id of ['t1', 't2']) stream.whole('m1', { type: 'tool_use', id, name: 'Bash', input: { command: id } });
    for (const [id, at] of [['t2', 1001], ['t1', 1002]] as const) stream.line({ type: 'user', timestamp: new Date(at).toISOString(), message: { content: [{ type: 'tool_result', tool_use_id: id, content: 'ok' }] } });
    expect(stream.tools.map((row) => [row.title, row.status])).toEqual([['t1', 'ok'], ['t2', 'ok']]);
  });

  it('that is broken off by an interrupt or a death leaves a cancelled call', () => {
    const died = new Stream().start('m1').call(0, 't1', 'Bash').input(0, '{"command":"ls","desc').end();
    expect(died.tools).toMatchObject([{ title: 'ls', status: 'cancelled' }]);
    const stopped = new Stream().start('m1').call(0, 't1', 'Bash').input(0, '{"command":"ls","desc');
    stopped.reader.interrupting();
    stopped.event({ type: 'message_stop' }, { abandoned_blocks: { api_message_id: 'm1', from_block_index: 0 } });
    expect(stopped.tools).toMatchObject([{ title: 'ls', status: 'cancelled' }]);
  });

  it('gives one view in any order of its entries', async () => {
    const stream = new Stream().start('m1').text(0, 'I write.').whole('m1', { type: 'text', text: 'I write.' }).call(1, 't1', 'Write').input(1, `{"file_path":"/w/a.ts","content":"${'x'.repeat(300)}`);
    await assertOrderFree(stream.entries, { runs: 20 });
    stream.whole('m1', { type: 'tool_use', id: 't1', name: 'Write', input: { file_path: '/w/a.ts', content: 'x' } });
    await assertOrderFree(stream.entries, { runs: 20 });
  });
});

describe('an answer that broke off and is asked for again', () => {
  const broken = (): Stream => new Stream().start('m1').text(0, 'Half an ans').call(1, 't1', 'Bash').input(1, '{"command":"make","description":"x');

  it('leaves no row, whether the agent says so, tells of the retry, or only begins anew', () => {
    const retry: JsonObject = { type: 'system', subtype: 'api_retry', attempt: 1, max_retries: 3, retry_delay_ms: 10, error_status: null };
    const ways: readonly ((stream: Stream) => Stream)[] = [
      (stream) => stream.event({ type: 'message_stop' }, { abandoned_blocks: { api_message_id: 'm1', from_block_index: 0 } }), (stream) => stream.line(retry), (stream) => stream.start('m2'),
    ];
    for (const way of ways) {
      const stream = broken();
      expect(stream.rows.map((row) => row.kind)).toEqual(['text', 'tool']);
      way(stream);
      expect(stream.rows).toEqual([]);
      stream.start('m3').text(0, 'The answer').whole('m3', { type: 'text', text: 'The answer' });
      expect(stream.rows.map((row) => row.key)).toEqual(['m:m3:0']);
    }
  });

  it('keeps what was whole, and gives one view in any order', async () => {
    const stream = new Stream().start('m1').text(0, 'Whole.').whole('m1', { type: 'text', text: 'Whole.' }).text(1, 'Half').start('m2').text(0, 'Again').whole('m2', { type: 'text', text: 'Again' });
    expect(stream.rows.map((row) => row.key)).toEqual(['m:m1:0', 'm:m2:0']);
    await assertOrderFree([...stream.entries, ...broken().start('m9').entries], { runs: 20 });
  });
});

describe('a subagent that goes on behind the turns', () => {
  const use = (id: string, name: string, input: JsonObject): JsonObject => ({ type: 'tool_use', id, name, input });
  const result = (id: string, content: string, more: JsonObject = {}): JsonObject => ({ type: 'user', message: { content: [{ type: 'tool_result', tool_use_id: id, content }] }, ...more });
  const launched = (): Stream => new Stream().start('m1').whole('m1', use('t1', 'Agent', { description: 'look', prompt: 'Look.' }))
    .line({ type: 'system', subtype: 'task_started', task_id: 'k', tool_use_id: 't1', description: 'look', task_type: 'local_agent', is_backgrounded: true })
    .line(result('t1', 'Async agent launched successfully. (internal)', { tool_use_result: { status: 'async_launched', agentId: 'a' } }))
    .line({ type: 'result', subtype: 'success', is_error: false, result: '' })
    .line({ type: 'assistant', parent_tool_use_id: 't1', message: { id: 's1', content: [use('t2', 'Bash', { command: 'ls' })] } });
  const seen = (stream: Stream): unknown[] => stream.tools.map((row) => [row.title, row.status, row.output, row.children.map((child) => [child.turn, child.kind === 'tool' ? child.status : child.kind])]);

  it('runs on in the turn that called it, and ends with its report', () => {
    const stream = launched();
    expect(seen(stream)).toEqual([['look', 'running', '', [['u1', 'running']]]]);
    expect(stream.reader.busyBehind).toBe(true);
    stream.line(result('t2', 'a.txt', { parent_tool_use_id: 't1' }));
    stream.line({ type: 'system', subtype: 'task_notification', task_id: 'k', tool_use_id: 't1', status: 'completed', summary: 'All seen.', summary_is_report: true, usage: { duration_ms: 7 } });
    expect(seen(stream)).toEqual([['look', 'ok', 'All seen.', [['u1', 'ok']]]]);
    expect(viewOf(stream.entries).filter((row) => row.kind === 'notice').map((row) => row.text)).toEqual(['Agent "look" finished']);
    expect(stream.reader.busyBehind).toBe(false);
  });

  it('asks where the person sees it, though its calls are folded into its row', () => {
    const stream = launched().line({ type: 'control_request', request_id: 'q1', request: { subtype: 'can_use_tool', tool_name: 'Bash', input: { command: 'ls' }, tool_use_id: 't2' } });
    const asked = (): unknown[] => stream.rows.flatMap((row) => (row.kind === 'permission' ? [[row.turn, row.command, row.outcome]] : []));
    expect(asked()).toEqual([['u1', 'ls', null]]);
    stream.reader.answered('q1', { outcome: 'allowed', reason: null, answers: {} } as never, 5_000);
    stream.entries.push(...stream.reader.flush());
    expect(asked()).toEqual([['u1', 'ls', 'allowed']]);
    expect(stream.tools[0]?.children.map((child) => child.kind)).toEqual(['tool']);
  });

  it('comes to nothing when the process ends', () => {
    expect(seen(launched().end())).toEqual([['look', 'cancelled', '', [['u1', 'cancelled']]]]);
  });

  it('that others wait for hands its report back without the frame around it', () => {
    const framed = '  <tools-used-before-summary>Bash</tools-used-before-summary>\n  \n[Subagent hand-back] The text below is the report. The report follows:\n  # Found\n\n    code\n  End.\nagentId: a (use SendMessage)\n<usage>tool_uses: 1</usage>';
    const stream = new Stream().start('m1').whole('m1', use('t1', 'Agent', { description: 'look', prompt: 'Look.' })).line(result('t1', framed));
    expect(stream.tools[0]?.output).toBe('# Found\n\n  code\nEnd.');
  });
});

describe('the scan of an input', () => {
  it('finds every field of any object, cut anywhere', () => {
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.nat(40)), fc.constantFrom(0, 2), (value, cuts, indent) => {
      const json = JSON.stringify(value, null, indent);
      const scan = new InputScan();
      let at = 0;
      for (const cut of cuts) {
        scan.feed(json.slice(at, at + cut));
        at += cut;
      }
      scan.feed(json.slice(at));
      expect(scan.fields).toEqual(JSON.parse(json) as JsonValue);
    }), { numRuns: 500 });
  });

  it('takes any text, passes over what is long, and stops where it is no JSON', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      new InputScan().feed(text);
    }), { numRuns: 500 });
    const scan = new InputScan();
    expect(scan.feed(`{"content":"${'x'.repeat(100_000)}","file_path":"/a","n":12`)).toBe(true);
    expect(scan.fields).toEqual({ file_path: '/a' });
    expect(scan.feed('}')).toBe(true);
    expect(scan.fields).toEqual({ file_path: '/a', n: 12 });
    const wrong = new InputScan();
    wrong.feed('{"a":1,,"b":2}');
    expect(wrong.fields).toEqual({ a: 1 });
  });
});
