/** Time of one frame that rows may take for work that can wait; and where they would fall behind without more, in milliseconds. */
const BUDGET_MS = 4;
const BUDGET_BEHIND_MS = 9;
/** A frame whose script and layout took longer than this was slow, in milliseconds: with what the browser does besides, the next one comes late. */
const SLOW_MS = 7;

/** What may have work that can wait: see `View.work`. */
interface Working {
  work?(deadline: number): boolean;
}

/** What frames do of the work that can wait, and whether they are slow. */
export class FrameWork {
  private began = 0;
  private late = false;

  /** Frames take long: less is to be drawn in each, or each is slower than the one before, for what came meanwhile. */
  get slow(): boolean {
    return this.late;
  }

  begin(now: number): void {
    this.began = now;
  }

  /** All of the frame's own work is done, its layout too. */
  end(now: number): void {
    this.late = now - this.began > SLOW_MS;
  }

  /** Goes on with the work of the rows, then with what came for them (`rest`), which waits while frames are slow and rows have more; true while there is more. */
  run(views: Iterable<Working>, rest: (deadline: number) => boolean): boolean {
    let more = false;
    const deadline = this.began + BUDGET_MS;
    for (const view of views) if (view.work?.(deadline) === true) more = this.slow || (view.work(this.began + BUDGET_BEHIND_MS) || more);
    return (this.slow && more) || rest(deadline) || more;
  }
}
