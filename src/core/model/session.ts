import type { UsageFigures } from './entry.ts';

export type SystemId = 'happy' | 'clawdforge' | 'hebing' | 'local' | 'catsyphon';

/** State of a session; `unknown` means no contact, never the last known flag. */
export type SessionState = 'starting' | 'running' | 'waiting' | 'idle' | 'failed' | 'stopped' | 'unknown';

export interface Machine {
  readonly id: string;
  readonly connectionId: string;
  readonly name: string;
  readonly state: 'online' | 'offline' | 'unknown';
  /** Milliseconds since the epoch of the last contact. */
  readonly seenAt: number | null;
  readonly home: string | null;
  /** More of who it is, such as its name on the network. */
  readonly detail?: string;
}

/** One value of a picker (model, permission mode, effort). */
export interface Choice {
  readonly id: string;
  readonly label: string;
  readonly description: string | null;
}
export interface SlashCommand {
  /** Without the leading slash. */
  readonly name: string;
  readonly description: string;
  readonly argumentHint: string | null;
}

/** What can be set on a session and how it is set now; empty lists where the agent offers no choice. */
export interface SessionControls {
  readonly models: readonly Choice[];
  readonly model: string | null;
  readonly modes: readonly Choice[];
  readonly mode: string | null;
  readonly efforts: readonly Choice[];
  readonly effort: string | null;
  readonly commands: readonly SlashCommand[];
}

/** What a running turn is doing, for one quiet line. */
export interface Activity {
  readonly phase: 'starting' | 'thinking' | 'answering' | 'tool' | 'waiting' | 'retrying' | 'stalled' | 'compacting';
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly detail: string | null;
  /** When the next attempt starts, while retrying. */
  readonly until: number | null;
}

/** A limit of the person's plan that is reached: nothing is answered until it starts anew. */
export interface UsageLimit {
  /** One line that says which; without when. */
  readonly text: string;
  /** When it starts anew, milliseconds since the epoch; null where that is not told. */
  readonly until: number | null;
}

/** Who runs a session: this window, another window of ours, a program that is not ours, or nobody. */
export type SessionOwner = 'this' | 'window' | 'foreign' | 'nobody';

/** In place of a title that a session has not got. */
export const UNTITLED = 'Untitled session';

export interface Session {
  readonly id: string;
  readonly connectionId: string;
  readonly machineId: string;
  /** Absolute path on its machine. */
  readonly folder: string;
  /** Agent's word: `claude`, `codex`, or a configured agent's name. */
  readonly agent: string;
  readonly title: string;
  readonly state: SessionState;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archived: boolean;
  readonly owner: SessionOwner;
  /** Who a foreign owner is, as far as can be known. */
  readonly ownerName: string | null;
  readonly branch: string | null;
  readonly activity: Activity | null;
  readonly usage: UsageFigures | null;
  readonly model: string | null;
  /** Permission requests that wait for the person. */
  readonly waiting: readonly WaitingPermission[];
  /** Last error in one line, for state `failed`. */
  readonly error: string | null;
  /** Absent: none is known to be reached. */
  readonly limit?: UsageLimit;
  /** The git worktree that was made for it: its branch, the folder that it was made of, and whether it is finished and gone. Absent: it works in a folder of the person's. */
  readonly worktree?: { readonly branch: string; readonly source: string; readonly finished?: true };
  /** Why nothing of it can be read here, in one line: no key of its connection opens it. Absent: it can be read. */
  readonly locked?: string;
  /** The person's own marks, of our store and not of the system: pinned, and a turn ended that was not looked at since. Absent: it is not. */
  readonly pinned?: true;
  readonly unread?: true;
  /** The agent's own session behind one that a system hosts, and the name of the computer that it is on: where that is this one, it is listed once. Absent: it is the agent's own. */
  readonly agentSession?: { readonly agent: string; readonly id: string; readonly host: string };
  /** What is said in it goes to a CatSyphon, or went there. Absent: nothing of it left. */
  readonly shipped?: true;
}
export interface WaitingPermission {
  readonly requestId: string;
  readonly tool: string;
  readonly title: string;
  readonly ask: 'tool' | 'question' | 'plan';
  readonly askedAt: number;
  /** All that would be done, in one line below 200 characters: it can be allowed and denied where that line stands. Absent: it has to be looked at first. */
  readonly whole?: string;
}

/** What one system or agent can do; what is absent is hidden, never faked. */
export interface Traits {
  readonly spawn: boolean;
  readonly interrupt: boolean;
  readonly steer: boolean;
  readonly stop: boolean;
  readonly resume: boolean;
  readonly fork: boolean;
  /** `system`: the agent keeps the title; `ours`: we do. */
  readonly rename: 'system' | 'ours';
  readonly archive: 'system' | 'ours';
  readonly remove: boolean;
  readonly images: boolean;
  readonly permissions: boolean;
  /** A session that a person runs at its own terminal can be taken over. Absent: it cannot. */
  readonly takeOver?: true;
  /** A prompt that is sent again under its client id exists once, whatever became of the first time: nobody has to be asked. Absent: who sends again may send twice. */
  readonly sendsOnce?: true;
  /** The wire carries no output of tools: it is fetched from the machine when the person asks. Absent: the output comes by itself. */
  readonly outputOnRequest?: true;
  /** The machine chooses the folder of a session itself: none is asked for. Absent: the person chooses. */
  readonly choosesFolder?: true;
  /** Prompts are text alone: nothing can be attached. Absent: files can, pictures as `images` says. */
  readonly textOnly?: true;
  /** What was said may be stored here alone, since the system keeps none of it, or may not: it is not forgotten by age. Absent: the system tells it again. */
  readonly onlyHere?: true;
  /** A session that is stopped goes on in a fresh one, which is told what was said along with the next prompt: nothing is sent before the person agreed and it was resumed. Absent: it goes on as it was. */
  readonly goesOnFresh?: true;
}

/** `${connectionId}\u0000${sessionId}`: one string for maps and for the store. */
export type SessionKey = string;
export function sessionKey(ref: { readonly connectionId: string; readonly id: string }): SessionKey {
  return `${ref.connectionId}\u0000${ref.id}`;
}
export function parseSessionKey(key: SessionKey): { connectionId: string; id: string } | null {
  const cut = key.indexOf('\u0000');
  return cut < 0 ? null : { connectionId: key.slice(0, cut), id: key.slice(cut + 1) };
}
