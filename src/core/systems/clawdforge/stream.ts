import { createParser } from 'eventsource-parser';
import type { JsonObject, JsonValue } from '../../model/json.ts';
import { ForgeError } from './errors.ts';
import { closesStream, eventOf } from './wire.ts';
import type { ForgeEvent } from './types.ts';

/** Characters that one item of a stream may have. */
const LONGEST_ITEM = 16 * 1024 * 1024;

/** How a turn's answer comes: piece by piece, or whole. */
type AnswerForm = 'events' | 'lines' | 'whole';

export function formOf(contentType: string | undefined): AnswerForm {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === 'text/event-stream') return 'events';
  return type === 'application/x-ndjson' || type === 'application/ndjson' || type === 'application/jsonl' ? 'lines' : 'whole';
}

/**
 * Reads a streamed turn: tells each event as it arrives, in order, and gives the item that closes the stream; null where it ended without one. What cannot be read as JSON is an event of type
 * `unknown` that keeps the text. Throws `bad_answer` for an item beyond all bounds.
 */
export async function readStream(form: 'events' | 'lines', body: AsyncIterable<Uint8Array>, onEvent: (event: ForgeEvent) => void): Promise<JsonObject | null> {
  let closing: JsonObject | null = null;
  const take = (text: string, name?: string): void => {
    if (closing !== null || text.trim() === '' || text.trim() === '[DONE]') return;
    const item = parsed(text);
    if (closesStream(item)) closing = item;
    else onEvent(eventOf(item, name));
  };
  const feed = form === 'events' ? eventFeed(take) : lineFeed(take);
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    feed(decoder.decode(chunk, { stream: true }));
    // What a server keeps open beyond its last item is not waited for.
    if (closing !== null) return closing;
  }
  feed(decoder.decode(), true);
  return closing;
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return { type: 'unknown', content: text };
  }
}

type Feed = (text: string, end?: boolean) => void;

function eventFeed(take: (text: string, name?: string) => void): Feed {
  const parser = createParser({
    maxBufferSize: LONGEST_ITEM,
    onEvent: ({ data, event }) => take(data, event),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw tooLong();
    },
  });
  return (text, end = false) => {
    parser.feed(text);
    // A last event without the blank line behind it is whole where it can be read: the closing item is.
    if (end) parser.feed('\n\n');
  };
}

/** What was looked at is not looked at again: a long line comes in many pieces. */
function lineFeed(take: (text: string) => void): Feed {
  const held: string[] = [];
  let size = 0;
  const whole = (): void => {
    take(held.join(''));
    held.length = 0;
    size = 0;
  };
  return (text, end = false) => {
    for (const [index, piece] of text.split('\n').entries()) {
      if (index > 0) whole();
      held.push(piece);
      size += piece.length;
    }
    if (size > LONGEST_ITEM) throw tooLong();
    if (end) whole();
  };
}

function tooLong(): ForgeError {
  return new ForgeError('bad_answer', 'The clawdforge server sent an item of more than 16 MiB. Its answer was given up.');
}
