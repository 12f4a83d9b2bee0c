import type { HappyAccount } from '../account.ts';
import { sleep } from '../../../transport/clock.ts';

/** True as soon as `holds` does, false after `ms`. What is asked for is pushed; a look now and then is for pushes that were missed. Rejects with the signal's reason. */
export async function until(account: HappyAccount, holds: () => boolean, ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  for (const end = account.clock.monotonic() + ms; ; ) {
    if (holds()) return true;
    if (account.clock.monotonic() >= end) return false;
    const stop = new AbortController();
    const change = Promise.withResolvers<void>();
    const listening = account.mirror.onChange.on(() => change.resolve());
    try {
      await Promise.race([change.promise, sleep(account.clock, 250, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]))]);
    } finally {
      listening.dispose();
      stop.abort();
    }
    if (signal?.aborted === true) await sleep(account.clock, 0, signal);
  }
}
