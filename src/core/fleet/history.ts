import type { SessionHandle } from '../model/backend.ts';
import type { Keep } from '../model/context.ts';
import type { Entry } from '../model/entry.ts';
import { isJsonObject } from '../model/json.ts';
import type { SessionKey } from '../model/session.ts';
import type { TranscriptView } from '../session/transcript-api.ts';
import { Slicer } from '../transport/slices.ts';

const FIRST_PAGE = 200;
const PAGE = 500;
/** Entries that the transcript takes in and writes at once: a few milliseconds of the event loop. */
const PORTION = 400;

interface Mark {
  /** Ids of the newest prompts and answers that were taken when everything older had been. */
  readonly newest: readonly string[];
  /** When all of it was here, milliseconds since the epoch; null where that is not told. */
  readonly at: number | null;
}

/**
 * Reads a session's history from its system into the transcript, newest page first, until it meets what was read before (a page that holds a
 * marked entry) or the beginning. A chat shows its end at once; what is older comes in behind it, in portions that leave the event loop to others.
 */
export async function importHistory(options: {
  readonly handle: SessionHandle; readonly transcript: TranscriptView; readonly keep: Keep; readonly key: SessionKey; readonly signal: AbortSignal; readonly now: () => number; readonly onFirstPage: () => void;
}): Promise<void> {
  const { handle, transcript, keep, key, signal } = options;
  // Rows that are here already: an agent whose record has no ids must not tell them again.
  const stored = transcript.total;
  const known = new Set(readMark(await keep.get(key)).newest);
  let cursor: string | null = null;
  let newest: readonly string[] | null = null;
  for (;;) {
    const page: { readonly items: readonly Entry[]; readonly next: string | null } = await handle.history({ ...(cursor === null ? {} : { cursor }), limit: newest === null ? FIRST_PAGE : PAGE, stored, signal });
    if (signal.aborted) return;
    const slicer = new Slicer({ signal });
    for (let from = 0; from < page.items.length; from += PORTION) {
      if (slicer.due(true)) await slicer.rest();
      transcript.add(page.items.slice(from, from + PORTION));
      // The end is shown before it is written.
      if (newest !== null && from + PORTION < page.items.length) await transcript.flush();
    }
    if (newest === null) {
      const telling = page.items.filter(isTelling).map((entry) => entry.id);
      newest = telling.slice(-20).concat(telling.slice(0, 20));
      options.onFirstPage();
    }
    cursor = page.next;
    if (cursor === null || page.items.some((entry) => isTelling(entry) && known.has(entry.id))) break;
    await transcript.flush();
  }
  await transcript.flush();
  if (newest !== null && newest.length > 0) await keep.set(key, JSON.stringify({ newest, at: options.now() } satisfies Mark));
}

/** When all of a session's history was here, milliseconds since the epoch; null where that is not known. */
export async function historyReadAt(keep: Keep, key: SessionKey): Promise<number | null> {
  return readMark(await keep.get(key)).at;
}

/** All of a session's history was here at that time too: it was followed since it was read. */
export async function noteHistoryRead(keep: Keep, key: SessionKey, at: number): Promise<void> {
  const mark = readMark(await keep.get(key));
  if (mark.newest.length > 0 && (mark.at ?? 0) < at) await keep.set(key, JSON.stringify({ ...mark, at } satisfies Mark));
}

/** True for what was said once, at its place: figures, turns, calls and requests may be told again with any page. */
function isTelling(entry: Entry): boolean {
  return entry.kind === 'prompt' || entry.kind === 'text' || entry.kind === 'thinking';
}

const NOTHING: Mark = { newest: [], at: null };

function readMark(text: string | null): Mark {
  if (text === null) return NOTHING;
  try {
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value)) return NOTHING;
    const { newest: ids, at } = value;
    return { newest: Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [], at: typeof at === 'number' ? at : null };
  } catch {
    return NOTHING;
  }
}
