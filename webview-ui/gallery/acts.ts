/** What a person does to a page of the gallery before its picture is taken. Each finds what it acts on within a second, or says that it is not there. */

async function find<T extends Element>(selector: string): Promise<T> {
  for (let tries = 0; tries < 50; tries += 1) {
    const found = document.querySelector<T>(selector);
    if (found !== null) return found;
    await pause(20);
  }
  throw new Error(`no ${selector} on the page`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until there is one. */
export async function seen(selector: string): Promise<void> {
  await find(selector);
}

/** Presses a button, which has the focus then. */
export async function press(selector: string): Promise<void> {
  const button = await find<HTMLElement>(selector);
  button.focus();
  button.click();
  await pause(60);
}

/** Opens everything that is folded, and what that brings, three deep. */
export async function openAll(): Promise<void> {
  await find('.log > .row');
  for (let round = 0; round < 3; round += 1) {
    for (const fold of document.querySelectorAll<HTMLElement>('.log [aria-expanded="false"]')) fold.click();
    await pause(80);
  }
  const log = await find<HTMLElement>('.log');
  log.scrollTop = log.scrollHeight;
  await pause(80);
}

/** Puts words into a text box, as if typed. */
export async function write(selector: string, words: string): Promise<void> {
  const box = await find<HTMLTextAreaElement | HTMLInputElement>(selector);
  box.focus();
  box.value = words;
  box.setSelectionRange(words.length, words.length);
  box.dispatchEvent(new InputEvent('input', { bubbles: true }));
  await pause(120);
}

/** Presses keys, one after the other, where the focus is. */
export async function keys(...names: readonly string[]): Promise<void> {
  for (const key of names) {
    const [name = '', ...held] = key.split('+').reverse();
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key: name, ctrlKey: held.includes('Control'), bubbles: true, cancelable: true }));
    await pause(40);
  }
}

/** Reads further up, away from the end. */
export async function scrollUp(pixels: number): Promise<void> {
  const log = await find<HTMLElement>('.log');
  await find('.log > .row');
  await rest(log);
  log.dispatchEvent(new WheelEvent('wheel', { deltaY: -pixels, bubbles: true }));
  log.scrollTop -= pixels;
  await rest(log);
}

/** Waits until rows are measured and nothing moves: on a busy machine that takes some frames. */
async function rest(log: HTMLElement): Promise<void> {
  for (let still = 0, before = ''; still < 5; ) {
    await pause(50);
    const now = `${log.scrollTop} ${log.scrollHeight} ${log.childElementCount}`;
    still = now === before ? still + 1 : 0;
    before = now;
  }
}
