import { PilothouseError } from '../model/errors.ts';

/** Failures that trying again does not mend. */
const PERMANENT = new Set([
  'invalid_argument', 'session_runs_elsewhere', 'session_not_found', 'not_installed', 'unsupported', 'folder_missing', 'transcript_missing', 'transcript_packed', 'prompt_refused',
  'program_missing', 'program_not_executable', 'needs_sign_in', 'load_failed',
]);

/** True when a prompt that was not taken may be taken later, with nobody doing anything. */
export function retryable(error: unknown): boolean {
  return !(error instanceof PilothouseError) || !(error.personMustAct || PERMANENT.has(error.code));
}
