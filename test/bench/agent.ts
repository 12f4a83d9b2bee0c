/**
 * An ACP agent that writes as fast as its pipe takes it, for the bench: `node test/bench/agent.ts <file of times> <folder>`. Its prompts: `flood` (50,000 pieces, 1 MB) and `steady` (5,000 pieces of
 * 4 characters a second, 200 KB). It lists one session that `session/load` replays with 10,000 updates, and those that the bench has stored. When it began and ended writing stands in the file of times.
 * Its writes block until the pipe has taken them: nothing is held back in this process when the last one has returned.
 */
import { appendFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { longMarkdown } from '../loopback/markdown.ts';
import { FLOOD, REPLAYED, REPLAY_EVENTS, STEADY, STORED, type WriteTimes } from './agentFacts.ts';

const [timesFile, folder] = process.argv.slice(2);
if (timesFile === undefined || folder === undefined) throw new Error('usage: agent.ts <file of times> <folder>');
const now = (): number => performance.timeOrigin + performance.now();
let made = 0;

function send(message: object): void {
  const line = Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  for (let at = 0; at < line.length;) at += writeSync(1, line, at);
}

function update(sessionId: string, content: object): void {
  send({ method: 'session/update', params: { sessionId, update: content } });
}

function say(sessionId: string, text: string): void {
  update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
}

function note(what: WriteTimes['what'], times: Pick<WriteTimes, 'asked' | 'first' | 'last'>): void {
  appendFileSync(timesFile ?? '', `${JSON.stringify({ what, ...times } satisfies WriteTimes)}\n`);
}

function flood(sessionId: string): void {
  const text = `${longMarkdown(FLOOD.chars - FLOOD.end.length)}${FLOOD.end}`;
  const asked = now();
  for (let at = 0; at < text.length; at += FLOOD.piece) say(sessionId, text.slice(at, at + FLOOD.piece));
  note('flood', { asked, first: asked, last: now() });
}

async function steady(sessionId: string): Promise<void> {
  const text = `${longMarkdown(STEADY.chars - STEADY.end.length)}${STEADY.end}`;
  const asked = now();
  for (let at = 0; at < text.length;) {
    await new Promise((resolve) => setTimeout(resolve, 4));
    const due = Math.min(text.length, Math.floor(((now() - asked) / 1_000) * STEADY.piecesPerSecond) * STEADY.piece);
    for (; at < due; at += STEADY.piece) say(sessionId, text.slice(at, at + STEADY.piece));
  }
  note('steady', { asked, first: asked, last: now() });
}

/** Turns of ten updates each: a prompt, a thought, three calls with their ends, an answer in two pieces. */
function replay(sessionId: string): void {
  const asked = now();
  const text = (sessionUpdate: string, words: string): void => update(sessionId, { sessionUpdate, content: { type: 'text', text: words } });
  for (let turn = 0; turn < REPLAY_EVENTS / 10; turn += 1) {
    text('user_message_chunk', `Step ${turn}: move the totals of invoice ${turn * 7} to the ledger.`);
    text('agent_thought_chunk', 'The rounding happens per line in one place and per sum in the other.');
    for (let call = 0; call < 3; call += 1) {
      const toolCallId = `call-${turn}-${call}`;
      update(sessionId, { sessionUpdate: 'tool_call', toolCallId, title: `npm test -- part${call}`, kind: 'execute', status: 'pending', rawInput: { command: `npm test -- part${call}` } });
      update(sessionId, { sessionUpdate: 'tool_call_update', toolCallId, status: 'completed', content: [{ type: 'content', content: { type: 'text', text: ' ✓ test/invoice.test.ts (3 tests) 4ms\n'.repeat(10) } }] });
    }
    text('agent_message_chunk', `The totals of step ${turn} are computed in one place now. `);
    text('agent_message_chunk', turn === REPLAY_EVENTS / 10 - 1 ? REPLAYED.end : 'All tests pass.');
  }
  note('replay', { asked, first: asked, last: now() });
}

async function answer(method: string, params: { readonly sessionId?: string; readonly prompt?: readonly { readonly text?: string }[] }): Promise<object> {
  const sessionId = params.sessionId ?? '';
  switch (method) {
    case 'initialize':
      return { protocolVersion: 1, agentInfo: { name: 'bench', version: '1' }, agentCapabilities: { loadSession: true, sessionCapabilities: { list: {} } }, authMethods: [] };
    case 'session/new':
      made += 1;
      return { sessionId: `made-${process.pid}-${made}` };
    case 'session/list':
      return { sessions: [REPLAYED, ...STORED].map(({ id, title }) => ({ sessionId: id, cwd: folder, title, updatedAt: new Date().toISOString() })) };
    case 'session/load':
      if (sessionId === REPLAYED.id) replay(sessionId);
      return {};
    case 'session/prompt': {
      const words = params.prompt?.map((block) => block.text ?? '').join('') ?? '';
      if (words.startsWith('flood')) flood(sessionId);
      else if (words.startsWith('steady')) await steady(sessionId);
      else say(sessionId, 'Say flood or steady.');
      return { stopReason: 'end_turn' };
    }
    default:
      throw new Error(`${method} is not known`);
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line) as { readonly id?: number; readonly method?: string; readonly params?: Parameters<typeof answer>[1] };
  if (method === undefined || id === undefined) return;
  answer(method, params ?? {}).then((result) => send({ id, result }), (error: unknown) => send({ id, error: { code: -32_601, message: String(error) } }));
}).on('close', () => process.exit(0));
