import { createHash } from 'node:crypto';
import type { Entry, Order } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { num, obj } from './read.ts';

/** Where an entry stands. */
export interface Place {
  readonly order: Order;
  readonly at: number | null;
  readonly turn: string | null;
  readonly parent: string | null;
}

/**
 * Versions of what one id names, by how much their source knows. Of a tool call: `asked` from a permission request, `begun` the `start` of a subagent, `whole`
 * the call itself. Of a result: `over` the turn of the call or the subagent ended, `ended` its own end (a turn that was broken off says more, below 2), `refused` the
 * person did not allow it, `told` a message that carries the result itself.
 */
export const revs = {
  call: { asked: 0, begun: 1, whole: 2 },
  result: { over: 0, ended: 1, refused: 2, told: 3 },
} as const;

/**
 * Agent messages that an envelope carries are dated by the machine, all others by the server. Order: by time, then by the server's number. The command
 * line's outbox sends the newest fifty first when more wait, so its own time is right where the server's number is not; nothing can have been made after it
 * arrived, so the server's time is the latest that counts.
 */
function momentOf(message: MessageInput, context: NormaliseContext, envelopeTime: number | null): number {
  const landed = finite(message.createdAt);
  return envelopeTime === null ? landed : Math.min(landed, envelopeTime + context.clockLagMs);
}

/** The same for a moment that agentState tells, on the machine's clock. */
export function machineMoment(at: number, context: NormaliseContext): number {
  return at + context.clockLagMs;
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

/** Place of a message's first entry. */
export function placeOf(message: MessageInput, context: NormaliseContext, own: { readonly time?: number | null; readonly turn?: string | null; readonly parent?: string | null } = {}): Place {
  const at = momentOf(message, context, own.time ?? null);
  return { order: [at, finite(message.seq), 0], at, turn: own.turn ?? null, parent: own.parent ?? null };
}

/** Place of the `index`-th part of the same message. */
export function nth(place: Place, index: number): Place {
  const [at = 0, seq = 0, sub = 0] = place.order;
  return { ...place, order: [at, seq, sub + index] };
}

/** After everything of the same millisecond. */
export const lastSeq = Number.MAX_SAFE_INTEGER;

/**
 * Happy's id of the subagent that a call of Claude's Agent or Task tool starts: its command line derives it from the call's id (`sessionSubagent` in the
 * call's arguments, `subagent` of what happens within). Seen with 1.2.5.
 */
export function subagentOf(call: string): string {
  return `c${createHash('sha256').update(`claude-subagent:${call}`).digest('hex').slice(0, 23)}`;
}

export const rowOf = {
  /** Row of a call. It is the row of the subagent that the call starts, so that what happens within finds it without knowing the call. */
  call: (call: string): string => `tool:${subagentOf(call)}`,
  subagent: (subagent: string): string => `tool:${subagent}`,
  message: (id: string): string => `m:${id}`,
  envelope: (id: string): string => `e:${id}`,
  blob: (ref: string): string => `blob:${ref}`,
  turn: (turn: string): string => `turn:${turn}`,
  ask: (requestId: string, createdAt: number | null): string => `ask:${requestId}@${createdAt ?? ''}`,
  unreadable: (id: string): string => `unreadable:${id}`,
} as const;

/** The reference of an attachment's blob from the key of its row; null for other rows. */
export function refOfRow(row: string): string | null {
  return row.startsWith('blob:') ? row.slice('blob:'.length) : null;
}

/** Takes back what an entry showed: a later version of it that belongs to the row and shows nothing. */
export function takenBack(id: string, row: string, place: Place, rev: number): Entry {
  return {
    kind: 'usage', id, row, ...place, rev, scope: 'turn',
    figures: { inputTokens: null, outputTokens: null, cachedTokens: null, costUsd: null, contextTokens: null, contextWindow: null },
  };
}

/** Wire content that this build does not know, whole. */
export function unknownEntry(source: string, id: string, value: JsonValue, place: Place): Entry {
  return { kind: 'unknown', id, row: id, ...place, rev: 0, source: `happy ${source}`, raw: value };
}

/**
 * How far the machine's clock stands behind the server's, from messages of one session: the shortest time that an envelope seems to have travelled. Null without envelopes.
 * Content that is not readable counts for nothing.
 */
export function toldClockLag(messages: Iterable<MessageInput>): number | null {
  let lag = Number.POSITIVE_INFINITY;
  for (const message of messages) {
    const content = obj(message.content, 'content');
    const time = num(content, 'time') ?? num(obj(content, 'data'), 'time');
    if (time !== null && Number.isFinite(message.createdAt)) lag = Math.min(lag, message.createdAt - time);
  }
  return Number.isFinite(lag) ? lag : null;
}

/** The same, 0 where nothing tells it. */
export function clockLagOf(messages: Iterable<MessageInput>): number {
  return toldClockLag(messages) ?? 0;
}
