import path from 'node:path';
import { PilothouseError } from '../../core/model/errors.ts';
import type { CollectorClient } from '../../core/systems/catsyphon/client.ts';
import { CatsyphonError } from '../../core/systems/catsyphon/errors.ts';
import { EventMaker } from '../../core/systems/catsyphon/events.ts';
import { sessionIdOf } from '../../core/systems/catsyphon/paths.ts';
import { systemClock } from '../../core/transport/clock.ts';
import { parsed, text } from '../args.ts';
import { show } from '../hebing/common.ts';
import type { CliIo } from '../io.ts';
import { exitFailed, exitOk, plainLine, UsageError } from '../io.ts';
import { common, places, withCollector } from './common.ts';
import type { FiledEvent } from './transcript.ts';
import { readShipment } from './transcript.ts';

/** What a server, or our own check, refused. */
interface Refused {
  readonly at: number;
  readonly type: string;
  /** Null for what was not sent. */
  readonly status: number | null;
  readonly detail: string;
}
const OUTCOMES = ['success', 'partial', 'failed', 'abandoned'] as const;
/** Events that are held in memory at once. */
const SLICE = 500;

/** `ship`: sends the events of a file. What cannot be sent is told, and the rest is sent; exit code 1 then. A second time nothing is stored twice. */
export async function ship(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, ...places, session: text, outcome: text }, 1, 'One file at a time.');
  const [file] = positionals;
  const { session } = values;
  if (file === undefined || file.trim() === '') throw new UsageError('The file is missing: JSON lines of events, or a transcript of Claude Code or Codex.');
  if (session === undefined || session.trim() === '') throw new UsageError('--session is missing: the session\'s id at CatSyphon, which nobody else there uses.');
  sessionIdOf(session);
  const outcome = values.outcome === undefined ? null : OUTCOMES.find((one) => one === values.outcome);
  if (outcome === undefined) throw new UsageError(`--outcome is none of ${OUTCOMES.join(', ')}.`);
  const shipment = await readShipment(path.resolve(io.cwd, file), session);
  return withCollector(io, values, async (client, call) => {
    const tally: Tally = { session, format: shipment.format, sent: 0, accepted: 0, refused: [] };
    try {
      let slice: FiledEvent[] = [];
      for await (const filed of shipment.events) {
        call.signal.throwIfAborted();
        slice.push(filed);
        if (slice.length < SLICE) continue;
        await sendSlice(client, tally, slice, call.signal);
        slice = [];
      }
      await sendSlice(client, tally, slice, call.signal);
    } catch (error) {
      if (tally.sent > 0) io.err(`${tally.sent} events are sent. Ship the file again to go on: what the server has is not stored twice.\n`);
      throw error;
    }
    if (tally.sent === 0 && tally.refused.length === 0) throw new PilothouseError('nothing_to_ship', 'The file holds nothing to ship.');
    if (outcome !== null && tally.sent > 0) await client.completeSession(session, { outcome, signal: call.signal });
    for (const one of tally.refused) io.err(`${shipment.format === 'events' ? 'line' : 'event'} ${one.at} (${plainLine(one.type)}): ${one.status ?? 'not sent'}${one.detail === '' ? '' : `: ${plainLine(one.detail)}`}\n`);
    const left = tally.refused.length === 0 ? '' : ` ${tally.refused.length} cannot be shipped.`;
    show(call, { ...tally, completed: outcome !== null && tally.sent > 0 }, `${tally.sent} events of ${plainLine(file)} are at ${plainLine(client.serverUrl)} as session ${plainLine(session)}.${left}`);
    return tally.refused.length === 0 ? exitOk : exitFailed;
  });
}

interface Tally {
  readonly session: string;
  readonly format: string;
  /** Events that the server has now. */
  sent: number;
  /** Those that it had not before, as it counts. */
  accepted: number;
  readonly refused: Refused[];
}

async function sendSlice(client: CollectorClient, tally: Tally, slice: readonly FiledEvent[], signal: AbortSignal): Promise<void> {
  const maker = new EventMaker(tally.session, systemClock);
  const good = slice.filter(({ at, event }) => {
    try {
      maker.make(event);
      return true;
    } catch (error) {
      if (!(error instanceof CatsyphonError)) throw error;
      tally.refused.push({ at, type: typeof event.type === 'string' ? event.type : '', status: null, detail: error.message });
      return false;
    }
  });
  if (good.length === 0) return;
  // A run before this one may have died with a request on its way.
  const unsettled = tally.sent === 0;
  const report = await client.sendEvents(tally.session, good.map(({ event }) => event), { signal, unsettled });
  tally.accepted += report.accepted;
  tally.sent += good.length - report.parked.length;
  for (const { index, event, status, detail } of report.parked) tally.refused.push({ at: good[index]?.at ?? 0, type: event.type, status, detail });
}
