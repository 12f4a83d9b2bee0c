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

/** Every type of message: one that is left out does not compile. */
const TYPES: Readonly<Record<HostMessage['type'], true>> = {
  'snapshot': true, 'patch': true, 'state': true, 'config': true, 'unavailable': true, 'reply': true, 'progress': true, 'insert': true, 'draft-files': true, 'focus': true, 'find': true, 'found': true, 'do': true, 'go': true, 'review': true,
};

/** The host is trusted; what else posts to the window (VS Code's own messages) is told apart by its type. */
function isHostMessage(value: unknown): value is HostMessage {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : null;
  return typeof type === 'string' && Object.hasOwn(TYPES, type);
}
