export interface DiffLine {
  /** `fold`: lines between hunks that are not shown; its text says where the next hunk starts. */
  readonly kind: 'add' | 'remove' | 'same' | 'fold';
  readonly text: string;
}

/** Lines of unified hunks (without file headers), with at most `context` unchanged lines about each change. */
export function diffLines(patch: string, context: number): DiffLine[] {
  const lines: DiffLine[] = [];
  let seenHunk = false;
  const body = patch.endsWith('\n') ? patch.slice(0, -1) : patch;
  if (body === '') return lines;
  for (const raw of body.split('\n')) {
    const hunk = /^@@ -\d+(?:,\d+)? \+(\d+)/.exec(raw);
    if (hunk !== null) {
      if (seenHunk) lines.push({ kind: 'fold', text: `line ${hunk[1] ?? ''}` });
      seenHunk = true;
    } else if (raw.startsWith('+')) lines.push({ kind: 'add', text: raw.slice(1) });
    else if (raw.startsWith('-')) lines.push({ kind: 'remove', text: raw.slice(1) });
    else if (!raw.startsWith('\\')) lines.push({ kind: 'same', text: raw.startsWith(' ') ? raw.slice(1) : raw });
  }
  return trimContext(lines, context);
}

function trimContext(lines: readonly DiffLine[], context: number): DiffLine[] {
  const near = lines.map(() => false);
  lines.forEach((line, place) => {
    if (line.kind !== 'add' && line.kind !== 'remove') return;
    for (let each = Math.max(0, place - context); each <= Math.min(lines.length - 1, place + context); each += 1) near[each] = true;
  });
  const kept: DiffLine[] = [];
  let dropped = false;
  lines.forEach((line, place) => {
    if (line.kind === 'fold' || (line.kind === 'same' && near[place] !== true)) {
      dropped = true;
      return;
    }
    if (dropped && kept.length > 0) kept.push({ kind: 'fold', text: '' });
    dropped = false;
    kept.push(line);
  });
  return kept;
}
