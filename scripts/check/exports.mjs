import path from 'node:path';

const DECLARED = /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type) ([A-Za-z_$][\w$]*)/;
const LISTED = /^export (?:type )?\{([^}]*)\}(?! from)/;
const PASSED_ON = /^export (?:type )?(?:\{[^}]*\}|\*(?: as \w+)?) from /;
const IMPORT = /(?:^|\n)[ \t]*(?:import|export)\b([^;'"`]*?)\bfrom\s*['"](\.[^'"\n]+)['"]/g;
const WHOLE = /\bimport\(\s*['"](\.[^'"\n]+)['"]\s*\)/g;

/**
 * Exports that no other file imports, as `file: name`. Throws at an `export` whose form it does not know, rather than pass it over.
 * @param {readonly string[]} files that may import, as paths with `/`, relative to one folder
 * @param {(file: string) => string} read
 * @param {{ readonly of: (file: string) => boolean, readonly isPublic: (file: string, name: string) => boolean }} options `of`: files whose exports must be
 *   used; `isPublic`: exports for others than these files
 * @returns {string[]}
 */
export function unusedExports(files, read, { of, isPublic }) {
  /** @type {Map<string, Set<string>>} */
  const used = new Map(files.map((file) => [file, new Set()]));
  for (const file of files) {
    const text = read(file);
    const at = (/** @type {string} */ target) => used.get(path.posix.join(path.posix.dirname(file), target));
    for (const [, clause = '', target = ''] of text.matchAll(IMPORT)) for (const name of namesOf(clause)) at(target)?.add(name);
    for (const [, target = ''] of text.matchAll(WHOLE)) at(target)?.add('*');
  }
  return files.filter(of).flatMap((file) => {
    const names = used.get(file) ?? new Set();
    if (names.has('*')) return [];
    return exportsOf(file, read(file)).filter((name) => !names.has(name) && !isPublic(file, name)).map((name) => `${file}: ${name}`);
  });
}

/**
 * What a clause between `import` or `export` and `from` takes; `*` for everything.
 * @param {string} clause
 * @returns {string[]}
 */
function namesOf(clause) {
  const [, listed = ''] = /\{([^}]*)\}/.exec(clause) ?? [];
  const names = listed.split(',').map((one) => one.trim().replace(/^type\s+/, '').split(/\s+as\s+/)[0] ?? '').filter((name) => name !== '');
  const rest = clause.replace(/\{[^}]*\}/, '').replace(/^\s*type\b/, '').replaceAll(',', ' ').trim();
  if (rest.includes('*')) names.push('*');
  else if (rest !== '') names.push('default');
  return names;
}

/**
 * @param {string} file
 * @param {string} text
 * @returns {string[]}
 */
function exportsOf(file, text) {
  return [...text.matchAll(/^export\b/gm)].flatMap(({ index }) => {
    const rest = text.slice(index);
    if (PASSED_ON.test(rest)) return [];
    if (/^export default\b/.test(rest)) return ['default'];
    const [, listed] = LISTED.exec(rest) ?? [];
    if (listed !== undefined) return listed.split(',').map((one) => one.trim().split(/\s+as\s+/).at(-1) ?? '').filter((name) => name !== '');
    const [, name] = DECLARED.exec(rest) ?? [];
    if (name === undefined) throw new Error(`${file}: ${rest.split('\n', 1)[0]} is a form of export that the check does not know`);
    return [name];
  });
}
