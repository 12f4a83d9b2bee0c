import { randomUUID } from 'node:crypto';
import type { CallOptions } from '../../../model/backend.ts';
import type { Attachment, FileEntry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { HappyAccount } from '../account.ts';
import { fromBase64, fromLongBase64, toBase64 } from '../crypto/base64.ts';
import type { Cipher } from '../crypto/cipher.ts';
import { HappyError, invalid } from '../errors.ts';
import { LARGEST_FILE } from '../http.ts';
import { refOfRow } from '../normalise/index.ts';

const images: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
/** Agents to which Happy hands files on; others never see them (happy.md B11). A session that does not tell its agent is taken for Claude's. */
const takers: ReadonlySet<string> = new Set(['claude', 'codex', 'rig']);

/** What kind of image bytes are, by how they begin, as Happy's command line tells them apart (packages/happy-cli/src/codex/utils/imageInput.ts); null for all that it drops without a word. */
export function imageType(bytes: Uint8Array): string | null {
  const begins = (at: number, text: string): boolean => Buffer.from(bytes.subarray(at, at + text.length)).toString('latin1') === text;
  if (begins(0, '\u0089PNG\r\n\u001A\n')) return 'image/png';
  if (begins(0, '\u00FF\u00D8\u00FF')) return 'image/jpeg';
  if (begins(0, 'GIF87a') || begins(0, 'GIF89a')) return 'image/gif';
  return begins(0, 'RIFF') && begins(8, 'WEBP') ? 'image/webp' : null;
}

/** Throws `attachment_refused` for files that the session's agent would never see: Happy hands on images alone, and not to every agent. Throws `too_large` over the protocol's 10 MiB. */
export function requireTaken(attachments: readonly Attachment[], flavour: string | null): void {
  for (const { name, data } of attachments) {
    // How it begins and how long it is tell enough: all of it is read, in slices, when it is sent.
    const head = data === null ? null : fromBase64(data.slice(0, 64));
    const shown = name.slice(0, 100);
    if (!takers.has(flavour ?? 'claude')) throw new HappyError('attachment_refused', `Happy hands no files to this agent: ${shown} would be lost. Leave it out, and name a path on the machine instead.`);
    if (data === null || head === null) continue;
    if (imageType(head) === null) throw new HappyError('attachment_refused', `Happy hands only images (PNG, JPEG, GIF, WebP) to agents: ${shown} is none. Leave it out; put it on the machine and name its path instead.`);
    if ((data.length / 4) * 3 - (data.endsWith('==') ? 2 : data.endsWith('=') ? 1 : 0) > LARGEST_FILE) throw new HappyError('too_large', `${shown} is too large: a file may have 10 MiB at most.`);
  }
}

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
    const bytes = attachment.data === null ? null : await fromLongBase64(attachment.data, { signal: options.signal });
    if (bytes === null) throw invalid(`The attachment ${attachment.name} has no content that could be sent. Attach it again.`);
    const ref = await account.api.upload(sessionId, attachment.name, await cipher.sealBlob(bytes, options), options);
    const ev: JsonObject = { t: 'file', ref, name: attachment.name, size: bytes.length, mimeType: imageType(bytes) ?? attachment.mediaType };
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
  return entry.row !== null && refOfRow(entry.row) !== null && entry.file.data === null && (images.has(entry.file.mediaType) || entry.file.mediaType === 'image/*') && (entry.file.size ?? 0) <= SHOWN_BYTES;
}

/** The image behind a file's entry, as a later version of it; null where it is none, is too large, or cannot be opened. */
export async function fetchImage(account: HappyAccount, sessionId: string, cipher: Cipher, entry: FileEntry, options: CallOptions): Promise<FileEntry | null> {
  const ref = entry.row === null ? null : refOfRow(entry.row);
  if (ref === null || !isShown(entry)) return null;
  const bytes = await cipher.openBlob(await account.api.download(sessionId, ref, { ...options, maxBytes: SHOWN_BYTES }), options);
  if (bytes === null || bytes.length > SHOWN_BYTES) return null;
  // What a message calls an image is not always the kind that it says, or says none.
  const mediaType = imageType(bytes);
  if (mediaType === null) return null;
  return { ...entry, rev: entry.rev + 1, file: { ...entry.file, mediaType, size: bytes.length, data: toBase64(bytes) } };
}
