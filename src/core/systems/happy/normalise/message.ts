import type { Entry } from '../../../model/entry.ts';
import type { JsonObject } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import { acpEntries } from './acp.ts';
import { envelopeEntries, isEnvelope } from './envelope.ts';
import type { MessageInput, NormaliseContext } from './input.ts';
import { eventEntries, noticeEntry } from './notices.ts';
import { outputEntries } from './output.ts';
import { placeOf, rowOf, takenBack, unknownEntry } from './place.ts';
import { obj, said, str } from './read.ts';

/**
 * Entries of one message of a Happy session, from itself alone: the same message gives the same entries, and what belongs together meets by ids (rows of
 * calls and subagents, turns), whatever comes first. What follows from several messages is SessionNormaliser's. Total: no JSON makes it throw, and what is
 * not known is an `unknown` entry that keeps it whole.
 *
 * Shapes: `{role, content, meta?}` with role `user` (text), `session` (envelope, bare or within `{type:'session', data}`) and `agent` (`output`, `codex`, `acp`,
 * `session`, `event`), as recorded from happy 1.2.5 and read in slopus/happy at 2c8ecacc1.
 */
export function normaliseMessage(message: MessageInput, context: NormaliseContext): Entry[] {
  const { content } = message;
  const placeholder = rowOf.unreadable(message.id);
  const place = placeOf(message, context);
  // A ciphertext that is null and one that opens to null are alike: there is nothing to read.
  if (content === undefined || content === null) {
    return [noticeEntry(placeholder, place, { level: 'warning', code: 'cannot_decrypt', text: 'A message could not be decrypted: there is no key here that opens it.', remedy: 'Sign in with the account\'s secret to read it.' })];
  }
  const entries = bodyEntries(message, context);
  return message.retried === true ? [takenBack(placeholder, placeholder, place, 1), ...entries] : entries;
}

/** The message that a row stands for which says that it could not be decrypted; null for other rows. */
export function unreadableOfRow(row: string): string | null {
  return row.startsWith('unreadable:') ? row.slice('unreadable:'.length) : null;
}

/** The envelope in a message: bare, or in another nesting; null where it is none. */
function envelopeOf(message: MessageInput): JsonObject | null {
  const role = str(message.content, 'role');
  const content = obj(message.content, 'content');
  if (content === null || (role !== 'session' && role !== 'agent')) return null;
  if (role === 'session' && isEnvelope(content)) return content;
  const data = obj(content, 'data');
  return str(content, 'type') === 'session' && data !== null && isEnvelope(data) ? data : null;
}

function bodyEntries(message: MessageInput, context: NormaliseContext): Entry[] {
  const id = rowOf.message(message.id);
  const body = message.content ?? null;
  const place = placeOf(message, context);
  const content = obj(body, 'content');
  const role = str(body, 'role');
  if (role === 'user') {
    const text = content === null ? str(body, 'content') : str(content, 'text');
    if (text !== null && (content === null || str(content, 'type') === 'text')) return [promptEntry(text, id, message, context)];
  }
  const envelope = envelopeOf(message);
  if (envelope !== null) return envelopeEntries(envelope, message, context);
  if (role === 'agent' && content !== null) {
    const data = obj(content, 'data');
    switch (str(content, 'type')) {
      case 'output':
        if (data !== null) return outputEntries(data, message, context);
        break;
      case 'codex':
      case 'acp':
        if (data !== null) return acpEntries(content, data, message, context);
        break;
      case 'event':
        if (data !== null) return eventEntries(data, id, place);
        break;
      default: break;
    }
  }
  return [unknownEntry(`${role ?? 'message'} ${isJsonObject(content) ? (str(content, 'type') ?? '') : ''}`.trim(), id, body, place)];
}

/** A prompt that a client sent through the server. `meta.displayText` takes the place of what the agent was sent. */
function promptEntry(text: string, id: string, message: MessageInput, context: NormaliseContext): Entry {
  const meta = obj(message.content, 'meta');
  const ours = message.localId !== null && str(meta, 'sentFrom') === context.sentFrom;
  return {
    kind: 'prompt', id, row: id, ...placeOf(message, context), rev: 0, text: said(meta, 'displayText') ?? text, attachments: [], clientId: ours ? message.localId : null,
  };
}

/** What the agent was sent by a client, for matching it with what the agent's own log has; null where the message is no prompt. */
export function sentText(message: MessageInput): string | null {
  if (str(message.content, 'role') !== 'user') return null;
  const content = obj(message.content, 'content');
  return content === null ? str(message.content, 'content') : str(content, 'type') === 'text' ? str(content, 'text') : null;
}

