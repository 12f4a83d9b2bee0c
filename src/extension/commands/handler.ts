import type { Services } from '../services.ts';

/** What a command does; `target` is whatever it was called with: a tree item's id, an object from code, or nothing. */
export type Handler = (services: Services, target: unknown) => Promise<void>;
