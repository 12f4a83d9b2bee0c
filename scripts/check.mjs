/**
 * Checks of the project's own shape that no library does: contributions match the code's table, the core bundles without `vscode`, the layer
 * zones of the linter really refuse, and tracked files keep the house rules. Prints a line a check; fails when one does.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, cpSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { importCycles } from './check/cycles.mjs';
import { unusedExports } from './check/exports.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
let failed = 0;

async function check(name, work) {
  try {
    await work();
    process.stdout.write(`ok ${name}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`FAILED ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

const tracked = () => execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).split('\n').filter((file) => file !== '' && existsSync(path.join(root, file)));

await check('package.json contributes what the code registers', () => {
  const run = spawnSync(process.execPath, ['scripts/contributions.mjs', '--check'], { cwd: root, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr.trim());
});

await check('the core and the CLI bundle without vscode', async () => {
  for (const entry of ['src/core/index.ts', 'src/cli/main.ts', 'src/core/session/store/worker.ts', 'src/core/systems/happy/crypto/blobWorker.ts']) {
    const result = await esbuild.build({ absWorkingDir: root, entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', write: false, logLevel: 'silent', metafile: true });
    const inputs = Object.keys(result.metafile.inputs).filter((input) => input.startsWith('src/extension') || input.startsWith('webview-ui'));
    if (inputs.length > 0) throw new Error(`${entry} pulls in ${inputs.join(', ')}`);
  }
});

await check('the linter refuses imports against the floors, and cycles', () => {
  const lab = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-zones-'));
  try {
    cpSync(path.join(root, '.oxlintrc.json'), path.join(lab, '.oxlintrc.json'));
    const plant = (file, text) => {
      mkdirSync(path.dirname(path.join(lab, file)), { recursive: true });
      writeFileSync(path.join(lab, file), text);
    };
    const forbidden = [
      ['src/core/model/a.ts', '../transport/b.ts'], ['src/core/model/c.ts', 'node:fs'], ['src/core/transport/b.ts', '../session/d.ts'],
      ['src/core/session/d.ts', '../systems/local/e.ts'], ['src/core/systems/local/e.ts', '../../fleet/f.ts'], ['src/core/systems/local/g.ts', '../happy/h.ts'],
      ['src/core/fleet/f.ts', 'vscode'], ['src/cli/i.ts', '../extension/j.ts'], ['src/protocol/k.ts', '../core/fleet/f.ts'], ['webview-ui/src/l.ts', '../../src/core/model/a.ts'],
    ];
    for (const [file, target] of forbidden) plant(file, `import type { X } from '${target}';\nexport type Y = X;\n`);
    plant('src/core/fleet/one.ts', "import { two } from './two.ts';\nexport const one = (): number => two();\n");
    plant('src/core/fleet/two.ts', "import { one } from './one.ts';\nexport const two = (): number => one();\n");
    const run = spawnSync(path.join(root, 'node_modules/.bin/oxlint'), ['--format', 'json', '.'], { cwd: lab, encoding: 'utf8' });
    const found = JSON.parse(run.stdout).diagnostics.map((each) => `${each.filename.replaceAll('\\', '/')} ${each.code}`);
    for (const [file, target] of forbidden) {
      if (!found.some((line) => line.startsWith(file) && line.includes('no-restricted-imports'))) throw new Error(`${file} may import ${target}`);
    }
    if (!found.some((line) => line.includes('no-cycle'))) throw new Error('an import cycle is not seen');
  } finally {
    rmSync(lab, { recursive: true, force: true });
  }
});

await check('no file imports itself in a ring, of types neither', () => {
  const planted = new Map([['a.ts', "import type { B } from './b.ts';\n"], ['b.ts', "export type {\n  C,\n} from './deep/c.ts';\n"], ['deep/c.ts', "export const a = () => import('../a.ts');\n"]]);
  if (importCycles([...planted.keys()], (file) => planted.get(file) ?? '').map((ring) => ring.join(' ')).join() !== 'a.ts b.ts deep/c.ts a.ts') throw new Error('a ring of type imports is not seen');
  const files = tracked().filter((file) => /^(src|webview-ui|test|scripts)\/.*\.(ts|tsx|mjs)$/.test(file) && !file.startsWith('test/fixtures/'));
  const rings = importCycles(files, (file) => readFileSync(path.join(root, file), 'utf8'));
  if (rings.length > 0) throw new Error(`\n  ${rings.map((ring) => ring.join(' -> ')).join('\n  ')}`);
});

await check('every export of src is imported by another file', () => {
  const planted = new Map([
    ['a.ts', 'export const used = 1;\nexport interface Unused {\n  a: 1;\n}\nconst one = 1;\nexport { one as listed };\nexport default one;\n'], ['b.ts', 'export type Whole = 1;\n'],
    ['c.ts', "import { type used as other } from './a.ts';\nimport * as b from './b.ts';\nexport { listed } from './a.ts';\nexport function open(): void {}\n"],
  ]);
  const found = unusedExports([...planted.keys()], (file) => planted.get(file) ?? '', { of: () => true, isPublic: (_, name) => name === 'open' });
  if (found.join() !== 'a.ts: Unused,a.ts: default') throw new Error(`exports that nobody imports are not seen: ${found.join()}`);
  const files = tracked().filter((file) => /^(src|webview-ui|test|scripts)\/.*\.(ts|tsx|mjs)$/.test(file) && !file.startsWith('test/fixtures/'));
  const unused = unusedExports(files, (file) => readFileSync(path.join(root, file), 'utf8'), {
    of: (file) => /^(src|webview-ui)\//.test(file),
    // What VS Code calls, and what the library gives its users.
    isPublic: (file, name) => file === 'src/core/index.ts' || (file === 'src/extension/activate.ts' && (name === 'activate' || name === 'deactivate')),
  });
  if (unused.length > 0) throw new Error(`\n  ${unused.join('\n  ')}`);
});

await check('house rules of tracked files', () => {
  const bad = [];
  for (const file of tracked()) {
    if (!/^(src|webview-ui|test|scripts)\/.*\.(ts|tsx|mjs|css)$/.test(file) || file.startsWith('test/fixtures/')) continue;
    const lines = readFileSync(path.join(root, file), 'utf8').split('\n');
    if (lines.length > 401) bad.push(`${file} has ${lines.length - 1} lines (400 at most)`);
    if (file === 'scripts/check.mjs') continue;
    lines.forEach((line, index) => {
      if (/@ts-ignore|@ts-expect-error|(?:ox|es)lint-disable/.test(line)) bad.push(`${file}:${index + 1} silences a check`);
      if (/\b(?:it|test|describe)\.(?:only|skip|todo)\b/.test(line)) bad.push(`${file}:${index + 1} skips tests or runs some alone`);
    });
  }
  if (bad.length > 0) throw new Error(`\n  ${bad.slice(0, 20).join('\n  ')}`);
});

await check('the documents that a newcomer reads are there', () => {
  for (const file of ['README.md', 'ARCHITECTURE.md', 'LICENSE', '.vscodeignore', 'media/pilothouse.svg']) if (!existsSync(path.join(root, file))) throw new Error(`${file} is missing`);
});

process.exit(failed === 0 ? 0 : 1);
