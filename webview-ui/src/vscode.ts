import type { Host } from './host.ts';
import { readKept } from './host.ts';
import type { HostMessage } from './types.ts';

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): VsCodeApi;

/** The host within VS Code. To be called once: VS Code gives its API out once. */
export function createHost(): Host {
  const api = acquireVsCodeApi();
  return {
    post: (message) => api.postMessage(message),
    onMessage: (listener) => window.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (isHostMessage(event.data)) listener(event.data);
    }),
    load: () => readKept(api.getState()),
    keep: (state) => api.setState(state),
  };
}

/** The host is trusted; what else posts to the window (VS Code's own messages) is told apart by its type. */
function isHostMessage(value: unknown): value is HostMessage {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : null;
  return type === 'snapshot' || type === 'patch' || type === 'state' || type === 'config' || type === 'reply' || type === 'insert' || type === 'focus' || type === 'unavailable' || type === 'find' || type === 'found' || type === 'do' || type === 'go';
}
