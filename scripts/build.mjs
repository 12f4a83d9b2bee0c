/**
 * Builds dist/: the bundles of build/bundles.mjs, and the library's types.
 * Options: --watch rebuilds on change (no types), --dev keeps names and adds source maps.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { bundles } from './build/bundles.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const watch = process.argv.includes('--watch');
const dev = watch || process.argv.includes('--dev');
const dist = path.join(root, 'dist');

const all = bundles({ root, dist: 'dist', dev });

async function main() {
  if (!watch) rmSync(dist, { recursive: true, force: true });
  mkdirSync(path.join(dist, 'webview'), { recursive: true });
  if (watch) {
    for (const options of Object.values(all)) await (await esbuild.context(options)).watch();
    process.stdout.write('watching\n');
    return;
  }
  const built = await Promise.all(Object.entries(all).map(async ([name, options]) => ({ name, result: await esbuild.build(options) })));
  const sizes = {};
  for (const { name, result } of built) {
    for (const [file, output] of Object.entries(result.metafile.outputs)) sizes[file] = output.bytes;
    if (dev) writeFileSync(path.join(dist, `${name}.meta.json`), JSON.stringify(result.metafile));
  }
  writeFileSync(path.join(dist, 'sizes.json'), `${JSON.stringify(sizes, null, 2)}\n`);
  cpSync(path.join(root, 'node_modules/@vscode/codicons/dist/codicon.ttf'), path.join(dist, 'webview/codicon.ttf'));
  emitTypes();
}

/** Declarations of the library beside dist/core.js. */
function emitTypes() {
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.types.json'], { cwd: root, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`the library's types could not be written:\n${run.stdout}${run.stderr}`);
}

await main();
