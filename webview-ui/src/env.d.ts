/** Source of a worker, bundled and inlined by scripts/build/inline-worker.mjs: a webview starts workers from `blob:` only. */
declare module 'inline-worker:*' {
  const source: string;
  export default source;
}
declare module '*.css';
