/** Every path of the server (clawdforge.md), in one place: another server build is a change here. `id` and `name` may hold anything. */
export const paths = {
  health: '/healthz',
  run: '/run',
  files: '/files',
  sessions: '/sessions',
  session: (id: string) => `/sessions/${encodeURIComponent(id)}`,
  turn: (id: string) => `/sessions/${encodeURIComponent(id)}/turn`,
  tokens: '/admin/tokens',
  token: (name: string) => `/admin/tokens/${encodeURIComponent(name)}`,
} as const;
