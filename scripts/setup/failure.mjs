// @ts-check
/** A failure that a person can act on: its message says what went wrong and what to do next, so it is shown without a stack. */
export class SetupFailure extends Error {
  /**
   * @param {string} message what went wrong and what to do next
   * @param {{ cause?: unknown }} [options]
   */
  constructor(message, options) {
    super(message, options);
    this.name = 'SetupFailure';
  }
}

/**
 * The errno or npm code that an unknown error carries, or '' when it has none.
 * @param {unknown} error
 * @returns {string}
 */
export function codeOf(error) {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * Prints an error as a person should see it, and makes the process fail.
 * @param {unknown} error
 */
export function reportFailure(error) {
  if (error instanceof SetupFailure) console.error(`\n${error.message}`);
  else console.error(error);
  process.exitCode = 1;
}

/**
 * npm's and the system's ways of saying why an install failed, and the advice for each. The first match wins.
 * @type {readonly (readonly [RegExp, string])[]}
 */
const CAUSES = [
  [/EUSAGE.*|in sync/, 'package.json and package-lock.json differ. Run `npm install`, and commit both.'],
  [/ENOSPC|no space left/i, 'The disk is full. Free some space, or set PILOTHOUSE_CACHE to a folder on another disk.'],
  [/EACCES|EPERM|permission denied/i, 'A folder could not be written. Set PILOTHOUSE_CACHE to a folder of yours.'],
  [/\bE401\b|\bE403\b|Unauthorized|Forbidden/, 'The npm registry refused this machine. Check `npm config get registry` and its login.'],
  [/\bE404\b|ETARGET|notarget/i, 'The npm registry does not have that version. Check `npm config get registry`.'],
  [/EINTEGRITY/, 'A download was damaged. Run `npm cache verify`, then try again.'],
  [/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EIDLETIMEOUT|ERR_SOCKET|network/i,
    'The npm registry could not be reached. Check the network, the proxy and `npm config get registry`, then try again: what is already installed is kept.'],
  [/node-gyp|gyp ERR|make: |g\+\+/, 'A native module could not be compiled. Install python3, make and a C++ compiler (Debian: apt-get install -y python3 make g++).'],
];

/**
 * The sentence that tells a person what to do about the output of a failed install.
 * @param {string} output
 * @returns {string} '' for an unknown cause
 */
export function adviceFor(output) {
  for (const [pattern, advice] of CAUSES) if (pattern.test(output)) return advice;
  return '';
}
