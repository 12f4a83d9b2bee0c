const MARK = '[redacted]';

/** Credentials that their own shape gives away. */
const SHAPES = new RegExp([
  String.raw`\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{8,}`,
  String.raw`\b(?:gh[opsur]|github_pat|glpat|xox[abeoprs]|npm|hf)[_-][A-Za-z0-9_-]{10,}`,
  String.raw`\b(?:AKIA|ASIA)[A-Z0-9]{12,}`,
  String.raw`\bnxt_[a-z]{2,8}_[A-Za-z0-9_-]{8,}`,
  String.raw`\bcf_(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{12,}`,
  String.raw`\bAIza[A-Za-z0-9_-]{20,}`,
  String.raw`\bya29\.[A-Za-z0-9_-]{10,}`,
  String.raw`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?`,
  String.raw`-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`,
].join('|'), 'g');
/** User and password of an address; a password may hold anything but what ends the authority. */
const USER_INFO = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/?#"'<>]+@/gi;
/** The same of a proxy whose address was given without its scheme. */
const PROXY_INFO = /\b((?:https?_proxy|all_proxy|http\.proxy)(?:\\*["'\x60])?\s{0,8}(?:=>|:=|[=:])\s{0,8}(?:\\*["'\x60])?)(?![a-z][a-z0-9+.-]{0,30}:\/\/)[^\s"'\x60<>@]+@/gi;
const QUERY = /([?&](?:key|sig|signature|code|auth|pass|pwd|k)=)[^\s"'&#;]+/gi;
const SCHEME = /\b(Bearer|Basic|Digest|Negotiate)(\s+|%20)([A-Za-z0-9._~+/=-]{6,})/gi;
/** Words that follow the name of a scheme in a sentence about it. */
const PROSE = /^(?:auth(?:entication|orization)?|tokens?|header|scheme|credentials?)\.?$/i;
const LOOSE = /\b((?:token|secret|password|key)\s+)(?=[^\s]*\d)[A-Za-z0-9._~+/=-]{12,}/gi;

const WORDS = 'api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|session[_-]?key|token|secret|passw(?:or)?d|passphrase|credentials?|authorization|(?:set-)?cookie';
/** A name that tells of a secret, and what stands between it and its value: `=`, `:`, `=>`, `>` of a tag, `%3D`, the comma of a list of pairs, the space after a flag. */
const NAME = String.raw`(?<name>(?<![A-Za-z0-9_-])(?<flag>--)?[A-Za-z0-9_.-]{0,64}?(?:${WORDS})(?:[_-][A-Za-z0-9_-]{1,32}|key|value)?)`;
const NAMED = new RegExp(
  NAME + String.raw`(?:(?:\\*["'\x60])?\s{0,8}(?:=>|:=|[=:>]|%3[AaDd])\s{0,64}|\\*["']\s{0,8},\s{0,64}(?=\\*["'])|(?<=--\S{1,100})\s+)`, 'gi');
/** The end of a line whose value stands on the next one. */
const HANGING = new RegExp(NAME + String.raw`(?:\\*["'\x60])?\s{0,8}(?:=>|:=|[=:]|%3[AaDd])$`, 'i');
/** Characters of a line's end in which the name stands. */
const NAME_LIMIT = 256;
const OPENING = /\\*["'`]/y;
const AUTHORIZATION = /(?:Bearer|Basic|Digest|Negotiate|Token|ApiKey)(?:\s+|%20)/iy;
const BARE = /[^\s"'`&;]+/y;
const REST_OF_LINE = /[^\r\n"'`]+/y;
/** Values that are no secret, whatever their name says. */
const PLAIN = /^(?:null|undefined|true|false|none)$/i;
const SECRET_NAME = /(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH)$/i;

/**
 * Text with what looks like a credential replaced by `[redacted]`, so that it may be logged or shown: known shapes of keys, tokens and private keys; headers;
 * values whose name says so, in any notation; passwords and signatures in addresses; and the values of secret-looking variables of `env`. It rather takes too
 * much than too little. A second line of defence: secrets are not given to a log or an error in the first place. Redacting twice changes nothing more.
 */
export function redact(text: string, env: Readonly<Record<string, string | undefined>> = {}): string {
  let result = text;
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value.length >= 8 && SECRET_NAME.test(name)) result = result.replaceAll(value, MARK);
  }
  result = redactNamed(result.replace(SHAPES, MARK).replace(USER_INFO, `$1${MARK}@`).replace(PROXY_INFO, `$1${MARK}@`));
  return result
    .replace(SCHEME, (whole: string, scheme: string, space: string, value: string) => (isSchemeValue(scheme, value) ? `${scheme}${space}${MARK}` : whole))
    .replace(QUERY, `$1${MARK}`)
    .replace(LOOSE, `$1${MARK}`);
}

function isSchemeValue(scheme: string, value: string): boolean {
  if (PROSE.test(value)) return false;
  return scheme.toLowerCase() !== 'basic' || Buffer.from(value, 'base64').includes(':');
}

function redactNamed(text: string): string {
  let result = '';
  let done = 0;
  NAMED.lastIndex = 0;
  for (let found = NAMED.exec(text); found !== null; found = NAMED.exec(text)) {
    const [start, end] = valueAt(text, NAMED.lastIndex, found.groups?.['name'] ?? '');
    if (end <= start) continue;
    result += text.slice(done, start) + MARK;
    done = end;
    NAMED.lastIndex = end;
  }
  return result + text.slice(done);
}

/** Where the secret part of a value stands that begins at `at`; an empty range where there is none. */
function valueAt(text: string, at: number, name: string): readonly [number, number] {
  const opening = matchAt(OPENING, text, at);
  if (opening !== null) return quoted(text, at + opening.length, opening, name);
  if (text[at] === '{' || (text[at] === '[' && !text.startsWith(MARK, at))) return [at, closingOf(text, at)];
  if (/cookie$/i.test(name)) return [at, at + (matchAt(REST_OF_LINE, text, at)?.length ?? 0)];
  const start = at + (matchAt(AUTHORIZATION, text, at)?.length ?? 0);
  const value = (matchAt(BARE, text, start) ?? '').replace(/[,)}\]]+$/, '');
  // How many tokens something took is no secret.
  const counts = /token/i.test(name) && /^\d{1,9}$/.test(value);
  return value.length < 4 || PLAIN.test(value) || counts || value.startsWith(MARK) || MARK.startsWith(value) ? [start, start] : [start, start + value.length];
}

/** A value in quotes, which may be escaped themselves: JSON within JSON. Without a closing quote it goes on to the end. */
function quoted(text: string, start: number, opening: string, name: string): readonly [number, number] {
  let end = text.indexOf(opening, start);
  while (end > start && text[end - 1] === '\\') end = text.indexOf(opening, end + 1);
  if (end < 0) end = text.length;
  const from = /authorization/i.test(name) ? start + (matchAt(AUTHORIZATION, text, start)?.length ?? 0) : start;
  return [Math.min(from, end), end];
}

/** The end of the brackets that open at `at`. */
function closingOf(text: string, at: number): number {
  let depth = 0;
  for (let index = at; index < text.length; index += 1) {
    const character = text[index];
    if (character === '{' || character === '[') depth += 1;
    else if ((character === '}' || character === ']') && --depth === 0) return index + 1;
  }
  return text.length;
}

function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

/** Characters of one line after which a stream does not wait for its end. */
const LINE_LIMIT = 64 * 1024;

/** Redacts a text that comes in pieces: what may yet turn out to be a secret is held back until its line, or its private key, is whole, and the line with its name until the one with its value. */
export class RedactingStream {
  readonly #env: Readonly<Record<string, string | undefined>>;
  #held = '';

  /** `env`: the variables of the program that writes; their secret-looking values are replaced too. */
  constructor(env: Readonly<Record<string, string | undefined>> = {}) {
    this.#env = env;
  }

  /** What can be told of the text so far, redacted; may be empty. */
  push(text: string): string {
    this.#held += text;
    let whole = this.#held.lastIndexOf('\n') + 1;
    const key = this.#held.lastIndexOf('-----BEGIN ', whole);
    if (key >= 0 && !this.#held.includes('-----END ', key)) whole = Math.min(whole, key);
    whole = beforeHanging(this.#held, whole);
    if (this.#held.length - whole > LINE_LIMIT) whole = this.#held.length;
    return this.#take(whole);
  }

  /** The rest. */
  end(): string {
    return this.#take(this.#held.length);
  }

  #take(count: number): string {
    const text = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return redact(text, this.#env);
  }
}

/** Where the last line before `end` begins when it has the name of a secret and not its value; else `end`. */
function beforeHanging(text: string, end: number): number {
  const line = text.slice(Math.max(0, end - LINE_LIMIT), end).trimEnd();
  if (!HANGING.test(line.slice(-NAME_LIMIT))) return end;
  return Math.max(0, end - LINE_LIMIT) + line.lastIndexOf('\n') + 1;
}
