import type { Session } from '../../core/model/session.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import type { Handler } from './handler.ts';
import { manyOf, toEach } from './manySessions.ts';
import { sessionFor } from './pick.ts';

/** Marks the session that a command is about, or all of a selection that it applies to. */
const marking = (ask: string, words: { readonly doing: string; readonly done: string }, fits: (session: Session) => boolean, mark: (services: Services, key: string) => Promise<void>): Handler => async (services, target, selection) => {
  const sessions = manyOf(services, target, selection) ?? [(await sessionFor(services, target, ask, fits)).session];
  await toEach(services, words, sessions.filter(fits), (key) => mark(services, key));
};

export const markCommands = {
  pinSession: marking('Pin which session?', { doing: 'Pinning', done: 'pinned' }, (session) => session.pinned !== true && !session.archived, ({ fleet }, key) => fleet.marks.pin(key, true)),
  unpinSession: marking('Unpin which session?', { doing: 'Unpinning', done: 'unpinned' }, (session) => session.pinned === true, ({ fleet }, key) => fleet.marks.pin(key, false)),
  markSessionRead: marking('Mark which session as read?', { doing: 'Marking', done: 'marked as read' }, (session) => session.unread === true, ({ fleet }, key) => fleet.marks.markRead(key)),
  markSessionUnread: marking('Mark which session as unread?', { doing: 'Marking', done: 'marked as unread' }, (session) => session.unread !== true, ({ fleet }, key) => fleet.marks.markUnread(key)),
  archiveSession: marking('Archive which session?', { doing: 'Archiving', done: 'archived' }, (session) => !session.archived, ({ fleet }, key) => fleet.archive(key, true)),
  unarchiveSession: marking('Unarchive which session?', { doing: 'Unarchiving', done: 'unarchived' }, (session) => session.archived, async ({ fleet, autoArchive }, key) => {
    await autoArchive.spare(key);
    await fleet.archive(key, false);
  }),
} as const satisfies Partial<Record<CommandName, Handler>>;
