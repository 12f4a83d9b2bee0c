import type { SliceOptions } from '../../../transport/slices.ts';
import { inSlices } from '../../../transport/slices.ts';
import { fromBase64 } from './base64.ts';
import type { Cipher } from './cipher.ts';
import { dataKeyCipher, legacyCipher } from './cipher.ts';
import { contentSecretKey, keyUnwrapper } from './keys.ts';
import { KEY_BYTES } from './nacl.ts';

/** Keys of one account, each of 32 bytes. All of them are copied. */
interface KeyringKeys {
  /** The account's master: reads everything of the account. */
  readonly master?: Uint8Array | null | undefined;
  /** The data key of one machine (`access.key` V2): reads that machine's own row and nothing else. */
  readonly machineKey?: Uint8Array | null | undefined;
  /** Data keys by row id, as `sessions.json` has them; one that is not 32 bytes long is left out. */
  readonly knownKeys?: ReadonlyMap<string, Uint8Array> | undefined;
}

/** What of a session, machine or artifact says how it is encrypted. */
export interface KeyedRow {
  readonly id: string;
  /** Base64 of a wrapped key; null or empty where records lie under the master itself. */
  readonly dataEncryptionKey: string | null;
  /** Base64 of one of the row's records (its metadata): of several keys that may be the row's, the one that opens this is. The machine key, which names no machine, is used only then. */
  readonly sample?: string | undefined;
}

const MOST_CACHED = 20_000;

/** Finds the cipher of each row. Rows whose key is missing or broken get null, and cost the others nothing. Its keys show in no print of it. */
export class Keyring implements Disposable {
  readonly #known = new Map<string, Uint8Array>();
  readonly #unwrapped = new Map<string, Cipher | null>();
  readonly #knownCiphers = new Map<string, Cipher>();
  #unwrap: ((wrapped: Uint8Array) => Uint8Array | null) | null = null;
  #legacy: Cipher | null = null;
  #machine: Cipher | null = null;

  /** Throws `bad_key` when the master or the machine key is not 32 bytes long. */
  constructor(keys: KeyringKeys) {
    const { master, machineKey, knownKeys } = keys;
    if (master !== undefined && master !== null) {
      this.#unwrap = keyUnwrapper(contentSecretKey(master));
      this.#legacy = legacyCipher(master);
    }
    if (machineKey !== undefined && machineKey !== null) this.#machine = dataKeyCipher(machineKey);
    for (const [id, key] of knownKeys ?? []) if (key.length === KEY_BYTES) this.#known.set(id, Uint8Array.from(key));
  }

  /** The cipher of a row, or null when these keys do not reach it. */
  cipherFor(row: KeyedRow): Cipher | null {
    const wrapped = row.dataEncryptionKey;
    const bare = wrapped === null || wrapped === '';
    const own = bare ? this.#legacy : this.#unwrappedCipher(wrapped);
    const known = this.#knownCipher(row.id, bare ? 'legacy' : 'dataKey');
    const { sample } = row;
    if (sample !== undefined && own !== null && known !== null && own.open(sample) === undefined && known.open(sample) !== undefined) return known;
    // Where neither opens it the record is damaged, not out of reach.
    return own ?? known ?? (bare ? null : this.#machineCipher(row));
  }

  /**
   * The ciphers of many rows by id, without holding the event loop over 16 ms. Keys that were unwrapped before are not unwrapped again.
   * Rejects with the signal's reason when it is aborted, and with nothing else; what was unwrapped until then is kept.
   */
  async unwrapAll(rows: readonly KeyedRow[], options: SliceOptions = {}): Promise<Map<string, Cipher | null>> {
    const ciphers = new Map<string, Cipher | null>();
    await inSlices(rows, (row) => ciphers.set(row.id, this.cipherFor(row)), options);
    return ciphers;
  }

  /** Forgets every key: no row has a cipher from then on. Ciphers that were given out go on working. */
  [Symbol.dispose](): void {
    for (const key of this.#known.values()) key.fill(0);
    this.#known.clear();
    this.#knownCiphers.clear();
    this.#unwrapped.clear();
    this.#unwrap = null;
    this.#legacy = null;
    this.#machine = null;
  }

  #unwrappedCipher(wrapped: string): Cipher | null {
    if (this.#unwrap === null) return null;
    const cached = this.#unwrapped.get(wrapped);
    if (cached !== undefined) return cached;
    const bytes = fromBase64(wrapped);
    const key = bytes === null ? null : this.#unwrap(bytes);
    const cipher = key === null ? null : dataKeyCipher(key);
    key?.fill(0);
    const oldest = this.#unwrapped.size < MOST_CACHED ? undefined : this.#unwrapped.keys().next().value;
    if (oldest !== undefined) this.#unwrapped.delete(oldest);
    this.#unwrapped.set(wrapped, cipher);
    return cipher;
  }

  #knownCipher(id: string, kind: 'dataKey' | 'legacy'): Cipher | null {
    const key = this.#known.get(id);
    if (key === undefined) return null;
    const name = `${kind} ${id}`;
    const cipher = this.#knownCiphers.get(name) ?? (kind === 'dataKey' ? dataKeyCipher(key) : legacyCipher(key));
    this.#knownCiphers.set(name, cipher);
    return cipher;
  }

  #machineCipher(row: KeyedRow): Cipher | null {
    if (this.#machine === null || row.sample === undefined) return null;
    return this.#machine.open(row.sample) === undefined ? null : this.#machine;
  }
}
