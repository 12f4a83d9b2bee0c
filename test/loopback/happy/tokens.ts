import { createPrivateKey, createPublicKey, randomUUID, sign, verify, type KeyObject } from 'node:crypto';
import type { Database } from './database.ts';

/** DER before the 32 bytes of an Ed25519 seed (PKCS #8) and of its public key (SPKI). */
const seedPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex');

/** The tokens of the server: JWTs, signed with EdDSA, that never expire. */
export class Tokens {
  readonly #database: Database;
  readonly #secret: KeyObject;
  readonly #public: KeyObject;

  constructor(database: Database) {
    this.#database = database;
    this.#secret = createPrivateKey({ key: Buffer.concat([seedPrefix, Buffer.from(database.seed, 'base64')]), format: 'der', type: 'pkcs8' });
    this.#public = createPublicKey(this.#secret);
  }

  create(accountId: string, extras?: Readonly<Record<string, string>>): string {
    const seconds = Math.floor(this.#database.now() / 1000);
    const claims = { user: accountId, ...(extras === undefined ? {} : { extras }), iat: seconds, nbf: seconds, iss: 'handy', jti: randomUUID() };
    const text = `${encode({ alg: 'EdDSA' })}.${encode(claims)}`;
    return `${text}.${sign(null, Buffer.from(text), this.#secret).toString('base64url')}`;
  }

  /** The account of a token, or null when the token is not ours, was revoked, or its account is gone. */
  accountOf(token: string): string | null {
    const [head, claims, signature, ...more] = token.split('.');
    if (head === undefined || claims === undefined || signature === undefined || more.length > 0 || this.#database.revoked.has(token)) return null;
    if (!verify(null, Buffer.from(`${head}.${claims}`), this.#public, Buffer.from(signature, 'base64url'))) return null;
    const parsed = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { readonly user?: unknown };
    return typeof parsed.user === 'string' && this.#database.accounts.has(parsed.user) ? parsed.user : null;
  }
}

/** Whether `signature` over `message` is that of an Ed25519 public key. Throws for a key or a signature of another length, as tweetnacl does. */
export function signedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) throw new Error('bad signature size');
  if (publicKey.length !== 32) throw new Error('bad public key size');
  return verify(null, message, createPublicKey({ key: Buffer.concat([publicPrefix, publicKey]), format: 'der', type: 'spki' }), signature);
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
