/** Every time that the server keeps, in milliseconds. The defaults are those of Happy's own server. */
export interface HappyTimes {
  /** Engine.IO: a ping every `pingInterval`; a client that answers none within `pingTimeout` is gone. */
  readonly pingInterval: number;
  readonly pingTimeout: number;
  /** How long a connection may take to say who it is. */
  readonly connectTimeout: number;
  /** How long a call waits for its method to be registered, and how often it looks. */
  readonly rpcGrace: number;
  readonly rpcGracePoll: number;
  /** How long a call waits for its answer, and how often it looks whether the target is still there (two misses end it). */
  readonly rpcAnswer: number;
  readonly rpcPresencePoll: number;
  /** How long a row, once found, is trusted to exist when a heartbeat comes. */
  readonly presenceCache: number;
  /** A heartbeat is written to the row only when it is so much later than the last one written … */
  readonly presenceThreshold: number;
  /** … and then at the next flush. */
  readonly presenceFlush: number;
  /** How long heartbeats of a session that was archived, ended or deleted are ignored. */
  readonly stoppedFor: number;
  /** Silence after which a row is marked inactive, and how often that is looked for. */
  readonly inactiveAfter: number;
  readonly inactiveCheck: number;
  /** Heartbeats and ends that are older than this are ignored. */
  readonly tooOld: number;
  /** What `/v2/sessions/active` takes for active. */
  readonly activeWindow: number;
  /** Sixty requests for an upload an account fit in this. */
  readonly uploadWindow: number;
}

const real: HappyTimes = {
  pingInterval: 15_000, pingTimeout: 45_000, connectTimeout: 20_000,
  rpcGrace: 15_000, rpcGracePoll: 200, rpcAnswer: 30_000, rpcPresencePoll: 2_000,
  presenceCache: 30_000, presenceThreshold: 30_000, presenceFlush: 5_000, stoppedFor: 60_000,
  inactiveAfter: 600_000, inactiveCheck: 60_000, tooOld: 600_000, activeWindow: 900_000, uploadWindow: 60_000,
};

/** Happy's own times divided by `speed` (1: as they are; 100: ten minutes become six seconds), with single ones replaced. No time falls below 10 ms. */
export function happyTimes(speed = 1, replaced: Partial<HappyTimes> = {}): HappyTimes {
  const scaled = Object.fromEntries(Object.entries(real).map(([name, ms]) => [name, Math.max(10, Math.round(ms / speed))])) as unknown as HappyTimes;
  return { ...scaled, ...replaced };
}
