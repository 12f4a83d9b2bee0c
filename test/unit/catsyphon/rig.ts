import type { CollectorClientOptions } from '../../../src/core/systems/catsyphon/client.ts';
import { CollectorClient } from '../../../src/core/systems/catsyphon/client.ts';
import { CatsyphonError } from '../../../src/core/systems/catsyphon/errors.ts';
import type { CollectorEvent } from '../../../src/core/systems/catsyphon/events.ts';
import type { TestCollector } from '../../loopback/catsyphon/kernel.ts';
import type { CatsyphonTestServer } from '../../loopback/catsyphon/server.ts';

/** Waits of a millisecond or two. */
export const fast = { initialDelay: 0.001, maxDelay: 0.002 } as const;
export const EVENTS = 'POST /collectors/events';

export function clientOf(server: CatsyphonTestServer, collector: TestCollector, more: Partial<CollectorClientOptions> = {}): CollectorClient {
  return new CollectorClient({ serverUrl: server.url, collectorId: collector.id, apiKey: collector.key, retry: fast, ...more });
}

export function message(content: string, more: Partial<CollectorEvent> = {}): CollectorEvent {
  return { type: 'message', data: { author_role: 'human', message_type: 'prompt', content }, ...more };
}

/** What was stored of a session, by its words. */
export function contents(server: CatsyphonTestServer, session: string): readonly unknown[] {
  return server.kernel.rows(session).map((row) => row.data['content']);
}

export async function failure(work: Promise<unknown>): Promise<CatsyphonError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof CatsyphonError)) throw new Error(`no CatsyphonError but ${String(error)}`, { cause: error });
  return error;
}
