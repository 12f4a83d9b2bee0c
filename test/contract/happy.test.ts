import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AnthropicEndpoint } from '../loopback/anthropic.ts';
import { startAnthropic } from '../loopback/anthropic.ts';
import { describeBackend } from './backend-contract.ts';
import { claudeScript } from './claudeScript.ts';
import { HappyStage } from './happyRig.ts';
import { code } from './helpers.ts';
import { Observer, rowsOf } from './observer.ts';
import type { Rig } from './types.ts';

let model: AnthropicEndpoint | null = null;
let staged: Promise<HappyStage> | null = null;

function stage(): Promise<HappyStage> {
  staged ??= HappyStage.make(async () => {
    model = await startAnthropic({ script: ({ prompts }) => ({ text: prompts.length > 1 ? `Earlier: ${prompts.slice(0, -1).join(' / ')}` : `You said: ${prompts.join(' / ')}` }) });
    return { modelUrl: model.url, close: () => model?.close() ?? Promise.resolve() };
  });
  return staged;
}

afterAll(async () => {
  await (await staged?.catch(() => null))?.dispose();
}, 60_000);

const start = async (): Promise<Rig> => (await stage()).rig(claudeScript);

describeBackend('Happy', start, {
  record: 'system', namesFiles: false, questions: true, modes: true, processes: true, ownProcess: true,
  hosted: { answers: 'whole', turns: 'hints', outputs: 'fetched', windows: 'every', deaths: 'silent', interrupts: 'said', commands: 'end' },
});

describe('Happy, on the machine of the real daemon', () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await start();
    await rig.backend.connect();
  });
  afterAll(() => rig.dispose());

  it('lists agents and folders, and makes a folder only when it may', async () => {
    const { places } = rig.backend;
    expect((await places?.agents(rig.machineId))?.map(({ id }) => id)).toContain('claude');
    const home = await places?.folders(rig.machineId, null);
    expect(home?.path).toMatch(/\/home$/);
    const above = path.dirname(rig.folder);
    expect((await places?.folders(rig.machineId, above))?.folders).toContain(path.basename(rig.folder));
    expect(await code(places?.folders(rig.machineId, path.join(rig.folder, 'nowhere')) ?? Promise.resolve())).toBe('folder_missing');
    const folder = path.join(rig.folder, 'made');
    expect(await code(rig.backend.spawn({ machineId: rig.machineId, folder }))).toBe('folder_missing');
    expect(existsSync(folder)).toBe(false);
    const made = await rig.backend.spawn({ machineId: rig.machineId, folder, createFolder: true });
    expect(made).toMatchObject({ folder, agent: 'claude', machineId: rig.machineId });
    expect(existsSync(folder)).toBe(true);
    await rig.backend.session(made.id).stop();
  });

  it('reads files in pieces that its connection survives, and sends images to the agent', async () => {
    const chat = new Observer(rig.backend, (await rig.backend.spawn({ machineId: rig.machineId, folder: rig.folder })).id, 'hints');
    const bytes = randomBytes(700_000);
    const file = path.join(rig.folder, 'it’s "large".bin');
    await writeFile(file, bytes);
    expect(Buffer.from((await chat.handle.readFile?.(file)) ?? []).equals(bytes)).toBe(true);
    expect(await code(chat.handle.readFile?.(path.join(rig.folder, 'gone')) ?? Promise.resolve())).toBe('file_not_found');
    await truncate(file, 80_000_000);
    expect(await code(chat.handle.readFile?.(file) ?? Promise.resolve())).toBe('too_large');
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
    await chat.handle.send({ text: 'What is this?', attachments: [{ name: 'dot.png', mediaType: 'image/png', size: null, data: png, path: null }] }, randomUUID());
    await chat.until('the answer', () => chat.said() !== '');
    expect(model?.requests.some(({ body }) => JSON.stringify(body).includes(png))).toBe(true);
    await chat.until('the image', () => rowsOf(chat.rows, 'file').some((row) => row.file.data === png));
    chat.dispose();
  });
});
