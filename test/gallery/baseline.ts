import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { Comparison } from '../../webview-ui/gallery/compare.ts';
import { boxDiffs, type Box } from './boxes.ts';
import type { Gallery } from './rig.ts';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'baseline');
/** Set by `npm test -- gallery --update`: what is seen becomes what is expected. */
const UPDATE = process.env['PILOTHOUSE_UPDATE'] === '1';

interface CompareWindow extends Window {
  readonly compare: (pictures: readonly string[], expected: string | null) => Promise<Comparison>;
}

/** One look at a scene: in a theme, at a width. */
export interface View {
  readonly name: string;
  readonly boxes: readonly Box[];
  readonly picture: Buffer;
}

/** What was looked at and found good: for each scene its boxes in every view, and a small picture of each view. The pictures are read and written by the browser. */
export class Baseline {
  private readonly lab: Page;
  private readonly results: string;

  constructor(lab: Page, results: string) {
    this.lab = lab;
    this.results = results;
  }

  static async open(gallery: Gallery): Promise<Baseline> {
    const lab = await gallery.page();
    await lab.goto(`${gallery.rig.url}compare`);
    mkdirSync(gallery.rig.results, { recursive: true });
    return new Baseline(lab, gallery.rig.results);
  }

  /** What is different, a line each. The pictures are left in the results in any case, with what was expected and where it differs when it does. */
  async check(scene: string, views: readonly View[]): Promise<string[]> {
    for (const view of views) writeFileSync(join(this.results, `${scene}-${view.name}.png`), view.picture);
    const boxes = join(FOLDER, `${scene}.json`);
    const sheet = join(FOLDER, `${scene}.webp`);
    const found = await this.lab.evaluate(([pictures, expected]) => (window as unknown as CompareWindow).compare(pictures, expected), [views.map((view) => view.picture.toString('base64')), existsSync(sheet) ? readFileSync(sheet).toString('base64') : null] as const);
    const wrong = [...(found.different === 0 ? [] : [`the pictures differ${found.different === null ? ' in size' : ` in ${found.different} cells`}`]), ...this.differing(boxes, views)];
    if (wrong.length === 0) return [];
    if (UPDATE) {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(sheet, Buffer.from(found.kept, 'base64'));
      writeFileSync(boxes, write(views));
      return [];
    }
    const failures = join(this.results, 'failures');
    mkdirSync(failures, { recursive: true });
    writeFileSync(join(failures, `${scene}-actual.webp`), Buffer.from(found.kept, 'base64'));
    writeFileSync(join(failures, `${scene}-actual.json`), write(views));
    if (existsSync(sheet)) writeFileSync(join(failures, `${scene}-expected.webp`), readFileSync(sheet));
    if (found.diff !== null) writeFileSync(join(failures, `${scene}-diff.png`), Buffer.from(found.diff, 'base64'));
    return [...wrong, 'If this is how it should look: npm test -- gallery --update'];
  }

  /** Cells in which one picture differs from another; null where their sizes do. */
  async cells(before: Buffer, after: Buffer): Promise<number | null> {
    return this.lab.evaluate(async ([first, second]) => {
      const { compare } = window as unknown as CompareWindow;
      return (await compare([second], (await compare([first], null)).kept)).different;
    }, [before.toString('base64'), after.toString('base64')] as const);
  }

  private differing(file: string, views: readonly View[]): string[] {
    if (!existsSync(file)) return ['there is nothing to compare it with'];
    const expected = JSON.parse(readFileSync(file, 'utf8')) as Record<string, readonly Box[]>;
    return views.flatMap((view) => boxDiffs(read(expected, view.name), view.boxes).map((line) => `${view.name}: ${line}`));
  }

  /** Names of kept scenes that are none of these; an update takes them away. */
  static gone(scenes: readonly string[]): string[] {
    const gone = readdirSync(FOLDER).filter((name) => !scenes.includes(name.replace(/\.(?:json|webp)$/, '')));
    if (!UPDATE) return gone;
    for (const name of gone) rmSync(join(FOLDER, name));
    return [];
  }
}

/** A box a line; a view that differs from the first of its width in colours only keeps just these, in the order of the boxes. */
function write(views: readonly View[]): string {
  const parts = views.map((view) => {
    const first = views.find((other) => widthOf(other.name) === widthOf(view.name)) ?? view;
    const same = first !== view && first.boxes.length === view.boxes.length && first.boxes.every((box, place) => JSON.stringify(box.slice(0, 6)) === JSON.stringify(view.boxes[place]?.slice(0, 6)));
    const lines = same ? colourRuns(view.boxes.map((box) => box[6])) : view.boxes;
    return `${JSON.stringify(view.name)}: [\n${lines.map((line) => JSON.stringify(line)).join(',\n')}\n]`;
  });
  return `{\n${parts.join(',\n')}\n}\n`;
}

function read(kept: Readonly<Record<string, readonly (Box | readonly [string, number])[]>>, name: string): readonly Box[] {
  const own = kept[name] ?? [];
  if (own.length === 0 || own[0]?.length === 7) return own as readonly Box[];
  const first = Object.keys(kept).find((other) => widthOf(other) === widthOf(name)) ?? name;
  const colours = (own as readonly (readonly [string, number])[]).flatMap(([colour, times]) => Array.from({ length: times }, () => colour));
  return (kept[first] as readonly Box[]).map((box, place): Box => [box[0], box[1], box[2], box[3], box[4], box[5], colours[place] ?? '']);
}

/** The same colours in a row are written once, with how often. */
function colourRuns(colours: readonly string[]): [string, number][] {
  const runs: [string, number][] = [];
  for (const colour of colours) {
    const last = runs.at(-1);
    if (last?.[0] === colour) last[1] += 1;
    else runs.push([colour, 1]);
  }
  return runs;
}

/** `hc-dark-300` is 300 wide. */
function widthOf(view: string): string {
  return view.slice(view.lastIndexOf('-') + 1);
}
