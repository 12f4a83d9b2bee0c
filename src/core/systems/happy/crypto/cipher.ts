import type { CallOptions } from '../../../model/backend.ts';
import type { JsonValue } from '../../../model/json.ts';
import { aesKey, openBundle, sealBundle } from './aes.ts';
import { fromBase64, toBase64 } from './base64.ts';
import { openBlobWith, sealBlobWith } from './blob.ts';
import { blobKey, requireKey } from './keys.ts';
import { openNonced, sealNonced } from './nacl.ts';

const encoder = new TextEncoder();
// Not fatal: as Happy's clients do, so that one broken character does not cost the whole record.
const decoder = new TextDecoder();

/**
 * What reads and writes the records of one session, machine or artifact. It holds a key that no print or inspection of it shows.
 * Whatever cannot be opened is `undefined` or null, never a throw: one bad record costs that record only.
 */
export interface Cipher {
  readonly kind: 'dataKey' | 'legacy';
  /** A JSON value as base64 of a record, in UTF-8, under a nonce of its own. */
  seal(value: JsonValue): string;
  /** The JSON value in base64 of a record; undefined when it is not base64, does not open, or is not JSON. The empty answer of an RPC opens by `openBytes` only. */
  open(text: string): JsonValue | undefined;
  /** A record (wire bytes, not base64) around these bytes. */
  sealBytes(bytes: Uint8Array): Uint8Array;
  /** The bytes in a record, or null. An RPC handler that answered nothing gives a record around no bytes. */
  openBytes(bytes: Uint8Array): Uint8Array | null;
  /** An attachment as it is uploaded: nonce of 24 bytes, secretbox under the derived 'Happy Blobs' key; 40 bytes longer than the file. Large ones in a thread of their own (blob.ts); rejects when it is aborted. */
  sealBlob(bytes: Uint8Array, options?: CallOptions): Promise<Uint8Array>;
  /** The file in a downloaded attachment, or null. Rejects as `sealBlob` does. */
  openBlob(bytes: Uint8Array, options?: CallOptions): Promise<Uint8Array | null>;
}

/** Records under a data key of 32 bytes: AES-256-GCM bundles. Throws `bad_key` for another length. */
export function dataKeyCipher(key: Uint8Array): Cipher {
  requireKey(key, 'A Happy data key');
  const own = aesKey(key);
  return new RecordCipher('dataKey', {
    seal: (bytes) => sealBundle(own, bytes), open: (bytes) => openBundle(own, bytes), blob: () => blobKey(own.export(), 'dataKey'),
  });
}

/** Records under the account's master of 32 bytes itself: nonce of 24 bytes, then a secretbox. Throws `bad_key` for another length. */
export function legacyCipher(secret: Uint8Array): Cipher {
  requireKey(secret, 'The Happy account secret');
  const own = Uint8Array.from(secret);
  return new RecordCipher('legacy', { seal: (bytes) => sealNonced(bytes, own), open: (bytes) => openNonced(bytes, own), blob: () => blobKey(own, 'legacy') });
}

interface Parts {
  readonly seal: (bytes: Uint8Array) => Uint8Array;
  readonly open: (bytes: Uint8Array) => Uint8Array | null;
  readonly blob: () => Uint8Array;
}

class RecordCipher implements Cipher {
  readonly kind: 'dataKey' | 'legacy';
  readonly #parts: Parts;
  #blobKey: Uint8Array | null = null;

  constructor(kind: 'dataKey' | 'legacy', parts: Parts) {
    this.kind = kind;
    this.#parts = parts;
  }

  seal(value: JsonValue): string {
    return toBase64(this.#parts.seal(encoder.encode(JSON.stringify(value))));
  }

  open(text: string): JsonValue | undefined {
    const bundle = fromBase64(text);
    const plain = bundle === null ? null : this.#parts.open(bundle);
    if (plain === null) return undefined;
    try {
      return JSON.parse(decoder.decode(plain)) as JsonValue;
    } catch {
      return undefined;
    }
  }

  sealBytes(bytes: Uint8Array): Uint8Array {
    return this.#parts.seal(bytes);
  }

  openBytes(bytes: Uint8Array): Uint8Array | null {
    return this.#parts.open(bytes);
  }

  sealBlob(bytes: Uint8Array, options?: CallOptions): Promise<Uint8Array> {
    return sealBlobWith(this.#blob(), bytes, options);
  }

  openBlob(bytes: Uint8Array, options?: CallOptions): Promise<Uint8Array | null> {
    return openBlobWith(this.#blob(), bytes, options);
  }

  #blob(): Uint8Array {
    this.#blobKey ??= this.#parts.blob();
    return this.#blobKey;
  }
}
