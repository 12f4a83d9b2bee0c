export { DeviceFlowError, DeviceFlowTimeout, HebingAPIError, HebingError, HebingTransportError, JobTimeout } from './errors.ts';
export { HEBING_URL } from './paths.ts';
export type { AvailableJob, Bid, Capability, Job, JobEvent, Lease } from './wire.ts';
