import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../../src/core/model/json.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { subagentOf } from '../../../src/core/systems/happy/normalise/place.ts';

/** What happens in a generated session of Happy; its messages and versions of the agent's state follow from it. */
type Step =
  | { readonly do: 'prompt'; readonly text: string; readonly display: boolean }
  | { readonly do: 'queue'; readonly texts: readonly string[]; readonly other: boolean; readonly echo: 'joined' | 'none' | 'partial' }
  | { readonly do: 'turn'; readonly parts: readonly Part[]; readonly end: 'completed' | 'failed' | 'cancelled' | 'missing' | 'twice' | 'late'; readonly start: boolean; readonly reuse: boolean }
  | { readonly do: 'terminal'; readonly text: string }
  | { readonly do: 'event' | 'file' | 'odd' | 'unreadable' | 'notification' | 'output' | 'acp' };
type Part =
  | { readonly part: 'text' | 'thinking'; readonly text: string; readonly usage: boolean }
  | { readonly part: 'tool'; readonly name: string; readonly end: 'yes' | 'no' | 'after'; readonly ask: 'none' | 'allowed' | 'denied' | 'canceled' | 'open' | 'gone' }
  | { readonly part: 'agent'; readonly claude: boolean; readonly hidden: boolean; readonly inner: readonly string[] };

const lines = fc.constantFrom('go on', 'stop', 'a', 'b', 'a b', '/clear', 'run the tests');
const words = fc.oneof(lines, fc.array(lines, { minLength: 2, maxLength: 3 }).map((list) => list.join('\n')));
const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ part: fc.constantFrom('text' as const, 'thinking' as const), text: fc.constantFrom('Hello.', '', 'Claude AI usage limit reached|1795193000', '# Done'), usage: fc.boolean() }) },
  {
    weight: 4, arbitrary: fc.record({
      part: fc.constant('tool' as const), name: fc.constantFrom('Bash', 'Write', 'ExitPlanMode', 'TodoWrite', 'CodexBash', 'CodexPatch'), end: fc.constantFrom('yes', 'yes', 'no', 'after'),
      ask: fc.constantFrom('none', 'none', 'allowed', 'denied', 'canceled', 'open', 'gone'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ part: fc.constant('agent' as const), claude: fc.boolean(), hidden: fc.boolean(), inner: fc.array(lines, { maxLength: 3 }) }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('prompt' as const), text: words, display: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('queue' as const), texts: fc.array(words, { minLength: 2, maxLength: 3 }), other: fc.boolean(), echo: fc.constantFrom('joined', 'joined', 'none', 'partial') }) },
  {
    weight: 5, arbitrary: fc.record({
      do: fc.constant('turn' as const), parts: fc.array(part, { minLength: 1, maxLength: 4 }), end: fc.constantFrom('completed', 'completed', 'failed', 'cancelled', 'missing', 'twice', 'late'),
      start: fc.boolean(), reuse: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('terminal' as const), text: words }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('event' as const, 'file' as const, 'odd' as const, 'unreadable' as const, 'notification' as const, 'output' as const, 'acp' as const) }) },
);

export interface GeneratedSession {
  readonly messages: readonly MessageInput[];
  /** Versions of the agent's state, the last one last. */
  readonly states: readonly JsonObject[];
}

/** Sessions as Happy's command lines leave them on the server: with missing and doubled turn ends, joined queues, an outbox that lands out of order. */
export const happySessions: fc.Arbitrary<GeneratedSession> = fc.record({ steps: fc.array(step, { minLength: 1, maxLength: 9 }), outbox: fc.boolean() }).map(({ steps, outbox }) => new Writer().session(steps, outbox));

const usage = (count: number): JsonObject => ({ input_tokens: count, cache_read_input_tokens: 100, output_tokens: 1, context_window: 200_000 });
const inputs: Readonly<Record<string, JsonObject>> = {
  Bash: { command: 'ls -la', description: 'List' }, Write: { file_path: '/w/a.ts', content: 'one\ntwo\n' }, ExitPlanMode: { plan: '# Plan\n1. A\n' },
  TodoWrite: { todos: [{ content: 'First', status: 'in_progress' }] }, CodexBash: { command: ['bash', '-lc', 'ls'], cwd: '/w' },
  CodexPatch: { changes: { '/w/b.ts': { update: { unified_diff: '@@ -1 +1 @@\n-a\n+b\n', move_path: null } } } },
};

class Writer {
  private readonly messages: { content: JsonValue | undefined; localId: string | null; at: number; cli: boolean }[] = [];
  private readonly states: JsonObject[] = [];
  private requests: Record<string, JsonValue> = {};
  private completed: Record<string, JsonValue> = {};
  private time = 1_800_000_000_000;
  private count = 0;
  private turn = 'turn0';

  session(steps: readonly Step[], outbox: boolean): GeneratedSession {
    for (const one of steps) this.step(one);
    const messages = this.messages.map(({ content, localId, at }, index) => ({ id: `msg${index}`, seq: index + 1, localId, createdAt: at, content }));
    return { messages: outbox ? this.landed(messages) : messages, states: this.states };
  }

  /** The machine was offline: what its command line said arrives at the end, the last ones first. */
  private landed(messages: readonly MessageInput[]): MessageInput[] {
    const cut = Math.floor(messages.length / 2);
    const late = messages.filter((_, index) => index >= cut && this.messages[index]?.cli === true);
    const rest = messages.filter((one) => !late.includes(one));
    const half = Math.floor(late.length / 2);
    return [...rest, ...late.slice(half), ...late.slice(0, half)].map((message, index) => ({ ...message, seq: index + 1, createdAt: late.includes(message) ? this.time + 5000 + index : message.createdAt }));
  }

  private name(word: string): string {
    this.count += 1;
    return `${word}${this.count}`;
  }
  private push(content: JsonValue | undefined, localId: string | null = null): void {
    this.time += 1 + (this.count % 3) * 10;
    this.messages.push({ content, localId, at: this.time, cli: localId === null });
  }
  private envelope(role: 'agent' | 'user', ev: JsonObject, more: JsonObject = {}): void {
    this.push({ role: 'session', content: { id: this.name('env'), time: this.time, role, ev, ...more }, meta: { sentFrom: 'cli' } });
  }
  private state(): void {
    this.states.push({ controlledByUser: false, requests: { ...this.requests }, completedRequests: { ...this.completed } });
  }
  private prompt(text: string, meta: JsonObject = {}): void {
    this.push({ role: 'user', content: { type: 'text', text }, meta: { sentFrom: 'pilothouse', ...meta } }, this.name('local'));
  }

  private step(one: Step): void {
    switch (one.do) {
      case 'prompt': return this.prompt(one.text, one.display ? { displayText: `shown: ${one.text}` } : {});
      case 'queue': {
        one.texts.forEach((text, index) => {
          this.prompt(text);
          if (one.other && index === 0) this.prompt('something of another mode', { model: 'haiku' });
        });
        if (one.echo !== 'none') this.envelope('user', { t: 'text', text: (one.echo === 'partial' ? [...one.texts, 'never sent'] : one.texts).join('\n') });
        return;
      }
      case 'turn': return this.agentTurn(one);
      case 'terminal': return this.envelope('user', { t: 'text', text: one.text });
      case 'event': return this.push({ role: 'agent', content: { id: this.name('event'), type: 'event', data: { type: 'message', message: this.count % 2 === 0 ? 'Aborted by user' : 'Codex error: no' } } });
      case 'file': return this.push({ role: 'session', content: { type: 'session', data: { id: this.name('env'), time: this.time, role: 'user', ev: { t: 'file', ref: this.name('ref'), name: 'dot.png', size: 70, mimeType: 'image/png' } } } });
      case 'odd': return this.envelope('agent', { t: 'hologram', beams: [this.count] }, { turn: this.turn });
      case 'unreadable': return this.push(this.count % 2 === 0 ? undefined : null);
      case 'notification':
        return this.envelope('user', { t: 'text', text: `<task-notification><task-id>t</task-id><tool-use-id>call${this.count}</tool-use-id><status>completed</status><summary>Done</summary><result>All of it.</result></task-notification>` });
      case 'output':
        this.push({ role: 'agent', content: { type: 'output', data: { type: 'user', uuid: this.name('uuid'), message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: `call${this.count - 2}`, content: [{ type: 'text', text: 'out' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }] }] } } } });
        return this.push({ role: 'agent', content: { type: 'output', data: { type: 'assistant', uuid: this.name('uuid'), message: { role: 'assistant', content: [{ type: 'text', text: 'Hi' }, { type: 'server_thing', id: 'x' }, { type: 'tool_use', id: this.name('call'), name: 'Read', input: { file_path: '/w/c.ts' } }], usage: usage(this.count) } } } });
      case 'acp':
      default: {
        const id = this.name('call');
        this.push({ role: 'agent', content: { type: 'acp', provider: 'somebody', data: { type: 'tool-call', callId: id, name: 'read_file', input: {}, id } } });
        return this.push({ role: 'agent', content: { type: 'acp', provider: 'somebody', data: { type: 'tool-result', callId: id, output: { exit_code: 1, content: 'no such file' }, id } } });
      }
    }
  }

  private agentTurn(one: Extract<Step, { do: 'turn' }>): void {
    if (!one.reuse) this.turn = this.name('turn');
    const { turn } = this;
    if (one.start) this.envelope('agent', { t: 'turn-start' }, { turn });
    const after: JsonObject[] = [];
    for (const piece of one.parts) this.piece(piece, turn, after);
    if (one.end === 'late') this.envelope('agent', { t: 'text', text: 'before' }, { turn });
    const status = one.end === 'failed' || one.end === 'cancelled' ? one.end : 'completed';
    if (one.end !== 'missing') this.envelope('agent', { t: 'turn-end', status: one.end === 'twice' ? 'cancelled' : status }, { turn });
    if (one.end === 'twice') this.envelope('agent', { t: 'turn-end', status: 'completed' }, { turn });
    for (const ev of after) this.envelope('agent', ev, { turn: `${turn}-left` });
    if (one.end === 'late') this.envelope('agent', { t: 'text', text: 'after the end' }, { turn: `${turn}-left` });
  }

  private piece(piece: Part, turn: string, after: JsonObject[]): void {
    if (piece.part !== 'agent' && piece.part !== 'tool') {
      this.envelope('agent', { t: 'text', text: piece.text, ...(piece.part === 'thinking' ? { thinking: true } : {}) }, { turn, ...(piece.usage ? { usage: usage(this.count) } : {}) });
      return;
    }
    const call = this.name('call');
    if (piece.part === 'agent') {
      const subagent = piece.claude ? subagentOf(call) : this.name('cuid');
      const start = (): void => this.envelope('agent', { t: 'tool-call-start', call, name: piece.claude ? 'Agent' : 'CodexSubagent', title: 'Look', description: 'Look', args: { prompt: 'Look', sessionSubagent: subagent } }, { turn });
      if (!piece.hidden && piece.claude) start();
      this.envelope('agent', { t: 'start', title: 'Look' }, { turn, subagent });
      for (const text of piece.inner) this.envelope('agent', { t: 'text', text }, { turn, subagent });
      // The call may come after what happened within it.
      if (!piece.hidden && !piece.claude) start();
      this.envelope('agent', { t: 'stop' }, { turn, subagent });
      if (!piece.hidden) this.envelope('agent', { t: 'tool-call-end', call }, { turn });
      return;
    }
    const input = inputs[piece.name] ?? {};
    const request = { tool: piece.name, arguments: piece.name === 'ExitPlanMode' ? {} : input, createdAt: this.time + 1 };
    if (piece.ask !== 'none') {
      this.requests[call] = request;
      this.state();
    }
    this.envelope('agent', { t: 'tool-call-start', call, name: piece.name, title: `${piece.name} call`, description: '', args: input }, { turn });
    if (piece.ask !== 'none' && piece.ask !== 'open') {
      delete this.requests[call];
      if (piece.ask !== 'gone') this.completed[call] = { ...request, completedAt: this.time + 2, status: piece.ask === 'allowed' ? 'approved' : piece.ask };
      this.state();
    }
    if (piece.end === 'yes') this.envelope('agent', { t: 'tool-call-end', call }, { turn });
    if (piece.end === 'after') after.push({ t: 'tool-call-end', call });
  }
}
