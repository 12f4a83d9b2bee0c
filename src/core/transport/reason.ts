const NOBODY = 'nothing answers at';
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: NOBODY, ENOTFOUND: 'there is no such host', EAI_AGAIN: 'the name of its host cannot be looked up now', ECONNRESET: 'the connection was cut', EPIPE: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut', ETIMEDOUT: 'it does not answer', UND_ERR_CONNECT_TIMEOUT: 'it does not answer', UND_ERR_HEADERS_TIMEOUT: 'it does not answer', EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no network', ENETDOWN: 'there is no network', CERT_HAS_EXPIRED: 'its certificate has expired', DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted', SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted', UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not trusted', ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host', EPROTO: 'it does not speak https',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak https',
};

/**
 * Why a server cannot be reached, in words for a person: by the code that lies beneath an error (Node's, OpenSSL's or undici's), or by `why` where one knows it; null otherwise.
 * `host`: whom it was asked, such as `192.168.0.5:8800`, where the error does not say it.
 */
export function whyUnreachable(error: unknown, host = 'this address'): string | null {
  let current = error;
  for (let depth = 0; depth < 6 && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && Object.hasOwn(reasons, current.code)) {
      const reason = reasons[current.code] ?? null;
      return reason === NOBODY ? `${reason} ${host}` : reason;
    }
    if ('why' in current && typeof current.why === 'string') return current.why;
    // Of several addresses of one host each has failed for itself.
    current = current instanceof AggregateError ? (current.errors as unknown[])[0] : current.cause;
  }
  return null;
}

/** Codes of failures before there is a connection: a name that is not found, a connection or a TLS handshake that does not come about. */
const unconnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'UND_ERR_CONNECT_TIMEOUT', 'CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER',
]);

/** True where an error says by its code that there was no connection at all: nothing was sent. */
export function isUnconnected(error: unknown): boolean {
  let current = error;
  for (let depth = 0; depth < 6 && current instanceof Error; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && unconnected.has(current.code)) return !isOfOpenConnection(current);
    if (current instanceof AggregateError) return current.errors.length > 0 && (current.errors as unknown[]).every((each) => isUnconnected(each));
    current = current.cause;
  }
  return false;
}

/** True for an error of reading or writing: the system ends an open connection with the codes of one that never was (EHOSTUNREACH, ETIMEDOUT), and the other side may have all of what was sent. */
export function isOfOpenConnection(error: Error): boolean {
  return 'syscall' in error && (error.syscall === 'read' || error.syscall === 'write' || error.syscall === 'shutdown');
}
