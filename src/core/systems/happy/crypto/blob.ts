import type { CallOptions } from '../../../model/backend.ts';
import { EncryptionError } from '../errors.ts';
import { BlobThread } from './blobThread.ts';
import type { BlobWork } from './blobWork.ts';
import { doBlob } from './blobWork.ts';

/** Bytes from which the thread is asked: less take tweetnacl under 1 ms. */
const THREAD_BYTES = 65_536;

const thread = new BlobThread();

/** Bytes as an attachment is uploaded: nonce of 24 bytes, then the secretbox. `nonce` is for vectors. Rejects when it is aborted, and with `encryption_failed` where it takes too long. */
export async function sealBlobWith(key: Uint8Array, bytes: Uint8Array, options: CallOptions = {}, nonce?: Uint8Array): Promise<Uint8Array> {
  const sealed = await worked({ work: 'seal', key, bytes, nonce }, options);
  if (sealed === null) throw new EncryptionError('An attachment could not be encrypted.');
  return sealed;
}

/** The bytes in an attachment, or null when it was cut, changed or sealed under another key. Rejects as `sealBlobWith` does. */
export function openBlobWith(key: Uint8Array, bytes: Uint8Array, options: CallOptions = {}): Promise<Uint8Array | null> {
  return worked({ work: 'open', key, bytes }, options);
}

async function worked(work: BlobWork, options: CallOptions): Promise<Uint8Array | null> {
  if (work.bytes.length >= THREAD_BYTES) return thread.do(work, options);
  options.signal?.throwIfAborted();
  return doBlob(work);
}
