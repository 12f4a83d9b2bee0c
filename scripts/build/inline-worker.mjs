import path from 'node:path';
import * as esbuild from 'esbuild';

/**
 * `import source from 'inline-worker:./some.worker.ts'` gives the worker's bundled source as a string: a webview may start workers from `blob:` only. The worker
 * is bundled with the minification and target of the build that imports it, and watched with it.
 * @returns {esbuild.Plugin}
 */
export function inlineWorker() {
  return {
    name: 'inline-worker',
    setup(build) {
      build.onResolve({ filter: /^inline-worker:/ }, (args) => ({ path: path.resolve(args.resolveDir, args.path.slice('inline-worker:'.length)), namespace: 'inline-worker' }));
      build.onLoad({ filter: /.*/, namespace: 'inline-worker' }, async (args) => {
        const { minify, target } = build.initialOptions;
        const result = await esbuild.build({
          entryPoints: [args.path], bundle: true, write: false, format: 'iife', platform: 'browser', metafile: true, logLevel: 'silent', legalComments: 'none',
          absWorkingDir: build.initialOptions.absWorkingDir ?? process.cwd(), minify: minify ?? false, ...(target === undefined ? {} : { target }),
        });
        return {
          contents: `export default ${JSON.stringify(result.outputFiles[0]?.text ?? '')};`,
          loader: 'js',
          watchFiles: Object.keys(result.metafile.inputs).map((input) => path.resolve(build.initialOptions.absWorkingDir ?? process.cwd(), input)),
        };
      });
    },
  };
}
