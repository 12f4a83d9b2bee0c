/** A loopback Happy server with a fleet, in a process of its own: prints its address and keys as one line of JSON, and ends with its parent. */
import { startHappyServer } from '../loopback/happy/server.ts';
import { seedFleet } from '../loopback/happy/fleet.ts';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';

const [sessions = '2000', long = '20000'] = process.argv.slice(2);
const server = await startHappyServer();
// A turn of the fleet has about ten messages, where its seed counts nine.
const fleet = seedFleet(server, { sessions: Number(sessions), long: Math.round(Number(long) * 0.9) });
const chosen = fleet.sessions.toSorted((one, other) => other.messages - one.messages)[0];
process.stdout.write(`${JSON.stringify({ url: server.url, token: fleet.token, secret: toBase64(fleet.master), longId: chosen?.id ?? '', longMessages: chosen?.messages ?? 0 })}\n`);
process.on('disconnect', () => process.exit(0));
