const shapes: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{8,}/g,
  /\b(?:gh[opsur]|github_pat|glpat|xox[abpr]|npm)[_-][A-Za-z0-9_-]{10,}/g,
  /\bAKIA[A-Z0-9]{12,}/g,
  /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?/g,
];
const header = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi;
const named = /\b([A-Za-z0-9_-]*(?:api[_-]?key|token|secret|passw(?:or)?d|credential|authorization|x-api-key)["']?\s*[=:]\s*["']?)(?!Bearer|Basic)[^\s"',;]{4,}/gi;
const userinfo = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@:]+:[^\s/@]+@/gi;
const secretName = /(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|AUTH)$/i;

/**
 * A program's words with obvious secrets replaced by `[redacted]`, so that they may be shown: key shapes, bearer headers, `name=value` pairs
 * whose name says so, passwords in addresses, and the values of secret-looking variables of `env`.
 */
export function redact(text: string, env: NodeJS.ProcessEnv = {}): string {
  let result = text;
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value.length >= 8 && secretName.test(name)) result = result.replaceAll(value, '[redacted]');
  }
  for (const shape of shapes) result = result.replace(shape, '[redacted]');
  return result.replace(header, '$1 [redacted]').replace(named, '$1[redacted]').replace(userinfo, '$1[redacted]@');
}
