export { ALL_BACKENDS, makeSession, pickBackend, registerBackend } from './session.ts';
export type { BackendFactory, PickOptions, SessionOptions } from './session.ts';
export { AgentError, BACKEND_CLAUDE, BACKEND_CODEX, isSandbox, SANDBOX_DANGER_FULL_ACCESS, SANDBOX_READ_ONLY, SANDBOX_WORKSPACE_WRITE } from './types.ts';
export type { AgentResult, AgentSession, BackendOptions, Sandbox, SendOptions } from './types.ts';
