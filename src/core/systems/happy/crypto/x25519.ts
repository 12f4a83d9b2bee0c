import { createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import nacl from 'tweetnacl';
import { toBase64Url } from './base64.ts';

/** One side of an X25519 exchange: the other side's public key in, the shared secret of 32 bytes out; null for a key of another length or of low order. */
export type Agreement = (publicKey: Uint8Array) => Uint8Array | null;

// RFC 8410: everything before the 32 raw bytes of an X25519 secret key in DER. A public key comes in faster as a JWK.
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

let native: boolean | undefined;

/** The exchange with this secret key of 32 bytes, by node:crypto (36 µs), or by tweetnacl (800 µs) where this runtime's node:crypto has no X25519. */
export function agreementOf(secretKey: Uint8Array): Agreement {
  return hasNativeX25519() ? nativeAgreement(secretKey) : portableAgreement(secretKey);
}

/** Whether node:crypto of this runtime knows X25519; asked of it once. */
export function hasNativeX25519(): boolean {
  native ??= worksNatively();
  return native;
}

/** By node:crypto. Throws where the runtime lacks the curve. */
export function nativeAgreement(secretKey: Uint8Array): Agreement {
  const der = Buffer.concat([PKCS8, secretKey]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return (publicKey) => {
    if (publicKey.length !== 32) return null;
    try {
      const theirs = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: toBase64Url(publicKey) }, format: 'jwk' });
      return unlessZero(diffieHellman({ privateKey, publicKey: theirs }));
    } catch {
      // A public key of low order: the secret would be all zeros, which node:crypto refuses by throwing.
      return null;
    }
  };
}

/** By tweetnacl alone: works everywhere. */
export function portableAgreement(secretKey: Uint8Array): Agreement {
  const own = Uint8Array.from(secretKey);
  return (publicKey) => (publicKey.length === 32 ? unlessZero(nacl.scalarMult(own, publicKey)) : null);
}

function unlessZero(shared: Uint8Array): Uint8Array | null {
  let bits = 0;
  for (const byte of shared) bits |= byte;
  return bits === 0 ? null : shared;
}

/** Asks with an answer that is known (Wycheproof X25519, test 1), so that a runtime which answers wrongly is not believed either. */
function worksNatively(): boolean {
  const secretKey = Buffer.from('c8a9d5a91091ad851c668b0736c1c9a02936c0d3ad62670858088047ba057475', 'hex');
  const publicKey = Buffer.from('504a36999f489cd2fdbc08baff3d88fa00569ba986cba22548ffde80f9806829', 'hex');
  try {
    const shared = nativeAgreement(secretKey)(publicKey);
    return shared !== null && Buffer.from(shared).toString('hex') === '436a2c040cf45fea9b29a0cb81b1f41458f863d0d61b453d0a982720d6d61320';
  } catch {
    return false;
  }
}
