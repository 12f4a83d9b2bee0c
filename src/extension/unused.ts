import type { Connection } from '../core/fleet/connection.ts';
import type { Keep, Logger } from '../core/model/context.ts';
import { describeError } from '../core/model/errors.ts';
import type { Row } from '../core/model/row.ts';
import type { Session, SessionKey } from '../core/model/session.ts';

/** What is needed of a session's runtime. */
interface Used {
  readonly transcript: { readonly total: number; readonly tail: readonly Pick<Row, 'kind'>[] };
  outboxItems(): readonly unknown[];
  historyRead(): Promise<void>;
  release(): void;
}

interface Fleet {
  session(key: SessionKey): Session | null;
  connections(): readonly Connection[];
  open(key: SessionKey): Promise<Used>;
  remove(key: SessionKey): Promise<void>;
}

interface UnusedOptions {
  readonly fleet: Fleet;
  /** Which sessions were begun here and not used yet, until they are. */
  readonly keep: Keep;
  readonly log: Logger;
  /** Tells the person that one was removed. */
  readonly removed: (session: Session) => void;
}

/** Sessions that New Session… made: one whose chat is closed before anything was said in it is removed again, with its agent. What anybody said, queued or began to write keeps it. */
export class UnusedSessions {
  private readonly options: UnusedOptions;

  constructor(options: UnusedOptions) {
    this.options = options;
  }

  /** It was just made. */
  async began(key: SessionKey): Promise<void> {
    await this.options.keep.set(key, '1').catch((error: unknown) => this.options.log.warn('a session is not known to be unused', { error: describeError(error) }));
  }

  /** The person closed its chat. `draft`: something stands in its message box. Never rejects: what cannot be removed stays. */
  async closed(key: SessionKey, draft: boolean): Promise<void> {
    const { fleet, keep, log } = this.options;
    try {
      if ((await keep.get(key)) === null || draft) return;
      const session = fleet.session(key);
      if (session !== null && !this.mayGo(session)) return;
      const empty = session === null ? false : await this.isEmpty(key);
      if (empty === null) return;
      if (session !== null && empty) await fleet.remove(key);
      // Only now: one that is not removed, as its window ends meanwhile, is looked at when its chat is closed again.
      await keep.set(key, null);
      if (session !== null && empty) this.options.removed(session);
    } catch (error) {
      log.warn('a session that was not used could not be removed', { error: describeError(error) });
    }
  }

  /** Only what is known for sure is removed: with contact, at rest, and by nobody else. */
  private mayGo(session: Session): boolean {
    const connection = this.options.fleet.connections().find((each) => each.connectionId === session.connectionId);
    const rests = session.state === 'idle' || session.state === 'starting' || session.state === 'stopped' || session.state === 'failed';
    return connection !== undefined && connection.traits.remove && connection.state.status === 'ready' && rests && (session.owner === 'this' || session.owner === 'nobody');
  }

  /** Whether nothing was said in it, as its own record has it; null where that is not known now. */
  private async isEmpty(key: SessionKey): Promise<boolean | null> {
    const runtime = await this.options.fleet.open(key);
    try {
      await runtime.historyRead();
      const { transcript } = runtime;
      const session = this.options.fleet.session(key);
      if (session === null || !this.mayGo(session)) return null;
      return runtime.outboxItems().length === 0 && transcript.total === transcript.tail.length && transcript.tail.every((row) => row.kind === 'notice');
    } finally {
      runtime.release();
    }
  }
}
