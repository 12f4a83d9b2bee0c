import path from 'node:path';

const IMPORT = /(?:^|\n)[ \t]*(?:import|export)\b[^;'"`]*?['"](\.[^'"\n]+)['"]|\bimport\(\s*['"](\.[^'"\n]+)['"]\s*\)/g;

/**
 * Rings of files that import each other, imports of types too (a linter's cycle check looks at values only). Each ring once, as a path that ends where it began.
 * @param {readonly string[]} files paths with `/`, relative to one folder; imports of other files are not followed
 * @param {(file: string) => string} read
 * @returns {string[][]}
 */
export function importCycles(files, read) {
  const known = new Set(files);
  const graph = new Map(files.map((file) => [file, importsOf(file, read(file)).filter((target) => known.has(target))]));
  const done = new Set();
  /** @type {string[][]} */
  const found = [];
  /** @type {string[]} */
  const trail = [];
  /** @param {string} file */
  const walk = (file) => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      found.push([...trail.slice(at), file]);
      return;
    }
    if (done.has(file)) return;
    trail.push(file);
    for (const target of graph.get(file) ?? []) walk(target);
    trail.pop();
    done.add(file);
  };
  for (const file of files) walk(file);
  return found;
}

/**
 * @param {string} file
 * @param {string} text
 */
function importsOf(file, text) {
  return [...text.matchAll(IMPORT)].map((match) => path.posix.join(path.posix.dirname(file), match[1] ?? match[2] ?? ''));
}
