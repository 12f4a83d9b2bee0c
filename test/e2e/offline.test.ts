import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isJsonObject } from '../../src/core/model/json.ts';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { ForgeTestServer } from '../loopback/clawdforge/server.ts';
import { animateFleet, type Animation } from '../loopback/happy/animate.ts';
import { seedFleet, type Fleet, type FleetSession } from '../loopback/happy/fleet.ts';
import { Phone } from '../loopback/happy/phone.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

const DARK = 'Written without a network';
const FORGE = 'The password is lighthouse';
const FORGE_DARK = 'Nobody hears this yet';
const PATIENT = { timeoutMs: 60_000 };

describe('servers that cannot be reached from the start', () => {
  let happy: HappyTestServer;
  let forge: ForgeTestServer;
  let fleet: Fleet;
  let animation: Animation;
  let phone: Phone;
  let session: FleetSession;
  let other: FleetSession;
  let code: VSCode;
  let window: VSCodeWindow;
  let before: { readonly happy: readonly string[]; readonly forge: readonly string[] };

  beforeAll(async () => {
    [happy, forge] = await Promise.all([startHappyServer(), new ForgeTestServer().start()]);
    const master = Uint8Array.from(randomBytes(32));
    fleet = seedFleet(happy, { master, sessions: 30 });
    animation = await animateFleet(happy.url, fleet, { stepMs: 250, beatMs: 500 });
    phone = await Phone.signIn(happy.url, master);
    const [first, second] = fleet.sessions.filter(({ state, machine }) => state === 'idle' && machine.online);
    if (first === undefined || second === undefined) throw new Error('The fleet has no two idle sessions.');
    [session, other] = [first, second];
    code = await launchVSCode();
    ({ window } = code);
    await window.executeCommand('pilothouse.addConnection', { system: 'happy', serverUrl: happy.url, token: happy.tokenFor(master).token, secret: toBase64(master) });
    await window.executeCommand('pilothouse.addConnection', { system: 'clawdforge', serverUrl: forge.url, token: forge.token('editor') });
    await (await window.openView('Sessions')).item(session.machine.host).row();
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    phone?.close();
    animation?.close();
    await happy?.close();
    await forge?.close();
  });

  const host = (): string => new URL(forge.url).host;
  const open = async (title: string): Promise<Chat> => {
    await (await window.openView('Sessions')).item(title).click();
    return Chat.of(window, title);
  };
  const show = async (title: string): Promise<Chat> => {
    await window.tab(title).click();
    return Chat.of(window, title);
  };
  const connection = (chat: Chat, words: RegExp): Promise<unknown> => {
    const shown = async (): Promise<string> => (await chat.frame.getByRole('status', { name: 'Connection' }).innerText()).trim();
    return until(`the connection to be ${words}`, async () => words.test(await shown()), { ...PATIENT, detail: shown });
  };
  const notice = (chat: Chat) => chat.frame.getByRole('region', { name: 'Session notice' });
  const waiting = (chat: Chat, text: string) => chat.frame.getByRole('group', { name: 'Queued messages' }).getByRole('article', { name: new RegExp(text) });
  const stored = async (text: string): Promise<number> => (await phone.messages(session.id)).filter(({ value }) => isJsonObject(value) && value['role'] === 'user' && JSON.stringify(value).includes(text)).length;

  test('what was opened with a network is in the store', async () => {
    const far = await open(other.title);
    await far.saw('prompt', /./);
    await connection(far, /^online$/);
    await window.closeTab(other.title);
    const chat = await open(session.title);
    await chat.say('What is in here?');
    await chat.saw('text', /I am an agent of the demo/);
    await chat.idle();
    await (await window.openView('Sessions')).item(host()).inlineAction('New Session…');
    await window.quickInput.wait('Enter starts the session');
    await window.quickInput.accept();
    await window.tab('Untitled session').waitFor();
    const made = await Chat.of(window, 'Untitled session');
    await made.say(FORGE);
    await made.saw('text', /You said so/);
    await made.idle();
    await window.tab(FORGE).waitFor();
    before = { forge: await made.content(), happy: await (await show(session.title)).content() };
  });

  test('the tree is whole, with its machines by their names, and each chat opens with all its rows and its age', async () => {
    const tree = await window.openView('Sessions');
    await tree.item(session.machine.host).row();
    const names = async (): Promise<readonly string[]> => (await tree.rows()).map(({ label }) => label).filter((label) => !label.startsWith('Needs')).toSorted();
    await happy.down();
    await forge.close();
    await window.reload();
    const chat = await Chat.of(window, session.title);
    await connection(chat, /^offline/);
    await chat.expectSameAs(before.happy);
    await notice(chat).filter({ hasText: /cannot be reached.*Shown as of .*What you send waits/ }).waitFor();
    expect(await chat.frame.getByRole('status', { name: 'Connection' }).innerText()).toMatch(/as of \d/);
    const after = await window.openView('Sessions');
    for (const machine of fleet.machines) await after.item(machine.host).row();
    await after.item(host()).row();
    expect((await names()).filter((name) => fleet.machines.some((machine) => machine.id === name))).toEqual([]);
    for (const one of [session, other]) await after.item(one.title).waitUntil((row) => row.description.startsWith('no contact'));
    await after.item(session.title).hover(/as\sof\s.*·\sno\scontact/);
    await window.screenshot('offline-start');
    await (await show(FORGE)).expectSameAs(before.forge);
    await window.screenshot('offline-start-clawdforge');
  });

  test('a prompt that is written then waits, also over another start, and is delivered once when the network is back', async () => {
    for (const [title, text] of [[FORGE, FORGE_DARK], [session.title, DARK]] as const) {
      const chat = await show(title);
      await chat.composer.fill(text);
      await chat.composer.press('Enter');
      await waiting(chat, text).waitFor();
    }
    await window.reload();
    const chat = await Chat.of(window, session.title);
    await waiting(chat, DARK).waitFor();
    expect(await stored(DARK).catch(() => 0)).toBe(0);
    await window.screenshot('offline-prompt-waits');
    await happy.up();
    await forge.start(Number(new URL(forge.url).port));
    await connection(chat, /^online$/);
    await chat.rows('prompt').filter({ hasText: DARK }).waitFor({ timeout: PATIENT.timeoutMs });
    await waiting(chat, DARK).waitFor({ state: 'detached', timeout: PATIENT.timeoutMs });
    await notice(chat).waitFor({ state: 'detached' });
    await chat.idle();
    expect(await stored(DARK)).toBe(1);
    const back = await show(FORGE);
    await back.rows('prompt').filter({ hasText: FORGE_DARK }).waitFor({ timeout: PATIENT.timeoutMs });
    await waiting(back, FORGE_DARK).waitFor({ state: 'detached', timeout: PATIENT.timeoutMs });
    await back.idle();
    expect(forge.prompts().filter((prompt) => prompt.includes(FORGE_DARK))).toHaveLength(1);
    await window.screenshot('offline-back');
  });

  test('stored transcripts are cleared when asked, but for those in use, and come back when their sessions are opened', async () => {
    await window.runCommand('Pilothouse: Clear Stored Transcripts…');
    const question = await window.dialogs.wait(/Clear the stored transcripts of \d+ session/);
    expect(question.detail).toMatch(/take [\d.,]+ MB.*Kept: \d+ in use in a window/);
    await window.screenshot('clear-transcripts');
    await window.dialogs.press('Clear Transcripts');
    await window.notifications.wait(/Cleared the transcripts of \d+ sessions?: [\d.,]+ MB before, [\d.,]+ MB now/);
    await (await open(other.title)).saw('prompt', /./);
    await (await show(session.title)).saw('prompt', DARK);
  });
});
