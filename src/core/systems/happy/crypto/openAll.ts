import type { JsonValue } from '../../../model/json.ts';
import type { Cipher } from './cipher.ts';
import type { SliceOptions } from './slices.ts';
import { inSlices } from './slices.ts';

/** Characters of base64 from which one record gets a slice of its own: about 2 ms of secretbox. */
const HEAVY = 100_000;

/**
 * Opens many records of one session, in their order, without holding the event loop over 16 ms: `undefined` in the place of each that does not open.
 * Rejects with the signal's reason when it is aborted, and with nothing else.
 */
export async function openAll(cipher: Cipher, texts: readonly string[], options: SliceOptions = {}): Promise<(JsonValue | undefined)[]> {
  const values: (JsonValue | undefined)[] = [];
  await inSlices(texts, (text) => values.push(cipher.open(text)), { ...options, heavy: (text) => text.length > HEAVY });
  return values;
}
