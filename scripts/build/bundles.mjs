/**
 * What is bundled, and how: the extension (CommonJS, `vscode` external), the threads of the store, of searches, of attachments and of exports, the core as a library, the CLI and the pages of chats and of usage.
 * `vscode` is external for the extension alone: an import of it below src/extension breaks the core's bundle, and so the build.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inlineWorker } from './inline-worker.mjs';

/**
 * esbuild's options by the bundle's name.
 * @param {{ root: string, dist: string, dev?: boolean }} where `root`: the project's folder; `dist`: where the bundles go; `dev` keeps names and adds source maps
 * @returns {Record<string, import('esbuild').BuildOptions>}
 */
export function bundles({ root, dist, dev = false }) {
  /** @type {import('esbuild').BuildOptions} */
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
  /** @type {import('esbuild').BuildOptions} */
  const node = { ...shared, platform: 'node', target: 'node22', define: { navigator: 'undefined' } };
  const commonJs = { ...node.define, 'import.meta.url': '"file:///bundled"' };
  // Where its threads' bundles lie beside it.
  const ownUrl = { define: { ...node.define, 'import.meta.url': 'pilothouseUrl' }, banner: { js: "'use strict';const pilothouseUrl=require('node:url').pathToFileURL(__filename).href;" } };
  // Bundled CommonJS dependencies call require() for Node's own modules, which an ES module does not have by itself.
  const requireShim = "import{createRequire as pilothouseRequire}from'node:module';const require=pilothouseRequire(import.meta.url);";
  // Before anything of the bundle runs: some of it asks for what an older Node does not have.
  // npx finds the Node of the packages of the folder that it runs in.
  const nodeCheck = "import{existsSync as pilothouseExists}from'node:fs';if(Number(process.versions.node.split('.')[0])<22){process.stderr.write('pilothouse needs Node 22 or later; this is '+process.version+'. '+(pilothouseExists('node_modules/node/package.json')?'Run: npx --no-install node '+process.argv.slice(1,2).map(f=>f.startsWith(process.cwd()+'/')?f.slice(process.cwd().length+1):f).join('')+' …':'Put a later one first on PATH.')+'\\n');process.exit(1);}";
  const { version } = /** @type {{ version: string }} */ (JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')));
  return {
    extension: { ...node, entryPoints: ['src/extension/activate.ts'], outfile: `${dist}/extension.cjs`, format: 'cjs', external: ['vscode'], ...ownUrl },
    'store-worker': { ...node, entryPoints: ['src/core/session/store/worker.ts'], outfile: `${dist}/store-worker.cjs`, format: 'cjs', define: commonJs },
    'search-worker': { ...node, entryPoints: ['src/core/session/search/worker.ts'], outfile: `${dist}/search-worker.cjs`, format: 'cjs', define: commonJs },
    'attachment-worker': { ...node, entryPoints: ['src/core/systems/happy/crypto/blobWorker.ts'], outfile: `${dist}/attachment-worker.cjs`, format: 'cjs', define: commonJs },
    'export-worker': { ...node, entryPoints: ['src/extension/export/writingWorker.ts'], outfile: `${dist}/export-worker.cjs`, format: 'cjs', define: commonJs },
    core: { ...node, entryPoints: ['src/core/index.ts'], outfile: `${dist}/core.js`, format: 'esm', banner: { js: requireShim } },
    cli: { ...node, entryPoints: ['src/cli/main.ts'], outfile: `${dist}/cli.js`, format: 'esm', define: { ...node.define, 'process.env.PILOTHOUSE_VERSION': JSON.stringify(version) }, banner: { js: `#!/usr/bin/env node\n${nodeCheck}${requireShim}` } },
    page: {
      ...shared,
      entryPoints: ['webview-ui/src/main.tsx'],
      outfile: `${dist}/webview/chat.js`,
      format: 'iife',
      target: 'chrome138',
      jsx: 'automatic',
      jsxImportSource: 'preact',
      loader: { '.ttf': 'file' },
      assetNames: '[name]',
      plugins: [inlineWorker()],
    },
    'usage-page': { ...shared, entryPoints: ['webview-ui/usage/main.tsx'], outfile: `${dist}/webview/usage.js`, format: 'iife', target: 'chrome138', jsx: 'automatic', jsxImportSource: 'preact' },
  };
}
