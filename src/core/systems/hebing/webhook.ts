import { createHmac, timingSafeEqual } from 'node:crypto';

export interface WebhookSecrets {
  readonly currentSecret: string;
  /** The one before, good until `previousSecretExpiresAt`; without that time it is good for nothing. */
  readonly previousSecret?: string | null | undefined;
  /** A date, or ISO 8601 (UTC where it names no zone). */
  readonly previousSecretExpiresAt?: Date | string | null | undefined;
  /** Milliseconds since the epoch; the computer's own time by default. */
  readonly now?: number | undefined;
}

/**
 * True where the header `X-Kernel-Signature`, `sha256=` and 64 lower-case hex digits, is the HMAC-SHA256 of the body's bytes as they came under the current secret, or under the previous
 * one in its time. Compares in constant time. Whatever is malformed is false; nothing throws.
 */
export function verifyWebhookSignature(header: string | null | undefined, rawBody: string | Uint8Array, secrets: WebhookSecrets): boolean {
  const hex = typeof header === 'string' ? /^sha256=([0-9a-f]{64})$/.exec(header)?.[1] : undefined;
  if (hex === undefined || (typeof rawBody !== 'string' && !(rawBody instanceof Uint8Array)) || typeof secrets !== 'object' || secrets === null) return false;
  const given = Buffer.from(hex, 'hex');
  const good = [secrets.currentSecret, isInTime(secrets) ? secrets.previousSecret : null];
  // Each is compared, whatever the others gave: the time tells nothing of which one it was.
  return good.map((secret) => typeof secret === 'string' && secret !== '' && timingSafeEqual(createHmac('sha256', secret).update(rawBody).digest(), given)).includes(true);
}

function isInTime({ previousSecretExpiresAt: until, now = Date.now() }: WebhookSecrets): boolean {
  const at = until instanceof Date ? until.getTime() : typeof until === 'string' ? Date.parse(/T[\d:.,]+$/.test(until.trim()) ? `${until.trim()}Z` : until.trim()) : Number.NaN;
  // Of what is no date nothing is true.
  return now < at;
}
