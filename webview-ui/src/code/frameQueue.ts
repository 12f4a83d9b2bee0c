/**
 * Work on the page that came between frames and is done in one: a change of the page before the frame would have it laid out twice. What does not fit into a frame waits for the next.
 */
export class FrameQueue {
  private readonly waiting: (() => void)[] = [];
  private readonly onWork: () => void;

  /** `onWork`: asks for a frame, in which `run` is called. */
  constructor(onWork: () => void) {
    this.onWork = onWork;
  }

  add(work: () => void): void {
    this.waiting.push(work);
    this.onWork();
  }

  /** Works until `deadline` (performance.now()), in the order in which the work came: one piece at least, so that it ends. True while some waits. */
  run(deadline: number): boolean {
    for (let work = this.waiting.shift(); work !== undefined; work = this.waiting.shift()) {
      work();
      if (performance.now() >= deadline) break;
    }
    return this.waiting.length > 0;
  }
}
