import type { Services } from '../services.ts';

/** What a command does; `target` is whatever it was called with: a tree item's id, an object from code, or nothing; `selection` what else is selected with it in its tree: ids, the target's among them, or nothing. */
export type Handler = (services: Services, target: unknown, selection?: unknown) => Promise<void>;
