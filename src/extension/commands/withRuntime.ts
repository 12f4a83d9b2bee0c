import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import type { SessionKey } from '../../core/model/session.ts';
import type { Services } from '../services.ts';

/** Runs `work` on the session's runtime, held for as long as that takes. */
export async function withRuntime<T>(services: Services, key: SessionKey, work: (runtime: SessionRuntime) => Promise<T>): Promise<T> {
  const runtime = await services.fleet.open(key);
  try {
    return await work(runtime);
  } finally {
    runtime.release();
  }
}
