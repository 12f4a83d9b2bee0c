import type { Entry, TurnState } from '../../../model/entry.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { callEntries, resultEntry, subagentEntry } from './calls.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { limitNotice, notificationEntries, splitNotifications, usageEntries } from './notices.ts';
import type { Place } from './place.ts';
import { nth, placeOf, revs, rowOf, unknownEntry } from './place.ts';
import { has, num, obj, raw, said, str } from './read.ts';

/** True for what looks like an envelope of the session protocol: `{id, time, role, turn?, subagent?, usage?, ev}`. */
export function isEnvelope(value: JsonValue | undefined): value is JsonObject {
  return isJsonObject(value) && isJsonObject(value['ev']);
}

/** The moment and identity of an envelope. Its own id is its identity: the same one may come in two messages. */
interface EnvelopeFacts {
  readonly id: string;
  readonly place: Place;
  readonly turn: string | null;
  readonly role: string;
  readonly kind: string;
  readonly ev: JsonObject;
}
function envelopeFacts(envelope: JsonObject, message: MessageInput, context: NormaliseContext): EnvelopeFacts {
  const ev = obj(envelope, 'ev') ?? {};
  const turn = said(envelope, 'turn');
  const subagent = said(envelope, 'subagent');
  const id = rowOf.envelope(said(envelope, 'id') ?? message.id);
  const told = placeOf(message, context, { time: num(envelope, 'time'), turn, parent: subagent === null ? null : rowOf.subagent(subagent) });
  const began = turn === null ? null : momentOfUuid(turn);
  const place = began === null ? told : { ...told, order: placeOf(message, context, { time: began }).order };
  return { id, place, turn, role: str(envelope, 'role') ?? '', kind: str(ev, 't') ?? '', ev };
}

/**
 * When a turn of Codex' own began: its id is a UUID of version 7. Only what its command line replays of a thread has such ids, with times of whole seconds that put what was
 * said after what was done; all of a turn stands where it began, in the order in which it was sent.
 */
function momentOfUuid(id: string): number | null {
  const hex = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.exec(id);
  return hex === null ? null : Number.parseInt(`${hex[1] ?? ''}${hex[2] ?? ''}`, 16);
}

/** Entries of an envelope; none but figures for what shows nothing (`turn-start`, empty thinking, `service` that only carries usage). */
export function envelopeEntries(envelope: JsonObject, message: MessageInput, context: NormaliseContext): Entry[] {
  const facts = envelopeFacts(envelope, message, context);
  return [...eventEntries(facts, envelope, context), ...usageEntries(obj(envelope, 'usage'), facts.place)];
}

function eventEntries(facts: EnvelopeFacts, envelope: JsonObject, context: NormaliseContext): Entry[] {
  const { ev, id, place, turn, role, kind } = facts;
  const subagent = said(envelope, 'subagent');
  const unknown = (): Entry[] => [unknownEntry(`session ${kind}`.trim(), id, envelope, place)];
  switch (kind) {
    case 'text': {
      const text = str(ev, 'text');
      if (text === null) return unknown();
      // What a call of a replayed thread gave comes as if the agent thought it.
      const item = said(envelope, 'codexItemId');
      if (item !== null && str(envelope, 'id') === `${item}:output`) return [resultEntry(rowOf.call(item), item, place, { status: 'ok', rev: revs.result.told, output: text })];
      return role === 'user' ? saidEntries(text, id, place) : answerEntries(text, ev['thinking'] === true ? 'thinking' : 'text', id, place);
    }
    case 'thinking':
    case 'service': {
      const text = str(ev, 'text') ?? str(ev, 'thinking');
      return text === null ? unknown() : answerEntries(text, kind === 'thinking' ? 'thinking' : 'text', id, place);
    }
    case 'tool-call-start': {
      const call = str(ev, 'call');
      if (call === null || call === '') return unknown();
      const title = said(ev, 'title') ?? said(ev, 'description');
      return callEntries({ call, name: said(ev, 'name') ?? 'tool', input: raw(ev, 'args'), title }, place, context);
    }
    case 'tool-call-end': {
      const call = str(ev, 'call');
      return call === null || call === '' ? unknown() : [resultEntry(rowOf.call(call), call, place, toldResult(ev))];
    }
    case 'file': {
      const ref = str(ev, 'ref');
      if (ref === null) return unknown();
      const row = rowOf.blob(ref);
      const mediaType = said(ev, 'mimeType') ?? (has(ev, 'image') ? 'image/*' : 'application/octet-stream');
      return [{ kind: 'file', id: row, row, ...place, rev: 0, file: { name: str(ev, 'name') ?? 'file', mediaType, size: num(ev, 'size'), data: null, path: null } }];
    }
    case 'start': return subagent === null ? unknown() : [subagentEntry(subagent, said(ev, 'title') ?? 'Agent', { ...place, parent: null }, context, '')];
    case 'stop': {
      if (subagent === null) return unknown();
      return [resultEntry(rowOf.subagent(subagent), subagent, { ...place, parent: null }, { status: 'ok', rev: revs.result.over })];
    }
    case 'usage': {
      const told = usageEntries(obj(ev, 'usage') ?? ev, place);
      return told.length > 0 || has(envelope, 'usage') ? told : unknown();
    }
    case 'turn-start': return turn === null ? unknown() : [turnStart(turn, place)];
    case 'turn-end': {
      const state = turnStates.get(str(ev, 'status') ?? 'completed');
      return turn === null || state === undefined ? unknown() : [turnEnd(turn, place, state)];
    }
    default: return unknown();
  }
}

const turnStates: ReadonlyMap<string, Exclude<TurnState, 'running'>> = new Map([['completed', 'completed'], ['failed', 'failed'], ['cancelled', 'cancelled'], ['canceled', 'cancelled']]);

export function turnStart(turn: string, place: Place): Entry {
  return {
    kind: 'turn', id: `${rowOf.turn(turn)}/start`, row: null, ...place, turn, parent: null, rev: 0, phase: 'start', state: 'running', durationMs: null, figures: null, filesChanged: [],
    error: null,
  };
}

const mostKnown = 8_191;

/**
 * Versions of a turn's end: the later of two ends holds, and of one end the version that knows more of its turn (0 to 8191), and above
 * those one that knows that it was broken off. Whole numbers that a double holds exactly until 2038.
 */
export function turnEndRev(at: number, known: number, broken = false): number {
  return Math.floor(Math.max(0, at - 1.6e12)) * 16_384 + Math.min(known, mostKnown) + (broken ? mostKnown + 1 : 0);
}

export function turnEnd(turn: string, place: Place, state: Exclude<TurnState, 'running'>): Extract<Entry, { kind: 'turn' }> {
  const row = `${rowOf.turn(turn)}/end`;
  return { kind: 'turn', id: row, row, ...place, turn, parent: null, rev: turnEndRev(place.at ?? 0, 0), phase: 'end', state, durationMs: null, figures: null, filesChanged: [], error: null };
}

/** The end of a call tells no more than that; where a command line adds a result after all, it is kept. */
function toldResult(ev: JsonObject): { readonly status: 'ok' | 'error'; readonly rev: number; readonly output?: string } {
  const status = ev['isError'] === true || ev['is_error'] === true || str(ev, 'status') === 'error' ? 'error' : 'ok';
  const output = str(ev, 'output') ?? str(ev, 'result');
  return output === null ? { status, rev: revs.result.ended } : { status, rev: revs.result.told, output };
}

/** Text of the agent; empty thinking shows nothing. */
export function answerEntries(text: string, kind: 'text' | 'thinking', id: string, place: Place): Entry[] {
  if (text.trim() === '') return [];
  const { notifications, rest } = splitNotifications(text);
  const told = notifications.flatMap((one, index) => notificationEntries(one, `${id}/task${index}`, nth(place, index * 2)));
  if (rest.trim() === '') return told;
  const own = nth(place, notifications.length * 2);
  return [...told, limitNotice(rest, id, own) ?? { kind, id, row: id, ...own, rev: 0, text: rest }];
}

/**
 * What the agent's own log has as the person's words: typed in the terminal of the machine, or queued prompts that were sent as one (then the session's log
 * takes it back). Notifications of background tasks come in the same way.
 */
export function saidEntries(text: string, id: string, place: Place): Entry[] {
  const { notifications, rest } = splitNotifications(text);
  const told = notifications.flatMap((one, index) => notificationEntries(one, `${id}/task${index}`, nth(place, index * 2)));
  if (rest.trim() === '') return told;
  return [...told, { kind: 'prompt', id, row: id, ...nth(place, notifications.length * 2), rev: 0, text: rest, attachments: [], clientId: null }];
}
