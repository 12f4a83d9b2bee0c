import { invalid } from './errors.ts';

/** Where hebing is unless somebody says otherwise. */
export const HEBING_URL = 'https://pic.chaojiyuyan.com/api/v1';

/** Every path of the contract, below the base URL. Ids are put in encoded; one that could lead elsewhere is `invalid_argument`. */
export const paths = {
  deviceAuthorize: '/oauth/device/authorize',
  deviceToken: '/oauth/device/token',
  capabilities: '/capability-specs',
  jobs: '/kernel-jobs',
  job: (id: string): string => `/kernel-jobs/${part(id)}`,
  jobEvents: (id: string): string => `/kernel-jobs/${part(id)}/events`,
  register: '/kernel-agents/me/capabilities',
  available: '/kernel-jobs/available',
  bid: (id: string): string => `/kernel-jobs/${part(id)}/bid`,
  heartbeat: (id: string): string => `/kernel-jobs/${part(id)}/heartbeat`,
  submit: (id: string): string => `/kernel-jobs/${part(id)}/submit`,
} as const;

function part(id: string): string {
  // Dots alone are folders to a URL, and `available` is a list of other jobs.
  if (typeof id !== 'string' || id.trim() === '' || /^\.{1,2}$/.test(id) || id === 'available') throw invalid('The id of the job is empty, or no id.');
  return encodeURIComponent(id);
}
