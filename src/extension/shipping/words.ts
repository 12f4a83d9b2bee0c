import type { SweepReport } from '../../core/fleet/shipperSession.ts';
import type { ShipStanding } from '../../core/fleet/shipper.ts';
import type { AccountRecord } from '../accounts/record.ts';
import { hostOf, isPlain } from '../accounts/server.ts';
import { oneLine } from '../tree/text.ts';

type Place = Pick<AccountRecord, 'name' | 'serverUrl'>;

/** `1 event`, `3 events`. */
function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** How shipping stands, beside a connection’s name: `ships`, `ships · 3 waiting · 1 parked`. */
export function standingInShort({ waiting, sessions, parked, error }: ShipStanding): string {
  const waits = waiting > 0 ? `${waiting} waiting` : error !== null && sessions > 0 ? `${counted(sessions, 'session')} waiting` : '';
  return [error === null ? 'ships' : 'shipping held up', waits, parked > 0 ? `${parked} parked` : ''].filter((word) => word !== '').join(' · ');
}

/** The same in whole sentences. */
export function standingLine(standing: ShipStanding, place: Place | null): string {
  const { waiting, parked, error } = standing;
  return [
    place === null ? 'Sessions are set to be shipped.' : `Sessions are shipped to “${oneLine(place.name, 60)}” on ${hostOf(place.serverUrl)}.`,
    waiting > 0 ? `${counted(waiting, 'event')} ${waiting === 1 ? 'waits' : 'wait'}.` : '',
    parked > 0 ? `${counted(parked, 'event')} ${parked === 1 ? 'is' : 'are'} parked: the server will never take ${parked === 1 ? 'it' : 'them'}.` : '',
    error === null ? '' : oneLine(error, 300),
  ].filter((line) => line !== '').join(' ');
}

const TRAVELS = 'Prompts, answers, thinking, tool calls with their inputs and outputs, folder and branch go there, and can be read by whoever runs it, also where the session itself is end-to-end encrypted. What looks like a password, a key or a token is taken out, as far as it can be recognised.';
const inClear = ({ serverUrl }: Place): string => (isPlain(serverUrl) ? ' The way to it is not encrypted.' : '');

/** What turning it on means. */
export function whatTravels(place: Place): string {
  return `From now on each session of this connection in which something is said goes to ${hostOf(place.serverUrl)}, whole, whenever a turn is over. ${TRAVELS}${inClear(place)}\n\nOlder sessions go only by “Ship Session to CatSyphon…”. “Stop Shipping to CatSyphon” ends it at once; what is there stays there.`;
}

/** What shipping one session means. */
export function whatTravelsOnce(place: Place): string {
  return `All that was said in it goes to ${hostOf(place.serverUrl)}, once. ${TRAVELS}${inClear(place)}`;
}

/** What came of shipping one session. */
export function resultText(title: string, place: Place, { whole, total, stored, parked }: SweepReport): string {
  const began = whole ? '' : ' A turn began meanwhile: ship it again when that is over.';
  if (total === 0) return `There is nothing in “${title}” to ship.`;
  const had = stored === null ? null : total - stored - parked;
  const there = had === null ? `${counted(total - parked, 'event')} of it ${total - parked === 1 ? 'is' : 'are'} there` : [`${stored} stored`, had > 0 ? `${had} were there already` : ''].filter((word) => word !== '').join(', ');
  return `“${title}” is shipped to ${hostOf(place.serverUrl)}: ${there}${parked > 0 ? `, ${parked} parked, which the server will never take` : ''}.${began}`;
}

/** What turning it off left. */
export function offText({ events, sessions }: { readonly events: number; readonly sessions: number }): string {
  return events === 0 ? 'Shipping is off. Everything was sent.' : `Shipping is off. ${counted(events, 'event')} of ${counted(sessions, 'session')} ${events === 1 ? 'was' : 'were'} not sent.`;
}
