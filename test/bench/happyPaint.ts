/**
 * From a message that another client of Happy wrote to the frame that shows it, in real VS Code with the page in its webview: milliseconds between the server's taking it and the end of the paint,
 * by one computer's clock. Baseline: the same push at a bare socket of the same account, which shows nothing.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { Chat } from '../e2e/chat.ts';
import { launchVSCode, until } from '../e2e/driver/index.ts';
import { seedFleet } from '../loopback/happy/fleet.ts';
import { Phone } from '../loopback/happy/phone.ts';
import { startHappyServer } from '../loopback/happy/server.ts';
import { ratio, summarise } from './measure.ts';

const MESSAGES = 60;
const APART_MS = 120;

const now = (): number => performance.timeOrigin + performance.now();

/** Has the page note when each message was painted: the frame after its row came, and what follows that. */
function watchPaints(log: Element): void {
  const seen: Record<string, number> = {};
  Object.assign(globalThis, { painted: seen });
  new MutationObserver(() => {
    for (const [word] of (log.textContent ?? '').matchAll(/paint-\d+-end/g)) {
      if (seen[word] !== undefined) continue;
      seen[word] = 0;
      requestAnimationFrame(() => setTimeout(() => {
        seen[word] = performance.timeOrigin + performance.now();
      }));
    }
  }).observe(log, { childList: true, subtree: true, characterData: true });
}

export async function benchHappyPaint(): Promise<Record<string, unknown>> {
  const server = await startHappyServer();
  const master = Uint8Array.from(randomBytes(32));
  const fleet = seedFleet(server, { master, sessions: 12 });
  const phone = await Phone.signIn(server.url, master);
  const code = await launchVSCode();
  try {
    const session = fleet.sessions.find(({ state }) => state === 'idle');
    if (session === undefined) throw new Error('No session of the fleet is idle.');
    const { window } = code;
    await window.executeCommand('pilothouse.addConnection', { system: 'happy', serverUrl: server.url, token: server.tokenFor(master).token, secret: toBase64(master) });
    await (await window.openView('Sessions')).item(session.machine.host).row();
    await window.runCommand('Pilothouse: Open Session…');
    await window.quickInput.wait('Open which session?');
    await window.quickInput.answer(session.title);
    const chat = await Chat.of(window, session.title);
    const log = chat.frame.getByRole('log');
    await log.evaluate(watchPaints);
    const bare = new Map<string, number>();
    const socket = await phone.connect();
    let sending = '';
    socket.on('update', () => void bare.set(sending, now()));
    const sent = new Map<string, number>();
    for (let index = 0; index < MESSAGES; index += 1) {
      sending = `paint-${index}-end`;
      const said = { role: 'session', content: { id: randomUUID(), time: Date.now(), role: 'agent', turn: session.id, ev: { t: 'text', text: sending } }, meta: { sentFrom: 'cli' } };
      const sealed = session.cipher?.seal(said) ?? '';
      sent.set(sending, now());
      server.append(session.id, sealed, randomUUID());
      await sleep(APART_MS);
    }
    const paints = (): Promise<Record<string, number>> => log.evaluate(() => (globalThis as unknown as { painted: Record<string, number> }).painted);
    const painted = await until('every message to be painted', async () => {
      const all = await paints();
      return Object.values(all).filter((at) => at > 0).length >= MESSAGES ? all : undefined;
    });
    const since = (times: (word: string) => number | undefined): number[] => [...sent].flatMap(([word, at]) => {
      const seen = times(word);
      return seen === undefined || seen === 0 ? [] : [seen - at];
    });
    const toPaint = summarise(since((word) => painted[word]));
    const toSocket = summarise(since((word) => bare.get(word)));
    return { messages: MESSAGES, toPaintMs: toPaint, baselineToBareSocketMs: toSocket, ratio: ratio(toPaint.median, toSocket.median) };
  } finally {
    await code.close();
    phone.close();
    await server.close();
  }
}
