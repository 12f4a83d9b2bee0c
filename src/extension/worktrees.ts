import { hostname } from 'node:os';
import path from 'node:path';
import type { Connection } from '../core/fleet/connection.ts';
import type { Leases, Logger } from '../core/model/context.ts';
import type { Session, SessionKey } from '../core/model/session.ts';
import { sessionKey } from '../core/model/session.ts';
import { thisComputerId } from '../core/systems/local/machine.ts';
import type { Worktree } from '../core/systems/local/worktree/worktrees.ts';
import { Worktrees, worktreesRoot } from '../core/systems/local/worktree/worktrees.ts';
import { WatchedFolder } from './watchedFolder.ts';

interface WorktreesParts {
  readonly env: NodeJS.ProcessEnv;
  readonly leases: Leases;
  readonly log: Logger;
  /** Whether the workspace is trusted: git runs in no repository before. */
  readonly trusted: () => boolean;
}

/** Where sessions are listed and shown. */
interface Shown {
  sessions(): readonly Session[];
  connections(): readonly Pick<Connection, 'connectionId' | 'system'>[];
  readonly marks: { redress(key: SessionKey): void };
}

/** The worktrees of this person, with their records in a folder that every window watches: sessions in one are shown with its branch. */
export class SessionWorktrees extends Worktrees {
  private readonly folder: WatchedFolder;
  private readonly dressed = new WeakMap<Session, Session>();
  private readonly trusted: () => boolean;
  private shown: Shown | null = null;

  constructor({ env, leases, log, trusted }: WorktreesParts) {
    const root = worktreesRoot(env);
    const folder = new WatchedFolder({ folder: path.join(root, 'records'), what: 'worktrees', code: 'worktrees_not_writable', log, changed: () => this.tell() });
    super({ root, env, leases, log, records: folder, now: Date.now });
    this.folder = folder;
    this.trusted = trusted;
  }

  /** From now on changes are shown there. */
  showIn(shown: Shown): void {
    this.shown = shown;
  }

  /** The session with the branch of its worktree; the same object as long as neither changes. */
  readonly dress = (session: Session): Session => {
    const worktree = session.machineId === thisComputerId ? this.of(session.folder) : null;
    if (worktree === null) return session;
    const { branch, source, endedAt } = worktree;
    const known = this.dressed.get(session);
    if (known !== undefined && (known.worktree?.finished === true) === (endedAt !== undefined)) return known;
    const made: Session = { ...session, branch: session.branch ?? branch, worktree: { branch, source, ...(endedAt === undefined ? {} : { finished: true }) } };
    this.dressed.set(session, made);
    return made;
  };

  /** The worktree that a session works or worked in. Null for one of another computer, whatever its path, and for one that a system hosts here: what is done in it is that system's. */
  ofSession(session: Session): Worktree | null {
    const worktree = session.machineId === thisComputerId ? this.of(session.folder) : null;
    return worktree !== null && this.shown?.connections().find(({ connectionId }) => connectionId === session.connectionId)?.system === 'local' ? worktree : null;
  }

  /** Sessions of this computer's own agents that work in it. */
  sessionsIn(id: string): readonly Session[] {
    return this.within(id).filter((session) => this.ofSession(session) !== null);
  }

  /** Sessions that another system hosts on this computer, as far as it tells, and that work in it. */
  hostedIn(id: string): readonly Session[] {
    return this.within(id).filter((session) => this.ofSession(session) === null && session.agentSession?.host === hostname());
  }

  /** The worktree that may end along with a session. Null where it has none of its own, others are in it, or the workspace is not trusted. */
  endingWith(session: Session): Worktree | null {
    const worktree = this.trusted() ? this.ofSession(session) : null;
    return worktree === null || worktree.endedAt !== undefined || this.within(worktree.id).some((other) => sessionKey(other) !== sessionKey(session)) ? null : worktree;
  }

  /** A session is gone: the worktree that it leaves is removed where nothing was done in it and nobody else is. */
  async leftBy(session: Session): Promise<void> {
    const worktree = this.endingWith(session);
    if (worktree !== null && this.within(worktree.id).length === 0) await this.forget(worktree);
  }

  dispose(): void {
    this.folder.dispose();
  }

  private tell(): void {
    for (const session of this.shown?.sessions() ?? []) if (this.isOurs(session.folder)) this.shown?.marks.redress(sessionKey(session));
  }

  private within(id: string): readonly Session[] {
    return this.shown?.sessions().filter((session) => this.of(session.folder)?.id === id) ?? [];
  }
}
