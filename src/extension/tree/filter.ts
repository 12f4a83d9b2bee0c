import type { Session } from '../../core/model/session.ts';
import { findWord, folded, parseQuery } from '../../core/session/search/query.ts';

/** What the person looks for in the Sessions view. */
export interface SessionFilter {
  /** As it was typed, without white space around it. */
  readonly text: string;
  /** True where archived sessions were asked for by `is:archived`. */
  readonly archived: boolean;
  matches(session: Session): boolean;
}

/** Names that sessions hold by id alone. */
interface FilterNames {
  readonly machine: (id: string) => string;
  readonly connection: (id: string) => string;
}

type Field = 'title' | 'folder' | 'branch' | 'agent' | 'model' | 'machine' | 'connection';
const FIELDS: readonly Field[] = ['title', 'folder', 'branch', 'agent', 'model', 'machine', 'connection'];

const STATES: Readonly<Record<string, (session: Session) => boolean>> = {
  waiting: (session) => session.state === 'waiting' || session.waiting.length > 0,
  running: ({ state }) => state === 'running' || state === 'starting',
  idle: ({ state }) => state === 'idle',
  failed: ({ state }) => state === 'failed',
  stopped: ({ state }) => state === 'stopped',
  unknown: ({ state }) => state === 'unknown',
  pinned: ({ pinned }) => pinned === true,
  unread: ({ unread }) => unread === true,
  archived: ({ archived }) => archived,
};

/** Folded texts of sessions, for as long as the same session is looked at again: at every key that is typed. */
const texts = new WeakMap<Session, string>();

/**
 * The filter that a text stands for; null where it says nothing. Every word must be in the title, folder, branch, agent, model, machine or connection of a session, without case and accents; a phrase stands
 * between double quotes. `agent:codex` looks in one of them alone, `is:waiting` at the state or a mark; a state that is not typed to its end counts as all that begin so.
 */
export function parseFilter(text: string, names: FilterNames): SessionFilter | null {
  const query = parseQuery(text);
  if (query === null) return null;
  const named = { machine: remembered(names.machine), connection: remembered(names.connection) };
  const tests = query.words.map((word) => testOf(word, named));
  return {
    text: text.trim(),
    archived: query.words.some((word) => word.startsWith('is:a') && 'is:archived'.startsWith(word)),
    matches: (session) => tests.every((test) => test(session)),
  };
}

type Test = (session: Session) => boolean;

function testOf(word: string, names: FilterNames): Test {
  const [, name = '', value = ''] = /^([a-z]+):(.*)$/s.exec(word) ?? [];
  if (name === 'is') {
    const tests = Object.entries(STATES).filter(([state]) => state.startsWith(value)).map(([, test]) => test);
    return value === '' ? () => true : (session) => tests.some((test) => test(session));
  }
  const field = FIELDS.find((each) => each === name);
  if (field !== undefined) return (session) => holds(folded(fieldOf(session, field, names)), value);
  return (session) => holds(textOf(session), word) || holds(names.machine(session.machineId), word) || holds(names.connection(session.connectionId), word);
}

function holds(text: string, word: string): boolean {
  return findWord(text, word) !== null;
}

function fieldOf(session: Session, field: Field, names: FilterNames): string {
  switch (field) {
    case 'machine': return names.machine(session.machineId);
    case 'connection': return names.connection(session.connectionId);
    case 'title': case 'folder': case 'agent': return session[field];
    case 'branch': case 'model': return session[field] ?? '';
  }
}

function textOf(session: Session): string {
  const known = texts.get(session);
  if (known !== undefined) return known;
  const text = folded([session.title, session.folder, session.branch ?? '', session.agent, session.model ?? ''].join('\n'));
  texts.set(session, text);
  return text;
}

function remembered(name: (id: string) => string): (id: string) => string {
  const known = new Map<string, string>();
  return (id) => {
    const text = known.get(id) ?? folded(name(id));
    known.set(id, text);
    return text;
  };
}
