import type { WireChange } from './item.ts';
import { word } from './wire.ts';

interface Step {
  readonly kind: string;
  readonly diff: string;
  /** Where a moved file came from. */
  readonly from: string | null;
}

/**
 * Files that the patches of one turn have changed, added up: what was undone again, or made and removed, is not changed. The wire and the file of a thread
 * hold the same patches, so both come to the same files.
 */
export class TurnFiles {
  readonly #steps = new Map<string, Step[]>();
  #sum: string | null = null;

  /** A patch was applied. */
  apply(changes: readonly WireChange[]): void {
    this.#sum = null;
    for (const { path, kind, diff } of changes) {
      const target = kind.move_path ?? path;
      const before = this.#steps.get(path) ?? [];
      if (target !== path) this.#steps.delete(path);
      const after = added(before, { kind: target === path ? word(kind.type) : 'move', diff, from: target === path ? null : path }, target);
      if (after.length === 0) this.#steps.delete(target);
      else this.#steps.set(target, after);
    }
  }

  /** Codex's own sum of the turn (`turn/diff/updated`, a diff as git writes it), which comes after each patch: what it lacks is as it was before the turn. */
  sum(diff: string): void {
    this.#sum = diff;
  }

  get paths(): readonly string[] {
    const all = [...this.#steps.keys()].sort();
    const sum = this.#sum;
    // Names that git writes in quotes are escaped there: they are taken as they are.
    if (sum === null || sum.includes('\ndiff --git "') || sum.startsWith('diff --git "')) return all;
    // Relative to a folder that is not told: the repository's, or the root of the disk.
    const named = [...sum.matchAll(/^diff --git a\/.* b\/(.+)$/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]));
    return all.filter((path) => named.some((name) => path === name || slashed(path).endsWith(`/${name}`)));
  }
}

function slashed(path: string): string {
  return path.replaceAll('\\', '/');
}

function added(before: readonly Step[], step: Step, target: string): Step[] {
  const [first] = before;
  const last = before.at(-1);
  if (step.kind === 'delete' && first?.kind === 'add') return [];
  // A file that is made anew with its own text was not changed.
  if (step.kind === 'add' && before.length === 1 && last?.kind === 'delete' && last.diff === step.diff) return [];
  if (step.kind === 'move' && last?.kind === 'move' && last.from === target && last.diff === '' && step.diff === '') return before.slice(0, -1);
  if (step.kind === 'update' && last?.kind === 'update' && ordered(step.diff) === ordered(inverse(last.diff))) return before.slice(0, -1);
  return [...before, step];
}

/** The patch that undoes a patch. */
function inverse(diff: string): string {
  return diff.split('\n').map((line) => {
    const range = /^@@ -(\S+) \+(\S+) @@/.exec(line);
    if (range !== null) return `@@ -${range[2]} +${range[1]} @@`;
    return line.startsWith('+') ? `-${line.slice(1)}` : line.startsWith('-') ? `+${line.slice(1)}` : line;
  }).join('\n');
}

/** A patch with what is removed before what is added wherever both touch, and without what may stand behind a range. */
function ordered(diff: string): string {
  const lines: string[] = [];
  let plus: string[] = [];
  for (const line of diff.split('\n')) {
    if (line.startsWith('+')) {
      plus.push(line);
      continue;
    }
    if (!line.startsWith('-')) {
      lines.push(...plus);
      plus = [];
    }
    lines.push(line.replace(/^(@@ -\S+ \+\S+ @@).*$/, '$1'));
  }
  return [...lines, ...plus].join('\n');
}
