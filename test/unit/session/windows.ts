import { strict as assert } from 'node:assert';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { createTranscript } from '../../../src/core/session/transcript.ts';
import type { TranscriptView } from '../../../src/core/session/transcript-api.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import { HandClock, settle } from './hand-clock.ts';
import type { MemoryStore } from './memory-store.ts';
import type { Setting } from './properties.ts';
import { applyOps, assertSame, assertTail, checkStored, compare, partitioned, randomFrom, repeated, SESSION, shuffled, watchfulLog } from './properties.ts';

/**
 * Which windows are told of what happens: `one` (the others follow it), `any` (each batch comes to one or more of them, as where all of them read a session's
 * history or the file that a terminal writes), `heirs` (one, until it dies with what it had not written and another reads everything again and goes on).
 */
export type Telling = 'one' | 'any' | 'heirs';

export interface WindowsSetting extends Omit<Setting, 'store'> {
  readonly telling: Telling;
  readonly windows: number;
  /** Makes the store of another window of one database. */
  readonly stores: () => MemoryStore;
}

class Window {
  readonly store: MemoryStore;
  readonly clock = new HandClock();
  readonly mirror: Row[] = [];
  private readonly random: () => number;
  private readonly setting: WindowsSetting;
  private readonly log = watchfulLog();
  private mark = 0;
  private opened: TranscriptView | null = null;
  alive = true;

  constructor(setting: WindowsSetting, random: () => number) {
    this.store = setting.stores();
    this.store.ticks = () => Math.floor(random() * 4);
    this.setting = setting;
    this.random = random;
  }

  get isOpen(): boolean {
    return this.opened !== null;
  }

  get view(): TranscriptView {
    assert.ok(this.opened !== null, 'the window is open');
    return this.opened;
  }

  /** As a window does: the mark first, then the view, then what was written since. */
  async open(): Promise<void> {
    const { tailRows, keepRows } = this.setting;
    this.mark = await this.store.mark(SESSION);
    const view = await createTranscript({ store: this.store, session: SESSION, log: this.log.log, clock: this.clock, tailRows, keepRows });
    this.opened = view;
    // A page knows how many rows there are, and reads those that are not in memory when it needs them.
    for (let index = 0; index < view.start; index += 1) this.mirror.push({ kind: 'unknown', key: `#${index}`, at: null, turn: null, source: 'page', raw: null });
    this.mirror.push(...view.tail);
    view.onChange((ops) => {
      applyOps(this.mirror, ops, false);
      assertTail(this.mirror, view);
    });
  }

  /** Reads on in what others wrote; false when there was nothing. */
  async follow(): Promise<boolean> {
    const found = await this.store.entriesSince(SESSION, this.mark, 1 + Math.floor(this.random() * 20));
    this.mark = found.mark;
    if (found.entries.length > 0) this.view.add(found.entries, { stored: true });
    return found.entries.length > 0;
  }

  async goOn(): Promise<void> {
    const chance = this.random();
    if (chance < 0.4) this.clock.advance(300);
    if (chance < 0.2) await settle(Math.floor(this.random() * 30));
    if (chance > 0.7) await this.follow().catch(() => false);
    if (chance > 0.95) await this.view.flush();
  }

  /** Ends as a process does that is killed: nothing of it reaches the store any more. */
  die(): void {
    this.alive = false;
    this.store.fail = () => true;
  }

  async end(expected: readonly Row[]): Promise<void> {
    await compare(this.view, expected, this.setting);
    assertSame(this.mirror.length, expected.length, 'the changes make as many rows as there are');
    assertSame(this.mirror.slice(this.view.start), this.view.tail, 'the changes lead to the rows in memory');
    await this.view[Symbol.asyncDispose]();
    assert.equal(this.clock.pending, 0, 'no timer is left');
    this.log.check();
  }
}

/**
 * Several windows on one store, which are told of the batches and follow each other while time goes on at random; in the end all show the same, and the store
 * holds it. The list that the changes of a window make has as many rows and the same end; what another window did to rows that are not in memory is not told
 * exactly.
 */
export async function checkWindows(entries: readonly Entry[], batches: readonly (readonly Entry[])[], setting: WindowsSetting): Promise<void> {
  const random = randomFrom(setting.seed);
  const windows = Array.from({ length: setting.windows }, () => new Window(setting, random));
  const [first] = windows;
  assert.ok(first !== undefined);
  let owner = first;
  await owner.open();
  const { failing = 0 } = setting;
  const living = (): Window[] => windows.filter((window) => window.isOpen && window.alive);
  for (const [index, batch] of batches.entries()) {
    const next = windows.find((window) => !window.isOpen);
    if (next !== undefined && random() < 0.3) await next.open();
    if (failing > 0) for (const window of living()) window.store.fail = () => random() < failing;
    const heir = living().find((window) => window !== owner);
    if (setting.telling === 'heirs' && heir !== undefined && random() < 0.15) {
      owner.die();
      owner = heir;
      // The system's own record has everything that the dead window was told of.
      for (const again of partitioned(shuffled(repeated(batches.slice(0, index).flat(), random), random), random)) owner.view.add(again);
    }
    const told = setting.telling === 'any' ? living().filter(() => random() < 0.5) : [owner];
    for (const window of told.length === 0 ? [owner] : told) window.view.add(batch);
    for (const window of living()) await window.goOn();
  }
  for (const window of living()) window.store.fail = () => false;
  for (let moved = true; moved;) {
    const mark = await owner.store.mark(SESSION);
    moved = false;
    for (const window of shuffled(living(), random)) {
      if (random() < 0.7) await window.view.flush();
      while (await window.follow()) moved = true;
    }
    for (const window of shuffled(living(), random)) await window.view.flush();
    moved ||= (await owner.store.mark(SESSION)) !== mark;
  }
  const expected = viewOf(entries);
  checkStored(owner.store, entries);
  for (const window of living()) await window.end(expected);
}
