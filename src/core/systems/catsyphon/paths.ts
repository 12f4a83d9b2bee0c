import { invalid } from './errors.ts';

/** Where a CatSyphon of this computer listens. */
export const CATSYPHON_URL = 'http://localhost:8000';

/** Every path of the contract that is used, below the base URL. */
export const paths = {
  collectors: '/collectors',
  events: '/collectors/events',
  session: (id: string): string => `/collectors/sessions/${encodeURIComponent(sessionIdOf(id))}`,
  complete: (id: string): string => `/collectors/sessions/${encodeURIComponent(sessionIdOf(id))}/complete`,
} as const;

/**
 * A session's id as the server can keep and find it: it takes 255 characters, has no route to one with a slash, and takes an empty one (observed). Ids are shared by all collectors of a
 * server: make them such as nobody guesses. Throws `invalid_argument`.
 */
export function sessionIdOf(id: string): string {
  if (typeof id !== 'string' || !/^[A-Za-z0-9._:-]{1,255}$/.test(id) || /^\.{1,2}$/.test(id)) throw invalid('A session id has 1 to 255 letters, digits and . _ : - and nothing else.');
  return id;
}
