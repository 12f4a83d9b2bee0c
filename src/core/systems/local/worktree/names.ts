const LONGEST = 40;

/** A name as one part of a branch's name and of a path: letters and digits of any language, in lower case, and single hyphens. Empty for a name that has none. */
export function slugOf(name: string): string {
  const words = name.normalize('NFC').toLowerCase().normalize('NFC').replaceAll(/[^\p{L}\p{N}]+/gu, '-').replaceAll(/^-+|-+$/g, '');
  return Array.from(words).slice(0, LONGEST).join('').replace(/-+$/, '');
}

/** `session-1121-2355`: what is named after nothing is named after its moment, on this computer's clock. */
function momentName(now: number): string {
  const at = new Date(now);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `session-${two(at.getMonth() + 1)}${two(at.getDate())}-${two(at.getHours())}${two(at.getMinutes())}`;
}

/**
 * The branch for a session of that name, which none of `taken` (branches, in short) is. It stands in a folder of ours, `pilothouse/…`, unless a branch of that name is in the way. Names that
 * differ in case alone are one: file systems may not tell them apart.
 */
export function branchFor(name: string, taken: readonly string[], now: number): string {
  const lower = new Set(taken.map((branch) => branch.toLowerCase()));
  const wanted = `pilothouse${lower.has('pilothouse') ? '-' : '/'}${slugOf(name) || momentName(now)}`;
  const free = (branch: string): boolean => !lower.has(branch) && ![...lower].some((other) => other.startsWith(`${branch}/`));
  for (let count = 1; ; count += 1) {
    const branch = count === 1 ? wanted : `${wanted}-${count}`;
    if (free(branch)) return branch;
  }
}
