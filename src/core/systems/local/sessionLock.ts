import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../model/context.ts';
import { describeError, PilothouseError } from '../../model/errors.ts';
import { createProcessLedger } from './ledger.ts';
import { parseJsonLine } from './lines.ts';
import { identify, isAlive, pidSpace } from './processTree.ts';
import { abortError, pause } from './wait.ts';

/** Notes of other formats are read as far as they go: another version of this program may run the session. */
const noteSchema = z.object({
  owner: z.object({ pid: z.int().positive(), start: z.string().min(1) }).nullable().catch(null),
  space: z.object({ boot: z.string(), namespace: z.string(), computer: z.string() }).nullable().catch(null),
  /** The owner in a person's words. */
  program: z.string().catch('another program'),
  /** Folder whose process notes (ledger.ts) tell what the owner has started. */
  stateDir: z.string().nullable().catch(null),
});
type Note = z.infer<typeof noteSchema>;
type Space = NonNullable<Note['space']>;
const unreadable: Note = { owner: null, space: null, program: 'another program', stateDir: null };

/** How often an owner shows that it lives, and how long it is believed where its process cannot be looked at from here (another container, another computer on the same home). */
const beatMs = 30_000;
const believedMs = 90_000;
/** How long two that want a session at the same moment try again before one of them gives up. */
const contestMs = 3000;
/** For how long one look at the folder serves a list of sessions. */
const lookMs = 200;
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface SessionLockOptions {
  /** Whole environment: its home folder is where locks are. */
  readonly env: NodeJS.ProcessEnv;
  /** The agent's kind: ids that are no UUIDs are told apart by it. */
  readonly scope: string;
  /** This program in a person's words, within a sentence: `a VS Code window`. */
  readonly program: string;
  readonly stateDir: string;
  readonly log: Logger;
}

/** Excludes all programs of this person on this computer from one session but one. Within a process it excludes nobody: that is what leases do. */
export interface SessionLocks {
  /** Takes the session; again is fine. What a dead owner left is ended, and its lock taken over. Rejects with `session_runs_elsewhere`, which names the owner, and with `process_will_not_die`. */
  acquire(id: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  release(id: string): Promise<void>;
  /** The other program that has the session, in a person's words; null when none has. */
  holder(id: string): Promise<string | null>;
}

/** The person's folder for what all programs of ours share: it does not go by XDG_STATE_HOME, which a window started from a desktop may not know. */
export function sharedStateDir(env: NodeJS.ProcessEnv): string {
  return path.join(env['HOME'] ?? env['USERPROFILE'] ?? homedir(), '.local', 'state', 'pilothouse');
}

export function runsElsewhere(who: string): PilothouseError {
  const name = who.charAt(0).toUpperCase() + who.slice(1);
  return new PilothouseError('session_runs_elsewhere', `${name} runs this session: a second process would split it. Use it there, end it there, or fork it to go on here.`, { personMustAct: true });
}

/** A lock that this process holds, and which of its backends do. */
interface Held {
  readonly owners: Set<object>;
  free: (() => Promise<void>) | null;
  /** Settles, and never rejects, when what was asked of it last is done. */
  work: Promise<unknown>;
  /** Askings that are not done. */
  waiting: number;
}
const held = new Map<string, Held>();
/** The last look at each folder. */
const looks = new Map<string, { readonly at: number; readonly names: Promise<readonly string[]> }>();

/** One after the other. */
async function inTurn(entry: Held, act: () => Promise<void>): Promise<void> {
  entry.waiting += 1;
  const mine = entry.work.then(act).finally(() => {
    entry.waiting -= 1;
  });
  entry.work = mine.catch(() => undefined);
  await mine;
}

/**
 * One small file (mode 600) for each owner and session in `<sharedStateDir>/locks` (mode 700). Whoever wants a session writes its note first and looks then: of two at
 * the same moment at least the later one sees the other, so both never have it. A note is never written again and never changes its name, so no look can miss it.
 */
export function createSessionLocks(options: SessionLockOptions): SessionLocks {
  const folder = path.join(sharedStateDir(options.env), 'locks');
  const token = {};
  const keyOf = (id: string): string => (uuid.test(id.toLowerCase()) ? id.toLowerCase() : createHash('sha256').update(`${options.scope}\0${id}`).digest('hex').slice(0, 32));
  const entryOf = (key: string): Held => {
    const place = path.join(folder, key);
    const entry = held.get(place) ?? { owners: new Set(), free: null, work: Promise.resolve(), waiting: 0 };
    held.set(place, entry);
    return entry;
  };
  return {
    async acquire(id, { signal } = {}) {
      const key = keyOf(id);
      const entry = entryOf(key);
      await inTurn(entry, async () => {
        entry.free ??= await take(folder, key, id, options, signal);
        entry.owners.add(token);
      });
    },
    async release(id) {
      const place = path.join(folder, keyOf(id));
      const entry = held.get(place);
      if (entry === undefined) return;
      await inTurn(entry, async () => {
        if (!entry.owners.delete(token) || entry.owners.size > 0) return;
        const { free } = entry;
        entry.free = null;
        await free?.();
      });
      if (entry.free === null && entry.waiting === 0) held.delete(place);
    },
    async holder(id) {
      const key = keyOf(id);
      if ((held.get(path.join(folder, key))?.free ?? null) !== null) return null;
      const now = performance.now();
      const last = looks.get(folder);
      const look = last !== undefined && now - last.at < lookMs ? last : { at: now, names: readdir(folder).catch(() => []) };
      looks.set(folder, look);
      const names = (await look.names).filter((name) => name.startsWith(`${key}.`));
      if (names.length === 0) return null;
      const self = await identify(process.pid);
      for (const { note, alive } of await readNotes(folder, names)) if (alive && (note.owner === null || note.owner.pid !== self?.pid || note.owner.start !== self.start)) return nameOf(note);
      return null;
    },
  };
}

function nameOf(note: Note): string {
  if (note.owner === null) return note.program;
  return `${note.program} (process ${note.owner.pid}${note.space === null || note.space.computer === hostname() ? '' : ` of ${note.space.computer}`})`;
}

interface Found {
  readonly file: string;
  readonly note: Note;
  readonly alive: boolean;
  /** Its owner has made sure that nobody else has it. */
  readonly sure: boolean;
}

async function readNotes(folder: string, names: readonly string[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const name of names) {
    if (!name.endsWith('.lock')) continue;
    const file = path.join(folder, name);
    const note = await readNote(file);
    // Given back since the look.
    if (note === null) continue;
    found.push({ file, note, alive: await lives(note, file), sure: names.includes(`${name}.sure`) });
  }
  return found;
}

/** Null where there is none. What cannot be read or understood still is somebody's. */
async function readNote(file: string): Promise<Note | null> {
  try {
    const text = await readFile(file, 'utf8');
    return noteSchema.safeParse(parseJsonLine(text)).data ?? unreadable;
  } catch (error) {
    return isMissing(error) ? null : unreadable;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function lives(note: Note, file: string): Promise<boolean> {
  const here = await spaceHere();
  if (note.owner !== null && note.space !== null && note.space.computer === here.computer) {
    if (note.space.boot === here.boot && note.space.namespace === here.namespace) return isAlive(note.owner);
    if (note.space.boot !== here.boot) return false;
  }
  try {
    return Date.now() - (await stat(file)).mtimeMs < believedMs;
  } catch (error) {
    return !isMissing(error);
  }
}

async function spaceHere(): Promise<Space> {
  return { ...(await pidSpace()), computer: hostname() };
}

/** Takes the lock on the disk; gives what gives it back. Where no lock can be written at all, the session is run without one. */
async function take(folder: string, key: string, id: string, options: SessionLockOptions, signal: AbortSignal | undefined): Promise<(() => Promise<void>) | null> {
  const { log, program, stateDir } = options;
  const [owner, space] = await Promise.all([identify(process.pid), spaceHere()]);
  if (owner === null) {
    log.warn('a session is run without a lock: this system does not tell when a process was started', { session: id });
    return null;
  }
  const text = JSON.stringify({ format: 1, owner, space, program, stateDir } satisfies Note & { readonly format: 1 });
  const end = performance.now() + contestMs;
  for (;;) {
    if (signal?.aborted === true) throw abortError();
    const name = `${key}.${process.pid}-${randomUUID()}.lock`;
    const file = path.join(folder, name);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(`${file}.part`, text, { mode: 0o600 });
      await rename(`${file}.part`, file);
    } catch (error) {
      log.warn('a session is run without a lock: it could not be written', { session: id, error: describeError(error) });
      return null;
    }
    try {
      const names = await readdir(folder);
      const rivals = await readNotes(folder, names.filter((one) => one.startsWith(`${key}.`) && !one.startsWith(name)));
      const living = rivals.filter((one) => one.alive);
      if (living.length === 0) {
        for (const rival of rivals) await bury(rival, id, log);
        await writeFile(`${file}.sure`, '', { mode: 0o600 });
        return keeper(file, log);
      }
      const sure = living.find((one) => one.sure) ?? (performance.now() > end ? living[0] : undefined);
      if (sure !== undefined) throw runsElsewhere(nameOf(sure.note));
    } catch (error) {
      await drop(file);
      throw error;
    }
    await drop(file);
    await pause(10 + Math.random() * 60);
  }
}

/** What a dead owner had started may go on with the session, and even ask the model: it is ended before anybody else begins. */
async function bury(dead: Found, id: string, log: Logger): Promise<void> {
  const { owner, stateDir } = dead.note;
  const [stubborn] = stateDir === null ? [] : (await createProcessLedger(stateDir, log).reapDead()).left;
  if (stubborn !== undefined) throw new PilothouseError('process_will_not_die', `${stubborn.label} (process ${stubborn.process.pid}), which another program left behind, cannot be ended. End it by hand.`, { personMustAct: true });
  // Whose it is cannot be told, so it is left where it is: it has aged, and stops nobody.
  if (owner === null) return;
  log.info('the lock of a dead program was taken over', { session: id, pid: owner.pid });
  await drop(dead.file);
}

function keeper(file: string, log: Logger): () => Promise<void> {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch((error: unknown) => log.debug('a lock could not be refreshed', { error: describeError(error) }));
  }, beatMs);
  beat.unref();
  return async () => {
    clearInterval(beat);
    await drop(file);
  };
}

async function drop(file: string): Promise<void> {
  await rm(`${file}.sure`, { force: true });
  await rm(file, { force: true });
}
