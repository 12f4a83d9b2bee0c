import type { Database } from './database.ts';
import type { Calls } from './wire.ts';

/** Every call over a database. Each throws PilothouseErrors only. */
export function callsOver(database: Database): Calls {
  const run: Database['run'] = (session, work) => database.run(session, work);
  return {
    put: (session, entries, now) => run(session, (engine) => engine.entries.put(session, entries, now)),
    count: (session) => run(session, (engine) => engine.entries.count(session)),
    rows: (session, start, limit) => run(session, (engine) => engine.entries.rows(session, start, limit)),
    entriesOf: (session, rows) => run(session, (engine) => engine.entries.entriesOf(session, rows)),
    since: (session, after, limit, own) => run(session, (engine) => engine.entries.since(session, after, limit, own)),
    mark: (session) => run(session, (engine) => engine.entries.mark(session)),
    saveSessions: (sessions) => run(null, (engine) => engine.records.saveSessions(sessions)),
    sessions: (connectionId, most) => run(null, (engine) => engine.records.sessions(connectionId, most)),
    usage: (from, to) => run(null, (engine) => engine.usage.report(from, to)),
    removeSession: (session) => run(null, (engine) => engine.records.removeSession(session)),
    outbox: (session) => run(null, (engine) => engine.records.outbox(session)),
    saveOutbox: (item) => run(null, (engine) => engine.records.saveOutbox(item)),
    removeOutbox: (clientId) => run(null, (engine) => engine.records.removeOutbox(clientId)),
    post: (mail) => run(null, (engine) => engine.records.post(mail)),
    takeMail: (session) => run(null, (engine) => engine.records.takeMail(session)),
    keepGet: (scope, key) => run(null, (engine) => engine.records.keepGet(scope, key)),
    keepSet: (scope, key, value) => run(null, (engine) => engine.records.keepSet(scope, key, value)),
    keepList: (scope, prefix) => run(null, (engine) => engine.records.keepList(scope, prefix)),
    acquire: (name, suspect, now) => run(null, (engine) => engine.leases.acquire(name, suspect, now)),
    release: (name) => run(null, (engine) => engine.leases.release(name)),
    holder: (name, now) => run(null, (engine) => engine.leases.holder(name, now)),
    beat: (now) => run(null, (engine) => engine.leases.beat(now)),
    watch: () => database.startWatching(),
    poll: () => run(null, (engine) => engine.follower.poll()),
    survey: (rule, now) => run(null, (engine) => engine.retention.survey(rule, now)),
    forget: (session, rule, now) => run(null, (engine) => engine.retention.forget(session, rule, now)),
    shrink: () => run(null, (engine) => engine.retention.shrink()),
    close: () => database.close(),
  };
}
