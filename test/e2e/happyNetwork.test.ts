import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isJsonObject } from '../../src/core/model/json.ts';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { animateFleet, type Animation } from '../loopback/happy/animate.ts';
import { seedFleet, type Fleet, type FleetSession } from '../loopback/happy/fleet.ts';
import { Phone } from '../loopback/happy/phone.ts';
import { startProxy, type HappyProxy } from '../loopback/happy/proxy.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

const DARK = 'Written in the dark';
const PHONE = 'From the phone meanwhile';
const AWAY = 'Said while the server was away';
/** Waits for what takes a few seconds, on a machine that does other things too. */
const PATIENT = { timeoutMs: 30_000 };

describe('the network between a chat and its Happy server', () => {
  let server: HappyTestServer;
  let proxy: HappyProxy;
  let fleet: Fleet;
  let animation: Animation;
  let phone: Phone;
  let session: FleetSession;
  let code: VSCode;
  let window: VSCodeWindow;

  beforeAll(async () => {
    server = await startHappyServer();
    proxy = await startProxy(server.url);
    const master = Uint8Array.from(randomBytes(32));
    fleet = seedFleet(server, { master, sessions: 12 });
    animation = await animateFleet(server.url, fleet, { stepMs: 250, beatMs: 500 });
    phone = await Phone.signIn(server.url, master);
    const idle = fleet.sessions.find(({ state }) => state === 'idle');
    if (idle === undefined) throw new Error('No session of the fleet is idle.');
    session = idle;
    code = await launchVSCode();
    ({ window } = code);
    await window.executeCommand('pilothouse.addConnection', { system: 'happy', serverUrl: proxy.url, token: server.tokenFor(master).token, secret: toBase64(master) });
    await (await window.openView('Sessions')).item(session.machine.host).row();
    await window.runCommand('Pilothouse: Open Session…');
    await window.quickInput.wait('Open which session?');
    await window.quickInput.answer(session.title);
    const chat = await Chat.of(window, session.title);
    await chat.say('What is in here?');
    await chat.saw('text', /I am an agent of the demo/);
    await chat.idle();
    await connection(chat, /^online$/);
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    phone?.close();
    animation?.close();
    await proxy?.close();
    await server?.close();
  });

  /** What the header says of the connection. */
  const connection = (chat: Chat, words: RegExp): Promise<unknown> => {
    const shown = async (): Promise<string> => ((await chat.frame.getByRole('status', { name: 'Connection' }).innerText()) ?? '').trim();
    return until(`the connection to be ${words}`, async () => words.test(await shown()), { ...PATIENT, detail: shown });
  };
  /** How often the server has a prompt. */
  const stored = async (text: string): Promise<number> => (await phone.messages(session.id)).filter(({ value }) => isJsonObject(value) && value['role'] === 'user' && JSON.stringify(value).includes(text)).length;
  /** How often the whole transcript shows it. */
  const shown = async (chat: Chat, text: string): Promise<number> => (await chat.content()).filter((row) => row.startsWith('prompt: ') && row.includes(text)).length;
  const measured = (what: string, since: number): void => console.log(`${what}: ${((performance.now() - since) / 1000).toFixed(1)} s`);

  test('that swallows everything and closes nothing is noticed; what was written in it arrives once, and what was said is here', async () => {
    const chat = await Chat.of(window, session.title);
    const began = performance.now();
    const light = proxy.add({ kind: 'blackhole' });
    await connection(chat, /offline|reconnecting/);
    measured('The silence was noticed after', began);
    await chat.composer.fill(DARK);
    await chat.composer.press('Enter');
    const waiting = chat.frame.getByRole('group', { name: 'Queued messages' }).getByRole('article', { name: new RegExp(DARK) });
    await waiting.waitFor();
    await phone.send(session.id, PHONE);
    await window.screenshot('happy-in-the-dark');
    expect(await waiting.getAttribute('data-delivery')).toMatch(/^(pending|queued|sending)$/);
    expect([await stored(DARK), await stored(PHONE)]).toEqual([0, 1]);
    expect(await chat.rows('prompt').filter({ hasText: PHONE }).count()).toBe(0);

    const back = performance.now();
    light();
    await chat.rows('prompt').filter({ hasText: PHONE }).waitFor({ timeout: PATIENT.timeoutMs });
    await connection(chat, /^online$/);
    measured('The view was right again after', back);
    await chat.rows('prompt').filter({ hasText: DARK }).waitFor({ timeout: PATIENT.timeoutMs });
    measured('What was written in the dark had arrived after', back);
    await waiting.waitFor({ state: 'detached', timeout: PATIENT.timeoutMs });
    await chat.idle();
    expect([await stored(DARK), await stored(PHONE)]).toEqual([1, 1]);
    expect([await shown(chat, DARK), await shown(chat, PHONE)]).toEqual([1, 1]);
  });

  test('that is gone with the server in mid-stream costs nothing of what was said meanwhile', async () => {
    const chat = await Chat.of(window, session.title);
    await chat.say('Tell me something long');
    await chat.saw('text', /Part 4\b/);
    await server.down();
    await connection(chat, /offline|reconnecting/);
    // Stored, and told to nobody.
    for (let count = 0; count < 5; count += 1) {
      const said = { role: 'session', content: { id: randomUUID(), time: Date.now(), role: 'agent', turn: session.id, ev: { t: 'text', text: `${AWAY} (${count})` } }, meta: { sentFrom: 'cli' } };
      server.append(session.id, session.cipher?.seal(said) ?? '', randomUUID());
    }
    const back = performance.now();
    await server.up();
    await chat.saw('text', `${AWAY} (4)`);
    await connection(chat, /^online$/);
    measured('The view was right again after the restart in', back);
    await chat.saw('text', /Ask me to edit a file/);
    await chat.idle();
    const rows = await chat.content();
    const parts = rows.flatMap((row) => /^text: Part (\d+) /.exec(row)?.[1] ?? []);
    expect(parts).toEqual(Array.from({ length: 30 }, (_, index) => String(index + 1)));
    for (let count = 0; count < 5; count += 1) expect(rows.filter((row) => row.includes(`${AWAY} (${count})`))).toHaveLength(1);
    expect(rows.filter((row) => row.startsWith('prompt: ') && row.includes('Tell me something long'))).toHaveLength(1);
    await window.screenshot('happy-after-restart');
  });

  test('leaves the page as it is after a reload, and nothing in the console that should not be there', async () => {
    const before = await (await Chat.of(window, session.title)).content();
    await window.reload();
    await (await Chat.of(window, session.title)).expectSameAs(before);
    expect(window.errors.filter((error) => /pilothouse\.pilothouse-|dist\/webview|Content Security Policy/i.test(error))).toEqual([]);
    expect(server.unknown).toEqual([]);
  });
});
