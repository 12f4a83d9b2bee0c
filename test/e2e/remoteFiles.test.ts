import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toBase64 } from '../../src/core/systems/happy/crypto/base64.ts';
import { HappyHttp } from '../../src/core/systems/happy/http.ts';
import { HttpClient } from '../../src/core/transport/http.ts';
import { startConnectProxy, type ConnectProxy } from '../loopback/connectProxy.ts';
import { startHappyServer, type HappyTestServer } from '../loopback/happy/server.ts';
import { FakeDaemon, type FakeAgent } from '../unit/happy/fakeDaemon.ts';
import { Chat } from './chat.ts';
import { launchVSCode, until, type VSCode, type VSCodeWindow } from './driver/index.ts';

/** A picture of noise, which does not compress: 3 bytes a pixel. */
function noise(side: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([size, body, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(side, 0);
  head.writeUInt32BE(side, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.concat(Array.from({ length: side }, () => Buffer.concat([Buffer.from([0]), randomBytes(side * 3)])));
  return Buffer.concat([Buffer.from('\u0089PNG\r\n\u001A\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', deflateSync(rows, { level: 0 })), chunk('IEND', Buffer.alloc(0))]);
}

const SIGN_IN = `Basic ${Buffer.from('ann:word').toString('base64')}`;

describe('files of another machine, behind a proxy', () => {
  let root: string;
  let folder: string;
  let server: HappyTestServer;
  let proxy: ConnectProxy;
  let daemon: FakeDaemon;
  let agent: FakeAgent;
  let named: string;
  let code: VSCode;
  let window: VSCodeWindow;
  const archive = Buffer.concat([Buffer.from('PK\u0003\u0004\u0000', 'latin1'), randomBytes(1_500_000)]);

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'pilothouse-far-'));
    folder = join(root, 'remote');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, 'shot.png'), noise(900));
    writeFileSync(join(folder, 'build.zip'), archive);
    writeFileSync(join(folder, 'pier.ts'), `${Array.from({ length: 60 }, (_, line) => `export const berth${line + 1} = ${line + 1};`).join('\n')}\n`);
    server = await startHappyServer();
    const master = Uint8Array.from(randomBytes(32));
    const { token } = server.tokenFor(master);
    daemon = new FakeDaemon(server, master, token);
    daemon.machine.on('bash', ({ command }) => new Promise((resolve) => {
      execFile('/bin/sh', ['-c', typeof command === 'string' ? command : ''], { maxBuffer: 4_000_000 }, (error, stdout, stderr) => resolve({ success: error === null, stdout, stderr, exitCode: error === null ? 0 : 1 }));
    }));
    await daemon.online();
    agent = await daemon.start(folder, { summary: { text: 'The far quay', updatedAt: 1 } });
    // The server has a name that only the proxy knows, which wants a sign-in: whatever comes here came through it.
    proxy = await startConnectProxy({ authorization: SIGN_IN });
    named = `happy.test:${new URL(server.url).port}`;
    code = await launchVSCode({ settings: { 'http.proxy': proxy.url, 'http.proxyAuthorization': SIGN_IN } });
    ({ window } = code);
    await Promise.all([
      window.executeCommand('pilothouse.addConnection', { system: 'happy', serverUrl: `http://${named}`, token, secret: toBase64(master) }),
      window.dialogs.wait(/over plain http/).then(() => window.dialogs.press('Use Plain http')),
    ]);
    const read = (name: string, more: object = {}): object => ({ t: 'tool-call-start', call: `call-${name}`, name: 'Read', title: 'Read', description: 'Read', args: { file_path: join(folder, name), ...more } });
    const time = Date.now();
    const picture = noise(1_000);
    await using http = new HttpClient();
    const ref = await new HappyHttp(http, { serverUrl: server.url, token }, 'test/1').upload(agent.id, 'carried.png', await agent.cipher.sealBlob(picture));
    const carried = { t: 'file', ref, name: 'carried.png', size: picture.length, mimeType: 'image/png' };
    await agent.say(...['turn-start', carried, read('shot.png'), read('build.zip'), read('pier.ts', { offset: 42 }), read('sub'), read('gone.txt')].map((ev, at) => ({
      id: `e${at}`, time: time + at, role: 'agent', turn: 't1', ev: typeof ev === 'string' ? { t: ev } : { ...ev },
    })));
    const sessions = await window.openView('Sessions');
    await sessions.item('lab').row();
    await window.runCommand('Pilothouse: Open Session…');
    await window.quickInput.pick('The far quay');
    await (await Chat.of(window, 'The far quay')).saw('file', /carried\.png/);
  }, 180_000);
  afterAll(async () => {
    await code?.close();
    daemon?.close();
    await proxy?.close();
    await server?.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });

  /** Clicks a file's name in the chat, whose turn's calls are shown. */
  const open = async (name: string): Promise<Chat> => {
    const chat = await Chat.of(window, 'The far quay');
    const link = chat.frame.locator(`a.path[data-path$="/${name}"]`).first();
    if (!(await link.isVisible())) await chat.frame.getByRole('button', { name: /files|calls|steps|read/i, expanded: false }).first().click();
    await link.click();
    return chat;
  };

  test('an image larger than a frame opens in the image viewer', async () => {
    await open('shot.png');
    await until('the viewer to have read it', async () => /900x900/.test(await window.page.locator('.statusbar').innerText()));
    await window.screenshot('remote-image');
    await window.executeCommand('workbench.action.closeActiveEditor');
  });

  test('an image that a row carries, too large for a thumbnail, opens there too', async () => {
    const chat = await Chat.of(window, 'The far quay');
    const row = await chat.saw('file', /carried\.png/);
    expect(await row.locator('img').count()).toBe(0);
    await row.getByRole('button', { name: /^Open carried\.png/ }).click();
    await until('the viewer to have read it', async () => /1000x1000/.test(await window.page.locator('.statusbar').innerText()));
    await window.executeCommand('workbench.action.closeActiveEditor');
  });

  test('a text opens at its line, for reading only; folders and files that are gone say so', async () => {
    await open('pier.ts');
    await until('its line to be shown', async () => (await window.page.locator('.editor-instance .view-lines').innerText()).replaceAll('\u00A0', ' ').includes('berth42 = 42'));
    await window.executeCommand('workbench.action.closeActiveEditor');
    const chat = await open('sub');
    await chat.frame.getByText(/sub is a folder on lab/).waitFor();
    await open('gone.txt');
    await chat.frame.getByText(/There is no file .*gone\.txt on lab/).waitFor();
  });

  test('anything else is saved, all of it', async () => {
    await open('build.zip');
    await window.notifications.wait(/build\.zip on lab \(1\.5 MB\) is neither a text nor an image/);
    await window.notifications.press(/build\.zip/, 'Save As…');
    const target = join(root, 'copy.zip');
    await window.quickInput.saveAs(target, 'remote');
    await until('the copy', () => Promise.resolve(existsSync(target) && statSync(target).size === archive.length));
    expect(readFileSync(target).equals(archive)).toBe(true);
    expect(server.unknown).toEqual([]);
  });

  test('requests and the socket went through the proxy, with the sign-in of the settings', () => {
    expect(proxy.opened.filter((way) => way === named).length).toBeGreaterThan(1);
    expect(server.sockets().some((socket) => socket.clientType === 'user-scoped')).toBe(true);
    expect(new Set(proxy.said)).toEqual(new Set([SIGN_IN]));
    expect(proxy.others).toEqual([]);
  });
});
