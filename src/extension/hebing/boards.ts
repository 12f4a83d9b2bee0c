import type { Clock, Logger } from '../../core/model/context.ts';
import type { Disposable } from '../../core/model/backend.ts';
import { describeError } from '../../core/model/errors.ts';
import { Emitter } from '../../core/transport/emitter.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { AccountRecord } from '../accounts/record.ts';
import { HebingAccess } from './access.ts';
import { JobBoard } from './board.ts';

/** One account of hebing: its record, how it is reached (null: nobody is signed in), and what is known of its jobs. */
export interface HebingAccount {
  readonly record: AccountRecord;
  readonly access: HebingAccess | null;
  readonly board: JobBoard;
}
type Accountants = Pick<Accounts, 'records' | 'access' | 'onChange'>;

/** The accounts of hebing that there are, each with its board, in the order in which they were added. Records and secrets are the accounts' own. */
export class HebingBoards implements Disposable {
  private readonly accounts: Accountants;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly boards = new Map<string, JobBoard>();
  private readonly changed: Emitter<void>;
  private readonly watching: Disposable;
  private visible = false;

  constructor(accounts: Accountants, clock: Clock, log: Logger) {
    this.accounts = accounts;
    this.clock = clock;
    this.log = log;
    this.changed = new Emitter((error) => log.error('a listener of the jobs failed', { error: describeError(error) }));
    this.watching = accounts.onChange(() => this.follow());
    this.follow();
  }

  onChange(listener: () => void): Disposable {
    return this.changed.on(listener);
  }

  all(): readonly HebingAccount[] {
    return this.accounts.records().filter((record) => record.system === 'hebing').map((record) => ({ record, access: this.accessOf(record.connectionId), board: this.boardOf(record.connectionId) }));
  }

  get(connectionId: string): HebingAccount | null {
    return this.all().find(({ record }) => record.connectionId === connectionId) ?? null;
  }

  /** Whether the Jobs view can be seen: nothing is read by itself while it can not. */
  setVisible(visible: boolean): void {
    this.visible = visible;
    for (const board of this.boards.values()) board.setVisible(visible);
  }

  async refresh(): Promise<void> {
    await Promise.all([...this.boards.values()].map((board) => board.refresh()));
  }

  dispose(): void {
    this.watching.dispose();
    for (const board of this.boards.values()) board.dispose();
    this.boards.clear();
    this.changed.clear();
  }

  private follow(): void {
    const accounts = this.all();
    const ids = new Set(accounts.map(({ record }) => record.connectionId));
    for (const [id, board] of this.boards) {
      if (ids.has(id)) continue;
      board.dispose();
      this.boards.delete(id);
    }
    for (const { access, board } of accounts) board.use(access);
    this.changed.emit();
  }

  private accessOf(connectionId: string): HebingAccess | null {
    const access = this.accounts.access(connectionId);
    return access instanceof HebingAccess ? access : null;
  }

  private boardOf(connectionId: string): JobBoard {
    let board = this.boards.get(connectionId);
    if (board === undefined) {
      board = new JobBoard({ clock: this.clock, log: this.log, changed: () => this.changed.emit() });
      board.setVisible(this.visible);
      this.boards.set(connectionId, board);
    }
    return board;
  }
}
