// @ts-check
export { ensureAgents } from './agents.mjs';
export { cachePath, cacheRoot } from './cache.mjs';
export { ensureChromium, onPath } from './chromium.mjs';
export { ensureCodeServer } from './codeServer.mjs';
export { ensureDependencies } from './dependencies.mjs';
export { reportFailure, SetupFailure } from './failure.mjs';
export { ensureNode } from './node.mjs';
export { endTree, endTreeNow, processTree } from './processes.mjs';
export { cleanEnv, repoRoot, runLogged } from './run.mjs';
export { quietSettings, serve } from './serve.mjs';
export { versions } from './versions.mjs';
export { ensureExtensionsFolder, ensureVsix } from './vsix.mjs';
