import { describe, expect, it } from 'vitest';
import { createTranscript } from '../../../src/core/session/transcript.ts';
import { silentLogger } from '../../../src/core/transport/logger.ts';
import { ChatFinding } from '../../../src/extension/chat/finding.ts';
import type { HostMessage } from '../../../src/protocol/chat.ts';
import { HandClock } from '../session/hand-clock.ts';
import { MemoryStore } from '../session/memory-store.ts';
import { SESSION } from '../session/properties.ts';

async function world() {
  const transcript = await createTranscript({ store: new MemoryStore(), session: SESSION, log: silentLogger, clock: new HandClock() });
  const base = (id: string, order: number) => ({ id, row: id, order: [order], rev: 0, at: null, turn: null, parent: null });
  transcript.add([
    { ...base('p1', 1), kind: 'prompt', text: 'find me', attachments: [], clientId: null }, { ...base('h1', 2), kind: 'thinking', text: 'find' }, { ...base('a1', 3), kind: 'text', text: '**find** it' },
    { ...base('p2', 4), kind: 'prompt', text: 'again', attachments: [], clientId: null },
  ]);
  const posted: HostMessage[] = [];
  let thinking = true;
  const finding = new ChatFinding(transcript, () => thinking, (message) => posted.push(message));
  const until = async (fits: () => boolean): Promise<void> => {
    for (let wait = 0; wait < 500 && !fits(); wait += 1) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(fits()).toBe(true);
  };
  const last = () => posted.findLast((message) => message.type === 'find');
  return { finding, posted, until, last, hideThinking: () => (thinking = false) };
}
const query = (text: string) => ({ text, matchCase: false, wholeWord: false });

describe('finding for a page', () => {
  it('tells the counts and the matches of the search that runs, and of no other', async () => {
    const { finding, posted, until, last } = await world();
    await finding.answer({ ask: 'find', id: 1, query: query('find'), from: 3 });
    await until(() => last()?.searching === false);
    expect(last()).toEqual({ type: 'find', id: 1, total: 3, searching: false, position: 3, failed: false });
    await finding.answer({ ask: 'find-step', id: 1, step: -1 });
    await finding.answer({ ask: 'find-step', id: 7, step: -1 });
    expect(posted.filter((message) => message.type === 'found').map((message) => message.place.key)).toEqual(['a1', 'h1']);
    expect(last()?.position).toBe(2);
    await finding.answer({ ask: 'find', id: 2, query: query('again'), from: 0 });
    await until(() => last()?.id === 2 && last()?.searching === false);
    expect(posted.slice(posted.findIndex((message) => message.type === 'find' && message.id === 2)).some((message) => 'id' in message && message.id === 1)).toBe(false);
    await finding.answer({ ask: 'find-end' });
    const before = posted.length;
    await finding.answer({ ask: 'find-step', id: 2, step: 1 });
    expect(posted).toHaveLength(before);
  });

  it('has nothing to find where nothing is looked for, and no thoughts where they are hidden', async () => {
    const { finding, until, last, hideThinking } = await world();
    await finding.answer({ ask: 'find', id: 1, query: query('  '), from: 0 });
    expect(last()).toEqual({ type: 'find', id: 1, total: 0, searching: false, position: null, failed: false });
    hideThinking();
    await finding.answer({ ask: 'find', id: 2, query: query('find'), from: 0 });
    await until(() => last()?.searching === false && last()?.id === 2);
    expect(last()?.total).toBe(2);
    finding.dispose();
  });

  it('tells what was asked, newest first', async () => {
    const { finding } = await world();
    expect(await finding.answer({ ask: 'prompts', before: null })).toEqual({ kind: 'prompts', prompts: ['again', 'find me'], next: null });
    expect(await finding.answer({ ask: 'prompts', before: 'p2' })).toEqual({ kind: 'prompts', prompts: ['find me'], next: null });
    expect(await finding.answer({ ask: 'prompts', before: 'gone' })).toEqual({ kind: 'prompts', prompts: [], next: null });
  });

  it('tells where prompts and rows stand', async () => {
    const { finding } = await world();
    expect(await finding.answer({ ask: 'prompt', from: 3, step: -1 })).toEqual({ kind: 'place', index: 0, row: 'p1' });
    expect(await finding.answer({ ask: 'prompt', from: 3, step: 1 })).toEqual({ kind: 'place', index: 0, row: null });
    expect(await finding.answer({ ask: 'place', row: 'a1' })).toEqual({ kind: 'place', index: 2, row: 'a1' });
    expect(await finding.answer({ ask: 'place', row: 'gone' })).toEqual({ kind: 'place', index: 0, row: null });
    expect(await finding.answer({ ask: 'request-place', requestId: 'gone' })).toEqual({ kind: 'place', index: 0, row: null });
  });
});
