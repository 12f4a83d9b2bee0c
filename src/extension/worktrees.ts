import path from 'node:path';
import type { Leases, Logger } from '../core/model/context.ts';
import type { Session, SessionKey } from '../core/model/session.ts';
import { sessionKey } from '../core/model/session.ts';
import { Worktrees, worktreesRoot } from '../core/systems/local/worktree/worktrees.ts';
import { WatchedFolder } from './watchedFolder.ts';

interface WorktreesParts {
  readonly env: NodeJS.ProcessEnv;
  readonly leases: Leases;
  readonly log: Logger;
}

/** Where sessions are listed and shown. */
interface Shown {
  sessions(): readonly Session[];
  readonly marks: { redress(key: SessionKey): void };
}

/** The worktrees of this person, with their records in a folder that every window watches: sessions in one are shown with its branch. */
export class SessionWorktrees extends Worktrees {
  private readonly folder: WatchedFolder;
  private readonly dressed = new WeakMap<Session, Session>();
  private shown: Shown | null = null;

  constructor({ env, leases, log }: WorktreesParts) {
    const root = worktreesRoot(env);
    const folder = new WatchedFolder({ folder: path.join(root, 'records'), what: 'worktrees', code: 'worktrees_not_writable', log, changed: () => this.tell() });
    super({ root, env, leases, log, records: folder, now: Date.now });
    this.folder = folder;
  }

  /** From now on changes are shown there. */
  showIn(shown: Shown): void {
    this.shown = shown;
  }

  /** The session with the branch of its worktree; the same object as long as neither changes. */
  readonly dress = (session: Session): Session => {
    const worktree = this.of(session.folder);
    if (worktree === null) return session;
    const { branch, source, endedAt } = worktree;
    const known = this.dressed.get(session);
    if (known !== undefined && (known.worktree?.finished === true) === (endedAt !== undefined)) return known;
    const made: Session = { ...session, branch: session.branch ?? branch, worktree: { branch, source, ...(endedAt === undefined ? {} : { finished: true }) } };
    this.dressed.set(session, made);
    return made;
  };

  /** Sessions that work in it. */
  sessionsIn(id: string): readonly Session[] {
    return this.shown?.sessions().filter((session) => this.of(session.folder)?.id === id) ?? [];
  }

  /** A session is gone: the worktree that it leaves is removed where nothing was done in it and nobody else is. */
  async leftBy(session: Session): Promise<void> {
    const worktree = this.of(session.folder);
    if (worktree !== null && worktree.endedAt === undefined && this.sessionsIn(worktree.id).length === 0) await this.forget(worktree);
  }

  dispose(): void {
    this.folder.dispose();
  }

  private tell(): void {
    for (const session of this.shown?.sessions() ?? []) if (this.isOurs(session.folder)) this.shown?.marks.redress(sessionKey(session));
  }
}
