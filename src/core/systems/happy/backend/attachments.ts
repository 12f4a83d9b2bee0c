import { randomUUID } from 'node:crypto';
import type { CallOptions } from '../../../model/backend.ts';
import type { Attachment, FileEntry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { HappyAccount } from '../account.ts';
import { fromBase64, toBase64 } from '../crypto/base64.ts';
import type { Cipher } from '../crypto/cipher.ts';
import { invalid } from '../errors.ts';
import { refOfRow } from '../normalise/index.ts';

/** Images up to this size are fetched as soon as they are seen, bytes; larger ones stay a name. */
const SHOWN_BYTES = 2 * 1024 * 1024;

interface OutgoingMessage {
  readonly localId: string;
  readonly content: JsonObject;
}

/** Uploads attachments, sealed under the session's key, and gives the messages that stand before the text (happy.md B11, recording 27). */
export async function uploadAll(account: HappyAccount, sessionId: string, cipher: Cipher, attachments: readonly Attachment[], clientId: string, options: CallOptions): Promise<readonly OutgoingMessage[]> {
  const messages: OutgoingMessage[] = [];
  for (const [index, attachment] of attachments.entries()) {
    const bytes = attachment.data === null ? null : fromBase64(attachment.data);
    if (bytes === null) throw invalid(`The attachment ${attachment.name} has no content that could be sent. Attach it again.`);
    const ref = await account.api.upload(sessionId, attachment.name, await cipher.sealBlob(bytes, options), options);
    const ev: JsonObject = { t: 'file', ref, name: attachment.name, size: bytes.length, mimeType: attachment.mediaType };
    messages.push({
      // A prompt that is sent again brings its files under the same ids: the server keeps the first.
      localId: `${clientId}:file:${index}`,
      content: { role: 'session', content: { type: 'session', data: { id: randomUUID(), time: account.clock.now(), role: 'user', ev } } },
    });
  }
  return messages;
}

/** True for an image that is fetched as soon as it is seen. */
export function isShown(entry: FileEntry): boolean {
  return entry.row !== null && refOfRow(entry.row) !== null && entry.file.data === null && /^image\/(?:png|jpeg|gif|webp)$/.test(entry.file.mediaType) && (entry.file.size ?? 0) <= SHOWN_BYTES;
}

/** The image behind a file's entry, as a later version of it; null where it is none, is too large, or cannot be opened. */
export async function fetchImage(account: HappyAccount, sessionId: string, cipher: Cipher, entry: FileEntry, options: CallOptions): Promise<FileEntry | null> {
  const ref = entry.row === null ? null : refOfRow(entry.row);
  if (ref === null || !isShown(entry)) return null;
  const bytes = await cipher.openBlob(await account.api.download(sessionId, ref, { ...options, maxBytes: SHOWN_BYTES }), options);
  if (bytes === null || bytes.length > SHOWN_BYTES) return null;
  return { ...entry, rev: entry.rev + 1, file: { ...entry.file, size: bytes.length, data: toBase64(bytes) } };
}
