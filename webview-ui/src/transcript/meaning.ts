/** How long after a key, a touch or a press a scroll counts as meant, in milliseconds. */
const MEANT_MS = 400;

/** Whether the person has just done something to the log that scrolls it. */
export class Meaning {
  private at = Number.NEGATIVE_INFINITY;
  private pressed = false;

  constructor(log: HTMLElement) {
    const note = (): void => void (this.at = performance.now());
    for (const type of ['keydown', 'touchmove', 'wheel']) log.addEventListener(type, note, { passive: true, capture: true });
    // The scroll bar is a part of the log.
    log.addEventListener('pointerdown', () => (this.pressed = true), { passive: true, capture: true });
    const release = (): void => {
      if (this.pressed) note();
      this.pressed = false;
    };
    for (const type of ['pointerup', 'pointercancel', 'blur']) window.addEventListener(type, release, { passive: true });
    window.addEventListener('pointermove', (event) => event.buttons === 0 && release(), { passive: true });
  }

  get meant(): boolean {
    return this.pressed || performance.now() - this.at < MEANT_MS;
  }
}
