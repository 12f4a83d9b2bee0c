import { readFileSync } from 'node:fs';
import path from 'node:path';
import { vi } from 'vitest';
import { fromBase64 } from '../../../src/core/systems/happy/crypto/base64.ts';
import type { Pace } from '../../../src/core/transport/slices.ts';

// A busy computer takes its time; what hangs is found all the same.
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** True in the long run of the tests. */
export const LONG = process.env['PILOTHOUSE_LONG'] === '1';

const folder = path.join(import.meta.dirname, '../../fixtures/vectors');

/** The tests of one file of vectors. */
export function vectors(file: string): readonly unknown[] {
  return (JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as { readonly tests: readonly unknown[] }).tests;
}

/** What was recorded from the real Happy, as far as the tests read it. */
export interface HappyVectors {
  readonly derivation: Readonly<Record<'masterSecret' | 'contentBoxSecretKey' | 'contentBoxPublicKey' | 'signPublicKey_fromSeedMaster' | 'blobKeyLegacy_HappyBlobs_master' | 'contentSeed', string>>
    & { readonly extra: readonly { readonly usage: string; readonly path: readonly string[]; readonly key: string }[] };
  readonly authChallenge: { readonly seed: string; readonly requestBody: { readonly publicKey: string; readonly challenge: string; readonly signature: string } };
  readonly dataKey: {
    readonly key: string; readonly cases: readonly { readonly plaintext?: unknown; readonly plaintextBytes?: string; readonly nonce?: string; readonly ciphertext: string }[];
    readonly invalid: readonly { readonly why: string; readonly ciphertext: string }[];
  };
  readonly legacy: { readonly key: string; readonly cases: readonly { readonly plaintext: unknown; readonly nonce: string; readonly ciphertext: string }[] };
  readonly wrappedDataEncryptionKey: Readonly<Record<'recipientPublicKey' | 'recipientSecretKey' | 'ephemeralSecretKey' | 'ephemeralPublicKey' | 'nonce' | 'dataKey' | 'dataEncryptionKey', string>>;
  readonly qr: Readonly<Record<'requesterSecretKey' | 'requesterPublicKey' | 'terminalUrl' | 'accountUrl' | 'terminalResponseV1_masterSecret' | 'terminalResponseV1_plain' | 'terminalResponseV2_contentPublicKey' | 'terminalResponseV2_plain' | 'accountResponse_masterSecret', string>>;
  readonly blob: Readonly<Record<'sessionDataKey' | 'blobKey' | 'nonce' | 'plain' | 'encrypted', string>>;
  readonly accounts: Readonly<Record<'A' | 'B', Readonly<Record<'masterSecret' | 'signPublicKey' | 'contentPublicKey' | 'contentSecretKey', string>>>>;
  readonly wrapped: readonly { readonly id: string; readonly account: 'A' | 'B'; readonly kind: 'dataKey' | 'legacy'; readonly key: string; readonly dataEncryptionKey: string | null }[];
  readonly rows: readonly { readonly id: string; readonly dataEncryptionKey: string | null; readonly metadata: string; readonly holds: Readonly<Record<string, string>> }[];
}

export const happy = JSON.parse(readFileSync(path.join(folder, 'happy.json'), 'utf8')) as HappyVectors;

/** Bytes of base64 that a fixture is known to hold. */
export function bytes(text: string): Uint8Array {
  const decoded = fromBase64(text);
  if (decoded === null) throw new Error('the fixture is not base64');
  return decoded;
}

export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
export const hex = (data: Uint8Array | null): string | null => (data === null ? null : Buffer.from(data).toString('hex'));

/** The same bytes with one bit of one of them turned. */
export function flipped(data: Uint8Array, at: number, bit = at % 8): Uint8Array {
  const changed = Uint8Array.from(data);
  changed[at] = (changed[at] ?? 0) ^ (1 << bit);
  return changed;
}

/** A pace on which `perRead` milliseconds go by between two looks at the clock. `slices` tells how many looks each slice took. */
export class CountedPace implements Pace {
  readonly slices: number[] = [0];
  readonly onRest: () => void;
  readonly #perRead: number;
  #spent = 0;

  constructor(perRead: number, onRest: () => void = () => undefined) {
    this.#perRead = perRead;
    this.onRest = onRest;
  }

  spent(): number {
    const spent = this.#spent;
    this.#spent += this.#perRead;
    this.slices[this.slices.length - 1] = (this.slices.at(-1) ?? 0) + 1;
    return spent;
  }

  rest(): Promise<void> {
    this.#spent = this.#perRead;
    this.slices.push(0);
    this.onRest();
    return Promise.resolve();
  }
}
