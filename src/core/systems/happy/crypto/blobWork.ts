import { openNonced, sealNonced } from './nacl.ts';

/** What is to be done with an attachment. `nonce` is for vectors. */
export interface BlobWork {
  readonly work: 'seal' | 'open';
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
  readonly nonce?: Uint8Array | undefined;
}
export interface BlobRequest extends BlobWork {
  readonly id: number;
}
/** `bytes` is null for an attachment that does not open. */
export interface BlobReply {
  readonly id: number;
  readonly bytes: Uint8Array | null;
}

/** In one go, on the thread that calls. */
export function doBlob({ work, key, bytes, nonce }: BlobWork): Uint8Array | null {
  return work === 'seal' ? sealNonced(bytes, key, nonce) : openNonced(bytes, key);
}
