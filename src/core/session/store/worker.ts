import { parentPort, workerData } from 'node:worker_threads';
import { describeError, PilothouseError } from '../../model/errors.ts';
import { callsOver } from './calls.ts';
import { Database } from './database.ts';
import type { Reply, Request, WorkerOptions } from './wire.ts';

/** The store's thread: an entry file of its own. Opens the database, then answers calls in the order in which they come. */
function serve(port: NonNullable<typeof parentPort>): void {
  const reply = (message: Reply): void => port.postMessage(message);
  const options = workerData as WorkerOptions;
  let database: Database;
  try {
    database = new Database({ ...options, report: (report) => reply({ type: 'report', report }), onHealth: (health) => reply({ type: 'health', health }) });
  } catch (error) {
    reply({ type: 'refused', code: codeOf(error), message: describeError(error) });
    port.close();
    return;
  }
  const calls = callsOver(database);
  port.on('message', ({ id, name, args }: Request) => {
    try {
      const call = calls[name] as (...values: readonly unknown[]) => unknown;
      reply({ type: 'result', id, value: call(...args) });
    } catch (error) {
      reply({ type: 'error', id, code: codeOf(error), message: describeError(error) });
    }
    if (name === 'close') port.close();
  });
  reply({ type: 'opened', health: database.health });
}

function codeOf(error: unknown): string {
  return error instanceof PilothouseError ? error.code : 'store_failed';
}

if (parentPort !== null) serve(parentPort);
