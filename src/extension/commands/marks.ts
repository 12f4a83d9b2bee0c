import type { Session } from '../../core/model/session.ts';
import type { CommandName } from '../contributions.ts';
import type { Services } from '../services.ts';
import type { Handler } from './handler.ts';
import { countOf, manyOf, toEach, works } from './manySessions.ts';
import { connectionOf, sessionFor } from './pick.ts';
import { confirm } from './progress.ts';

/** Marks the session that a command is about, or all of a selection that it applies to. `first` asks the person where it is to be asked, and throws where they say no. */
const marking = (
  ask: string, words: { readonly doing: string; readonly done: string }, fits: (session: Session) => boolean, mark: (services: Services, key: string) => Promise<void>, first?: (services: Services, sessions: readonly Session[]) => Promise<void>,
): Handler => async (services, target, selection) => {
  const sessions = (manyOf(services, target, selection) ?? [(await sessionFor(services, target, ask, fits)).session]).filter(fits);
  await first?.(services, sessions);
  await toEach(services, words, sessions, (key) => mark(services, key));
};

/** Archived, what an agent asks is seen nowhere, and a Happy session's process ends. */
async function confirmArchive(services: Services, sessions: readonly Session[]): Promise<void> {
  const active = sessions.filter(works);
  if (active.length === 0) return;
  const ended = active.filter((session) => connectionOf(services, session)?.system === 'happy').length;
  const many = sessions.length > 1;
  const lines = [
    !many ? 'It works, or waits for you.' : active.length === 1 ? 'One of them works, or waits for you.' : `${active.length} of them work, or wait for you.`,
    ended === 0 ? '' : ended === active.length && ended === 1 ? 'Its process is stopped.' : ended === active.length ? 'Their processes are stopped.' : ended === 1 ? 'The process of one is stopped.' : `The processes of ${ended} are stopped.`,
    ended === active.length ? '' : 'An archived session that goes on asks nothing where you see it.',
  ];
  await confirm(`Archive ${countOf(sessions)}?`, lines.filter((line) => line !== '').join(' '), many ? 'Archive Sessions' : 'Archive Session');
}

export const markCommands = {
  pinSession: marking('Pin which session?', { doing: 'Pinning', done: 'pinned' }, (session) => session.pinned !== true && !session.archived, ({ fleet }, key) => fleet.marks.pin(key, true)),
  unpinSession: marking('Unpin which session?', { doing: 'Unpinning', done: 'unpinned' }, (session) => session.pinned === true, ({ fleet }, key) => fleet.marks.pin(key, false)),
  markSessionRead: marking('Mark which session as read?', { doing: 'Marking', done: 'marked as read' }, (session) => session.unread === true, ({ fleet }, key) => fleet.marks.markRead(key)),
  markSessionUnread: marking('Mark which session as unread?', { doing: 'Marking', done: 'marked as unread' }, (session) => session.unread !== true, ({ fleet }, key) => fleet.marks.markUnread(key)),
  archiveSession: marking('Archive which session?', { doing: 'Archiving', done: 'archived' }, (session) => !session.archived, ({ fleet }, key) => fleet.archive(key, true), confirmArchive),
  unarchiveSession: marking('Unarchive which session?', { doing: 'Unarchiving', done: 'unarchived' }, (session) => session.archived, async ({ fleet, autoArchive }, key) => {
    await autoArchive.spare(key);
    await fleet.archive(key, false);
  }),
} as const satisfies Partial<Record<CommandName, Handler>>;
