import fc from 'fast-check';
import type { Attachment, DeltaEntry, Entry, NoticeEntry, Order, ResultEntry, ToolEntry } from '../../../src/core/model/entry.ts';

/** What happens in a generated session, from which its entries follow. Small values shrink to small sessions. */
type Step =
  | { readonly do: 'prompt'; readonly text: string; readonly echo: number | null }
  | { readonly do: 'text' | 'thinking'; readonly pieces: readonly string[]; readonly missing: number; readonly whole: boolean | 'void'; readonly drift: boolean }
  | { readonly do: 'tool'; readonly begins: boolean; readonly broke: boolean; readonly input: readonly string[]; readonly output: readonly string[]; readonly replaced: boolean; readonly versions: number; readonly result: number; readonly call: boolean; readonly ask: 'none' | 'own' | 'shared'; readonly answered: boolean }
  | { readonly do: 'agent'; readonly steps: readonly Step[]; readonly parent: 'here' | 'missing' | 'ring'; readonly result: boolean }
  | { readonly do: 'question'; readonly answers: number }
  | { readonly do: 'todo'; readonly versions: readonly string[] }
  | { readonly do: 'moving'; readonly versions: readonly Version[] }
  | { readonly do: 'usage'; readonly versions: number }
  | { readonly do: 'file' | 'unknown' | 'orphan-answer' | 'turn' }
  | { readonly do: 'notice'; readonly text: string };

/** A version of an entry that may stand elsewhere than the one before: at another order, within another row. */
interface Version {
  readonly shift: number;
  /** Which of the rows that hold others so far it names as its parent; null for the place where the step stands. */
  readonly within: number | null;
  /** False for one with the same `rev` as the version before: then its content decides. */
  readonly counted: boolean;
}

/** How far the clock moves before a step; negative where the system's order goes against the order of things. */
interface Timed {
  readonly step: Step;
  readonly wait: number;
}

const words = fc.constantFrom('', 'a', 'Hello', ' world', '\n', '```ts\n', '😀', '\ud83d', '\ude00', 'the quick brown fox jumps', '# ', '<script>', '\u0000');
/** Now and then a text that a row does not carry whole. */
const long = fc.constantFrom('a long line of output\n'.repeat(450), '😀'.repeat(3_000));
const pieces = fc.array(fc.oneof({ weight: 80, arbitrary: words }, { weight: 1, arbitrary: long }), { minLength: 1, maxLength: 6 });
const shift = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.integer({ min: -6, max: 6 }) }, { weight: 1, arbitrary: fc.integer({ min: -60, max: 60 }) });
const version: fc.Arbitrary<Version> = fc.record({ shift, within: fc.option(fc.nat(7), { freq: 2 }), counted: fc.boolean() });

const leaf: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('prompt' as const), text: words, echo: fc.option(shift, { freq: 1 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('text' as const, 'thinking' as const), pieces, missing: fc.integer({ min: -1, max: 5 }), whole: fc.constantFrom(false, true, true, 'void' as const), drift: fc.boolean() }) },
  {
    weight: 5, arbitrary: fc.record({
      do: fc.constant('tool' as const), begins: fc.boolean(), broke: fc.boolean(), input: fc.oneof(fc.constant([]), pieces), output: fc.oneof(fc.constant([]), pieces), replaced: fc.boolean(),
      versions: fc.integer({ min: 1, max: 3 }), result: fc.integer({ min: 0, max: 2 }), call: fc.boolean(), ask: fc.constantFrom('none', 'own', 'shared'), answered: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('question' as const), answers: fc.integer({ min: 0, max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('todo' as const), versions: fc.array(words, { minLength: 1, maxLength: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('moving' as const), versions: fc.array(version, { minLength: 1, maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('usage' as const), versions: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('file' as const, 'unknown' as const, 'orphan-answer' as const, 'turn' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('notice' as const), text: words }) },
);
const agent = (inner: fc.Arbitrary<Step>): fc.Arbitrary<Step> => fc.record({
  do: fc.constant('agent' as const), steps: fc.array(inner, { maxLength: 4 }), parent: fc.oneof({ weight: 8, arbitrary: fc.constant('here' as const) }, { weight: 1, arbitrary: fc.constantFrom('missing' as const, 'ring' as const) }), result: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof({ weight: 6, arbitrary: leaf }, { weight: 1, arbitrary: agent(fc.oneof({ weight: 6, arbitrary: leaf }, { weight: 1, arbitrary: agent(leaf) })) });
const wait = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 3 }) }, { weight: 1, arbitrary: fc.integer({ min: -30, max: -1 }) });

const timed = fc.record({ step, wait });

/** Entries of a realistic session, in the order in which an agent would give them: most are short, some many times as long as the memory that they are given. */
export const sessions: fc.Arbitrary<Entry[]> = fc
  .oneof(
    { weight: 3, arbitrary: fc.array(timed, { minLength: 1, maxLength: 14, size: 'max' }) },
    { weight: 1, arbitrary: fc.array(timed, { minLength: 1, maxLength: 60, size: 'max' }) },
  )
  .map((steps) => new Writer().session(steps));

const attachment: Attachment = { name: 'shot.png', mediaType: 'image/png', size: 4, data: 'AAAA', path: null };
const diff = { path: 'src/a.ts', change: 'modify', oldPath: null, patch: '@@ -1 +1 @@\n-a\n+b', added: 1, removed: 1, before: null, after: null } as const;

class Writer {
  private readonly entries: Entry[] = [];
  private time = 100;
  private count = 0;
  private turn: string | null = null;
  private parent: string | null = null;
  /** Rows that hold others. */
  private readonly holders: string[] = [];

  session(steps: readonly Timed[]): Entry[] {
    for (const { step, wait } of steps) {
      this.time += wait;
      this.step(step);
    }
    return this.entries;
  }

  private name(word: string): string {
    this.count += 1;
    return `${word}${this.count}`;
  }

  private base(row: string | null, later = 0): { row: string | null; order: Order; rev: number; at: number | null; turn: string | null; parent: string | null } {
    return { row, order: [this.time + later, this.count % 3], rev: 0, at: this.count % 5 === 0 ? null : 1_700_000_000_000 + (this.time + later) * 10, turn: this.turn, parent: this.parent };
  }

  private step(step: Step): void {
    switch (step.do) {
      case 'prompt': return this.prompt(step.text, step.echo);
      case 'text':
      case 'thinking': return this.block(step.do, step);
      case 'tool': return this.tool(step);
      case 'agent': return this.agent(step);
      case 'question': return this.question(step.answers);
      case 'todo': {
        const row = this.name('todo');
        step.versions.forEach((text, rev) => this.entries.push({ ...this.base(row), kind: 'todo', id: row, rev, items: [{ text, status: 'running' }] }));
        return;
      }
      case 'moving': return this.moving(step.versions);
      case 'usage': {
        const id = this.name('usage');
        for (let rev = 0; rev < step.versions; rev += 1) {
          const figures = { inputTokens: this.count, outputTokens: rev, cachedTokens: null, costUsd: 0.5, contextTokens: null, contextWindow: 200_000 };
          this.entries.push({ ...this.base(null), kind: 'usage', id, rev, scope: 'turn', figures });
        }
        return;
      }
      case 'file': {
        const row = this.name('file');
        this.entries.push({ ...this.base(row), kind: 'file', id: row, file: attachment });
        return;
      }
      case 'unknown': {
        const row = this.name('odd');
        this.entries.push({ ...this.base(row), kind: 'unknown', id: row, source: 'wire', raw: { type: 'what_is_this', nested: [this.count, null] } });
        return;
      }
      case 'orphan-answer': {
        const row = this.name('ask');
        this.entries.push({ ...this.base(row), kind: 'answer', id: `${row}/answer`, requestId: row, outcome: 'denied', by: 'person', reason: null, answers: {} });
        return;
      }
      case 'turn': return this.endTurn();
      case 'notice': {
        const row = this.name('note');
        this.entries.push({ ...this.base(row), kind: 'notice', id: row, level: 'warning', code: 'retrying', text: step.text, remedy: null });
      }
    }
  }

  private moving(versions: readonly Version[]): void {
    const row = this.name('note');
    let rev = 0;
    versions.forEach(({ shift: by, within, counted }, index) => {
      if (counted) rev += 1;
      const parent = within === null || this.holders.length === 0 ? this.parent : (this.holders[within % this.holders.length] ?? null);
      const notice: NoticeEntry = { ...this.base(row, by), kind: 'notice', id: row, rev, parent, level: 'info', code: 'compacted', text: `version ${index}`, remedy: null };
      this.entries.push(notice);
    });
  }

  private prompt(text: string, echo: number | null): void {
    const row = this.name('prompt');
    this.turn = `turn${this.count}`;
    const prompt = { ...this.base(row), kind: 'prompt' as const, id: row, text, attachments: [], clientId: null };
    // What we show at once has a place of its own until the system says where the prompt stands.
    if (echo !== null) this.entries.push({ ...prompt, order: this.base(row, echo).order, clientId: 'c0ffee', at: null });
    this.entries.push({ ...prompt, rev: 1, attachments: [attachment], clientId: echo === null ? null : 'c0ffee' });
    this.entries.push({ ...this.base(null), kind: 'turn', id: `${this.turn}/start`, turn: this.turn, phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [], error: null });
  }

  private endTurn(): void {
    const turn = this.turn ?? this.name('turn');
    this.entries.push({ ...this.base(`${turn}/end`), kind: 'turn', id: `${turn}/end`, turn, phase: 'end', state: 'completed', durationMs: 12, figures: null, filesChanged: ['a.ts'], error: null });
  }

  private deltas(row: string, channel: DeltaEntry['channel'], texts: readonly string[], drift: boolean, missing = -1): void {
    texts.forEach((text, part) => {
      if (part === missing) return;
      this.entries.push({ ...this.base(row, drift ? part : 0), row, kind: 'delta', id: `${row}/${channel}/${part}`, channel, part, text });
    });
  }

  private block(kind: 'text' | 'thinking', step: Extract<Step, { do: 'text' | 'thinking' }>): void {
    const row = this.name(kind);
    this.deltas(row, kind, step.pieces, step.drift, step.missing);
    if (step.whole) this.entries.push({ ...this.base(row, step.drift ? step.pieces.length : 0), kind, id: row, rev: 1, text: step.whole === 'void' ? '' : step.pieces.join('') });
  }

  private tool(step: Extract<Step, { do: 'tool' }>): void {
    const row = this.name('tool');
    if (step.begins) this.call(row, 0, 'execute', 'streaming');
    this.deltas(row, 'input', step.input, false);
    if (step.begins && step.broke) this.call(row, 0.5, 'execute', 'void');
    for (let rev = 1; step.call && rev <= step.versions; rev += 1) this.call(row, rev, 'execute');
    if (step.ask !== 'none') this.permission(step.ask === 'own' ? this.name('ask') : row, row, step.answered);
    this.deltas(row, 'output', step.output, false);
    if (step.replaced) {
      step.output.forEach((_, part) => {
        this.entries.push({ ...this.base(row), row, kind: 'delta', id: `${row}/output/${part}`, rev: 1, channel: 'output', part, text: part === 0 ? `again: ${step.output.join('')}` : '' });
      });
    }
    for (let rev = 1; rev <= step.result; rev += 1) this.result(row, rev, step.output.join(''));
  }

  private call(row: string, rev: number, verb: ToolEntry['verb'], stage?: ToolEntry['stage']): void {
    this.entries.push({
      ...this.base(row), kind: 'tool', id: row, rev, callId: row, name: 'Bash', verb, title: `ls ${rev}`, input: stage === undefined ? { command: 'ls', rev } : null, command: 'ls', cwd: '/w',
      locations: [{ path: '/w/a.ts', line: 3 }], diffs: [diff], ...(stage === undefined ? {} : { stage }),
    });
  }

  private result(row: string, rev: number, output: string): void {
    const result: ResultEntry = {
      ...this.base(row, 1), row, kind: 'result', id: `${row}/result`, rev, callId: row, status: rev === 1 ? 'ok' : 'error', output, exitCode: rev, durationMs: 5, diffs: [], attachments: [],
    };
    this.entries.push(result);
  }

  private permission(row: string, callId: string, answered: boolean): void {
    this.entries.push({
      ...this.base(row), kind: 'permission', id: `${row}/ask`, requestId: row, callId, ask: 'tool', tool: 'Bash', title: 'ls', reason: null, input: null, command: 'ls', cwd: null, diffs: [],
      plan: null, questions: [], options: [{ id: 'y', label: 'Yes', scope: 'once' }], takesReason: true,
    });
    if (answered) this.answer(row, 0);
  }

  private answer(row: string, index: number): void {
    this.entries.push({
      ...this.base(row, 1 + index), kind: 'answer', id: `${row}/answer/${index}`, requestId: row, outcome: index === 0 ? 'allowed' : 'lost', by: 'person', reason: null, answers: { q: ['x'] },
    });
  }

  private question(answers: number): void {
    const row = this.name('ask');
    this.entries.push({
      ...this.base(row), kind: 'permission', id: `${row}/ask`, requestId: row, callId: null, ask: 'question', tool: 'AskUserQuestion', title: 'Which?', reason: 'to know', input: {}, command: null,
      cwd: null, diffs: [], plan: null, options: [], takesReason: false,
      questions: [{ id: 'q', header: null, text: 'Which?', multiple: false, free: true, options: [{ label: 'x', description: null }] }],
    });
    for (let index = 0; index < answers; index += 1) this.answer(row, index);
  }

  private agent(step: Extract<Step, { do: 'agent' }>): void {
    const row = this.name('agent');
    this.holders.push(row);
    const outer = this.parent;
    // A ring: the agent's row names one of its own as its parent, as no honest system would.
    if (step.parent === 'ring' && step.steps.length > 0) this.parent = this.upcoming(step.steps[0]) ?? outer;
    if (step.parent !== 'missing') this.call(row, 1, 'agent');
    this.parent = row;
    for (const inner of step.steps) {
      this.time += 1;
      this.step(inner);
    }
    this.parent = outer;
    if (step.result && step.parent === 'here') this.result(row, 1, 'done');
  }

  /** The key of the row that a step will make first. */
  private upcoming(step: Step | undefined): string | null {
    return step?.do === 'tool' || step?.do === 'text' || step?.do === 'thinking' || step?.do === 'agent' ? `${step.do}${this.count + 1}` : null;
  }
}
