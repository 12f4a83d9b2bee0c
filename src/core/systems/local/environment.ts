const theirs = new Set(['ELECTRON_RUN_AS_NODE', 'CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'CLAUDE_CODE_SSE_PORT']);

/**
 * The environment for an agent's process: the given one without what VS Code (`VSCODE_*`, `ELECTRON_RUN_AS_NODE`) and an agent around us (`CLAUDECODE` …)
 * put there for themselves. With those an agent takes itself for a part of another program, and a program of Electron for plain Node.
 */
export function agentEnv(base: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(base).filter(([name]) => !name.startsWith('VSCODE_') && !theirs.has(name)));
}
