import { z } from 'zod';
import { ok, refuse, type Router } from '../router.ts';
import type { MessageRow, SessionRow } from '../rows.ts';
import type { World } from '../world.ts';

const listLimit = 150;
const cursorPrefix = 'cursor_v1_';
const activeQuery = z.object({ limit: z.coerce.number().int().min(1).max(500).default(150) });
const pageQuery = z.object({
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  changedSince: z.coerce.number().int().positive().optional(),
});
const createBody = z.object({ tag: z.string(), metadata: z.string(), agentState: z.string().nullish(), dataEncryptionKey: z.string().nullish() });
const messagesQuery = z.object({
  after_seq: z.coerce.number().int().min(0).optional(),
  before_seq: z.coerce.number().int().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
}).refine((query) => query.after_seq === undefined || query.before_seq === undefined, { message: 'after_seq and before_seq are mutually exclusive' });
const sendBody = z.object({ messages: z.array(z.object({ content: z.string(), localId: z.string().min(1) })).min(1).max(100) });

/** Sessions and their messages (happy.md A, Lists and Sending; B5, B6). */
export function sessionRoutes(router: Router, world: World): void {
  const { database, hub, presence } = world;
  const mine = (accountId: string): SessionRow[] => [...database.sessions.values()].filter((row) => row.accountId === accountId);
  const owned = (accountId: string, id: string | undefined): SessionRow => database.session(accountId, id ?? '') ?? refuse(404, 'Session not found');

  router.on('GET', '/v1/sessions', {
    run: ({ accountId }) => {
      const newest = mine(accountId).sort((a, b) => b.updatedAt - a.updatedAt || (a.id < b.id ? 1 : -1)).slice(0, listLimit);
      return ok({ sessions: newest.map((row) => ({ ...sessionView(row), lastMessage: null })) });
    },
  });

  router.on('GET', '/v2/sessions/active', {
    query: activeQuery,
    run: ({ accountId, query }) => {
      const since = database.now() - world.times.activeWindow;
      const active = mine(accountId).filter((row) => row.active && row.activeAt > since).sort((a, b) => b.activeAt - a.activeAt).slice(0, query.limit);
      return ok({ sessions: active.map(sessionView) });
    },
  });

  router.on('GET', '/v2/sessions', {
    query: pageQuery,
    run: ({ accountId, query }) => {
      const { cursor, limit, changedSince } = query;
      if (cursor !== undefined && cursor !== '' && !cursor.startsWith(cursorPrefix)) return refuse(400, 'Invalid cursor format');
      const below = cursor === undefined || cursor === '' ? undefined : cursor.slice(cursorPrefix.length);
      const fitting = mine(accountId)
        .filter((row) => (below === undefined || row.id < below) && (changedSince === undefined || row.updatedAt > changedSince))
        .sort((a, b) => (a.id < b.id ? 1 : -1));
      const page = fitting.slice(0, limit);
      const hasNext = fitting.length > limit;
      return ok({ sessions: page.map(sessionView), nextCursor: hasNext ? `${cursorPrefix}${page.at(-1)?.id}` : null, hasNext });
    },
  });

  router.on('POST', '/v1/sessions', {
    body: createBody,
    run: ({ accountId, body }) => {
      let row = database.sessionByTag(accountId, body.tag);
      if (row === undefined) {
        const now = database.now();
        const seq = hub.nextSeq(accountId);
        // An agentState that comes along is ignored, as on the real server.
        row = {
          id: database.newId(), accountId, tag: body.tag, seq: 0, metadata: body.metadata, metadataVersion: 0, agentState: null, agentStateVersion: 0,
          dataEncryptionKey: body.dataEncryptionKey ?? null, active: true, activeAt: now, createdAt: now, updatedAt: now,
        };
        database.addSession(row);
        database.changed();
        hub.update(accountId, { t: 'new-session', ...sessionView(row) }, {}, seq);
      } else {
        presence.hear(row.id);
      }
      return ok({ session: { ...sessionView(row), lastMessage: null } });
    },
  });

  router.on('POST', '/v1/sessions/:id/archive', {
    run: ({ accountId, params }) => (presence.archive(accountId, params['id'] ?? '') ? ok({ success: true }) : refuse(404, 'Session not found')),
  });

  router.on('DELETE', '/v1/sessions/:id', {
    run: ({ accountId, params }) => {
      const id = params['id'] ?? '';
      presence.deafen(id);
      const row = database.session(accountId, id);
      if (row === undefined) return refuse(404, 'Session not found or not owned by user');
      database.removeSession(row);
      database.changed();
      hub.update(accountId, { t: 'delete-session', sid: id });
      return ok({ success: true });
    },
  });

  router.on('GET', '/v1/sessions/:id/messages', {
    run: ({ accountId, params }) => {
      const row = owned(accountId, params['id']);
      const newest = [...database.messages(row.id)].sort((a, b) => b.createdAt - a.createdAt || b.seq - a.seq).slice(0, listLimit);
      return ok({ messages: newest.map(messageView) });
    },
  });

  router.on('GET', '/v3/sessions/:id/messages', {
    query: messagesQuery,
    run: ({ accountId, params, query }) => {
      const all = database.messages(owned(accountId, params['id']).id);
      const { after_seq: after = 0, before_seq: before, limit } = query;
      const fitting = before === undefined ? all.filter((row) => row.seq > after) : all.filter((row) => row.seq < before).reverse();
      return ok({ messages: fitting.slice(0, limit).map(messageView), hasMore: fitting.length > limit });
    },
  });

  router.on('POST', '/v3/sessions/:id/messages', {
    body: sendBody,
    run: ({ accountId, params, body }) => {
      const session = owned(accountId, params['id']);
      const wanted = new Map<string, string>();
      for (const { localId, content } of body.messages) if (!wanted.has(localId)) wanted.set(localId, content);
      const answered: MessageRow[] = [];
      const made: MessageRow[] = [];
      for (const [localId, content] of wanted) {
        const there = database.messageByLocalId(session.id, localId);
        const row = there ?? appendMessage(world, session, content, localId);
        if (there === undefined) made.push(row);
        answered.push(row);
      }
      for (const row of made) hub.update(accountId, { t: 'new-message', sid: session.id, message: messageView(row) }, { session: session.id });
      answered.sort((a, b) => a.seq - b.seq);
      return ok({ messages: answered.map(({ id, seq, localId, createdAt, updatedAt }) => ({ id, seq, localId, createdAt, updatedAt })) });
    },
  });
}

/** Keeps a message under the session's next seq; `seq`, where one was taken before. Tells nobody. */
export function appendMessage(world: World, session: SessionRow, content: string, localId: string | null, seq = takeSeq(world, session)): MessageRow {
  const now = world.database.now();
  const row: MessageRow = { id: world.database.newId(), sessionId: session.id, seq, localId, content, createdAt: now, updatedAt: now };
  world.database.addMessage(row);
  world.database.changed();
  return row;
}

/** Takes the next seq of a session, which also makes it one of the newest. */
export function takeSeq(world: World, session: SessionRow): number {
  session.seq += 1;
  session.updatedAt = world.database.now();
  return session.seq;
}

/** A session as lists, answers and `new-session` have it. */
export function sessionView(row: SessionRow): Omit<SessionRow, 'accountId' | 'tag'> {
  const { accountId: _account, tag: _tag, ...view } = row;
  return view;
}

/** A message as pages and `new-message` have it. */
export function messageView(row: MessageRow): Record<string, unknown> {
  const { id, seq, localId, content, createdAt, updatedAt } = row;
  return { id, seq, content: { t: 'encrypted', c: content }, localId, createdAt, updatedAt };
}
