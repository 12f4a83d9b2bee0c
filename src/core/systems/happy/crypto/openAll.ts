import type { JsonValue } from '../../../model/json.ts';
import type { SliceOptions } from '../../../transport/slices.ts';
import { inSlices } from '../../../transport/slices.ts';
import type { Cipher } from './cipher.ts';

/** Characters of base64 from which one record gets a slice of its own: about 2 ms of secretbox. */
const HEAVY = 100_000;

/** One record with the cipher of its row; null where there is none. */
interface SealedRecord {
  readonly cipher: Cipher | null | undefined;
  readonly text: string;
}

/**
 * Opens many records of one session, in their order, without holding the event loop over 16 ms: `undefined` in the place of each that does not open.
 * Rejects with the signal's reason when it is aborted, and with nothing else.
 */
export function openAll(cipher: Cipher, texts: readonly string[], options: SliceOptions = {}): Promise<(JsonValue | undefined)[]> {
  return openEach(texts.map((text) => ({ cipher, text })), options);
}

/** The same for records of many rows, such as the metadata of a list: each opened in a call of its own would hold the event loop for all of them together. */
export async function openEach(records: readonly SealedRecord[], options: SliceOptions = {}): Promise<(JsonValue | undefined)[]> {
  const values: (JsonValue | undefined)[] = [];
  await inSlices(records, ({ cipher, text }) => values.push(cipher?.open(text)), { ...options, heavy: ({ text }) => text.length > HEAVY });
  return values;
}
