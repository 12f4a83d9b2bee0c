import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PlayedTurn } from './script.ts';

/** Plays a turn to its client. `count` is called when the agent is done, and gives what the answer tells of it. False: the connection is to be cut. */
export async function playTurn(play: PlayedTurn, form: 'events' | 'lines' | 'whole', response: ServerResponse, count: () => object): Promise<boolean> {
  const { events, stepMs = 0, cut, ok = true, stopReason = 'end_turn' } = play;
  const item = (value: unknown): string => (form === 'events' ? `data: ${JSON.stringify(value)}\n\n` : `${JSON.stringify(value)}\n`);
  const streams = form !== 'whole';
  if (cut?.after === 'nothing') {
    response.destroy();
    if (cut.work !== 'given up') count();
    return false;
  }
  if (streams) {
    response.writeHead(200, { 'content-type': form === 'events' ? 'text/event-stream; charset=utf-8' : 'application/x-ndjson' });
    if (form === 'events') response.write(': working\n\n');
  }
  for (const [index, event] of events.entries()) {
    if (cut?.after === index) break;
    if (stepMs > 0) await sleep(stepMs);
    // Who has gone wants no more: the agent is stopped, and the turn does not count.
    if (response.destroyed) return false;
    if (streams) response.write(item(event));
  }
  if (cut !== undefined) {
    if (cut.work !== 'given up') count();
    if (!streams) response.write('{"ok": true, "events": [{"type": "te');
    await new Promise<void>((resolve) => {
      response.write('\n', () => resolve());
    });
    return false;
  }
  const closing = { ok, ...count(), stop_reason: stopReason, duration_ms: 34, cost_hint: 'kept' };
  if (streams) response.end(item(closing));
  else {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...closing, events }));
  }
  return true;
}
