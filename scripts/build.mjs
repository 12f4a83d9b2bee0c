/**
 * Builds dist/: the extension (CommonJS, `vscode` external), the store's worker, the core as a library (ESM and types), the CLI and the chat page.
 * `vscode` is external for the extension alone: an import of it below src/extension breaks the core's bundle, and so the build.
 * Options: --watch rebuilds on change (no types), --dev keeps names and adds source maps.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { inlineWorker } from './build/inline-worker.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const watch = process.argv.includes('--watch');
const dev = watch || process.argv.includes('--dev');
const dist = path.join(root, 'dist');

/** @type {esbuild.BuildOptions} */
const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: !dev,
  keepNames: true,
  sourcemap: dev ? 'linked' : false,
  logLevel: 'warning',
  metafile: true,
  legalComments: 'none',
};
// zod asks for `navigator` to recognise Cloudflare; VS Code's extension host logs an error whenever an extension touches that global.
const node = { ...shared, platform: 'node', target: 'node22', define: { navigator: 'undefined' } };
// Bundled CommonJS dependencies call require() for Node's own modules, which an ES module does not have by itself.
const requireShim = "import{createRequire as pilothouseRequire}from'node:module';const require=pilothouseRequire(import.meta.url);";

/** @type {Record<string, esbuild.BuildOptions>} */
const bundles = {
  extension: { ...node, entryPoints: ['src/extension/activate.ts'], outfile: 'dist/extension.cjs', format: 'cjs', external: ['vscode'], define: { ...node.define, 'import.meta.url': '"file:///bundled"' } },
  'store-worker': { ...node, entryPoints: ['src/core/session/store/worker.ts'], outfile: 'dist/store-worker.cjs', format: 'cjs', define: { ...node.define, 'import.meta.url': '"file:///bundled"' } },
  core: { ...node, entryPoints: ['src/core/index.ts'], outfile: 'dist/core.js', format: 'esm', banner: { js: requireShim } },
  cli: { ...node, entryPoints: ['src/cli/main.ts'], outfile: 'dist/cli.js', format: 'esm', banner: { js: `#!/usr/bin/env node\n${requireShim}` } },
  page: {
    ...shared,
    entryPoints: ['webview-ui/src/main.tsx'],
    outfile: 'dist/webview/chat.js',
    format: 'iife',
    target: 'chrome138',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.ttf': 'file' },
    assetNames: '[name]',
    plugins: [inlineWorker()],
  },
};

async function main() {
  if (!watch) rmSync(dist, { recursive: true, force: true });
  mkdirSync(path.join(dist, 'webview'), { recursive: true });
  if (watch) {
    for (const options of Object.values(bundles)) await (await esbuild.context(options)).watch();
    process.stdout.write('watching\n');
    return;
  }
  const built = await Promise.all(Object.entries(bundles).map(async ([name, options]) => ({ name, result: await esbuild.build(options) })));
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
