import type { FakeHost, FakeSession } from './fake.ts';
import type { Row } from '../src/types.ts';
import { running, state } from './make.ts';

/** A session of any length whose rows are made when they are asked for. */
export function longSession(total: number): FakeSession {
  const row = (index: number): Row => {
    const base = { key: `row${index}`, at: Date.UTC(2026, 0, 1) + index * 60_000, turn: `t${Math.floor(index / 8)}` };
    switch (index % 8) {
      case 0:
        return { ...base, kind: 'prompt', text: `Prompt ${index}: please look at the totals of module ${index % 97}.`, attachments: [], clientId: null };
      case 1:
      case 2:
        return tool(base, index, 'read');
      case 4:
        return tool(base, index, 'execute');
      case 7:
        return { ...base, kind: 'turn', state: 'completed', durationMs: 4_000 + index, figures: null, filesChanged: [], error: null };
      default:
        return { ...base, kind: 'text', text: `Row ${index}. ${'The totals are computed in `invoice.ts` and rounded **once**. '.repeat(1 + (index % 5))}`, streaming: false };
    }
  };
  return { row, total, state: state({ turns: Math.ceil(total / 8) }) };
}

function tool(base: { key: string; at: number; turn: string }, index: number, verb: 'read' | 'execute'): Row {
  return {
    ...base, kind: 'tool', name: verb, verb, title: `src/file${index}.ts`, status: 'ok', input: {}, command: verb === 'execute' ? `npm test -- ${index}` : null, cwd: null, locations: verb === 'read' ? [{ path: `src/file${index}.ts`, line: null }] : [], diffs: [],
    output: verb === 'execute' ? `line ${index}\nTests ${index} passed\n` : '', outputOmitted: 0, exitCode: verb === 'execute' ? 0 : null, durationMs: 900, attachments: [], children: [],
  };
}

const WORDS = 'The ledger keeps cents as integers so every sum is exact and the only rounding happens at the edge where a price enters or leaves the system'.split(' ');

/** Markdown as agents write it: paragraphs, lists, tables and code, about `size` characters. */
function answer(size: number): string {
  const parts: string[] = [];
  let length = 0;
  for (let place = 0; length < size; place += 1) {
    const words = Array.from({ length: 40 }, (_, word) => WORDS[(place * 7 + word * 3) % WORDS.length] ?? '').join(' ');
    const kinds = [`${words}, see \`src/module${place}.ts\` and **bold** words.\n\n`, `- ${words.slice(0, 80)}\n- ${words.slice(80, 160)}\n  - nested ${place}\n\n`, `\`\`\`ts\n${Array.from({ length: 12 }, (_, line) => `const value${line} = compute(${place}, '${words.slice(line, line + 20)}');`).join('\n')}\n\`\`\`\n\n`, `## Heading ${place}\n\n`, `| a | b |\n|---|---|\n| ${place} | ${words.slice(0, 20)} |\n\n`];
    const part = kinds[place % kinds.length] ?? '';
    parts.push(part);
    length += part.length;
  }
  return parts.join('');
}

/** Streams text into one answer, a piece a frame; the frames are stepped from outside, where the thread's own time is read. */
export class StreamRun {
  readonly wall: number[] = [];
  readonly gaps: number[] = [];
  private readonly host: FakeHost;
  private readonly source: string;
  private readonly perFrame: number;
  private readonly at: number;
  private readonly key: string;
  private sent: number;
  private last = 0;

  constructor(host: FakeHost, size: number, perFrame: number, frames: number, kind: 'markdown' | 'fence' | 'list') {
    const length = size + perFrame * frames;
    this.host = host;
    this.perFrame = perFrame;
    this.source = kind === 'markdown' ? answer(length) : kind === 'fence' ? `\`\`\`ts\n${'const value = compute(other, value); // and so on\n'.repeat(Math.ceil(length / 49))}` : '- an item of one long loose list that goes on\n\n'.repeat(Math.ceil(length / 47));
    this.at = host.count;
    this.key = `stream${this.at}`;
    this.sent = size;
    host.setState({ ...running('answering') });
    host.patch({ op: 'splice', at: this.at, remove: 0, rows: [{ kind: 'text', key: this.key, at: Date.now(), turn: 't', text: this.source.slice(0, size), streaming: true }] });
  }

  /** One message and the frame that shows it, up to the end of the frame's paint. */
  async step(): Promise<void> {
    const { at, key, sent } = this;
    const started = performance.now();
    this.host.patch({ op: 'append', at, key, field: 'text', from: sent, text: this.source.slice(sent, sent + this.perFrame) });
    this.sent += this.perFrame;
    const time = await frame();
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.wall.push(performance.now() - started);
    if (this.last > 0) this.gaps.push(time - this.last);
    this.last = time;
  }

  /** Steps by itself, at the page's own pace. */
  async run(frames: number): Promise<{ gapP95: number; gapMax: number; nodes: number; shown: number }> {
    for (let each = 0; each < frames; each += 1) await this.step();
    return { gapP95: quantile(this.gaps, 0.95), gapMax: Math.max(...this.gaps), nodes: document.querySelectorAll('*').length, shown: document.querySelector('.log')?.textContent.length ?? 0 };
  }
}

function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) * 100) / 100;
}

/** Milliseconds from a snapshot's arrival to its rows laid out, and to the frame after it. */
export async function measureOpen(host: FakeHost): Promise<{ laidOut: number; painted: number; nodes: number }> {
  const started = performance.now();
  host.snapshot();
  void document.querySelector<HTMLElement>('.log')?.scrollHeight;
  const laidOut = performance.now() - started;
  await frame();
  await new Promise((resolve) => setTimeout(resolve, 0));
  return { laidOut, painted: performance.now() - started, nodes: document.querySelectorAll('*').length };
}

function frame(): Promise<number> {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}
