import type { Entry } from '../../../model/entry.ts';
import type { Credentials } from '../credentials.ts';
import type { MirroredSession } from '../mirrored.ts';

/** Row of the one notice that stands for all messages of a session which no key here opens. */
const ROW = 'session:locked';

/** Why nothing of a session can be read, in one line; null for one whose record can be read. */
export function lockedText({ readable }: Pick<MirroredSession, 'readable'>, credentials: Credentials): string | null {
  if (readable === 'yes') return null;
  const what = readable === 'no-key' ? 'This account’s key does not open this session' : 'This account’s key opens nothing in this session: it was written under another one, or is damaged';
  return `${what}. Its title, messages and requests cannot be read here. ${credentials.describe()}`;
}

/** The notice, in the place of all messages. */
export function lockedEntry({ createdAt }: Pick<MirroredSession, 'createdAt'>, text: string, credentials: Credentials): Entry {
  const remedy = credentials.master === null ? 'Use Sign In… and sign in by link: that brings the account’s secret, which reads every session of it.' : 'Use Sign In… with the secret that it was made under, or read it on the device that made it.';
  return { kind: 'notice', id: ROW, row: ROW, order: [createdAt, 0, 0], at: createdAt, turn: null, parent: null, rev: 0, level: 'warning', code: 'session_locked', text, remedy };
}

/** Takes the notice back. */
export function unlockedEntry(): Entry {
  return {
    kind: 'usage', id: ROW, row: ROW, order: [0, 0, 0], at: null, turn: null, parent: null, rev: 1, scope: 'turn',
    figures: { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: null, contextTokens: null, contextWindow: null },
  };
}
