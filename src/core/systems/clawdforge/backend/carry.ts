import type { CallOptions } from '../../../model/backend.ts';
import type { Entry } from '../../../model/entry.ts';
import { compareOrder } from '../../../model/entry.ts';
import type { ForgeDesk } from './desk.ts';
import type { ForgeRecord } from './records.ts';

/** Characters of a transcript that go along with a prompt: some 15,000 tokens. */
const MOST = 60_000;

/**
 * What was said in a session, for the fresh one that goes on for it: its newest end, as far as `MOST` reaches. Empty where nothing was. A server's session knows nothing of another one's: this is
 * the only way to tell it.
 */
export async function transcriptOf(desk: ForgeDesk, record: ForgeRecord, options: CallOptions = {}): Promise<string> {
  const lines: string[] = [];
  let length = 0;
  for (let part = record.parts - 1; part >= 0 && length < MOST; part -= 1) {
    options.signal?.throwIfAborted();
    const entries = await desk.journal.read(record.id, part);
    const said = entries.toSorted((one, other) => compareOrder(one.order, other.order)).flatMap(lineOf).join('\n\n');
    if (said === '') continue;
    lines.unshift(said);
    length += said.length;
  }
  const text = lines.join('\n\n');
  return text.length > MOST ? `[…]\n\n${text.slice(-MOST)}` : text;
}

function lineOf(entry: Entry): readonly string[] {
  switch (entry.kind) {
    case 'prompt': return [`Person: ${entry.text}`];
    case 'text': return entry.text.trim() === '' ? [] : [`Agent: ${entry.text}`];
    case 'tool': return [`[Agent used ${entry.name}: ${entry.title}]`];
    default: return [];
  }
}

/** A prompt with the transcript at hand. */
export function withTranscript(transcript: string, prompt: string): string {
  if (transcript === '') return prompt;
  return `Our session before this one was closed. Its transcript follows between the two lines of dashes. Take it as what you and I said and did; answer only what stands after it.\n\n----------\n${transcript}\n----------\n\n${prompt}`;
}
