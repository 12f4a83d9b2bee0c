import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HebingError } from '../../../src/core/systems/hebing/errors.ts';
import { keepCli, mcpEntry, mcpTargets, planMcpEntry, writeMcpPlan } from '../../../src/core/systems/hebing/mcpJson.ts';
import { HEBING_URL } from '../../../src/core/systems/hebing/paths.ts';
import { objectTexts } from './jsonTexts.ts';

const KEY = 'nxt_ag_a_very_secret_key';
const entry = mcpEntry({ node: '/usr/bin/node', cli: '/data/cli.mjs', apiKey: KEY, baseUrl: HEBING_URL });
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'pilothouse-mcp-'));
  file = path.join(folder, 'mcp.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
async function failure(work: Promise<unknown>): Promise<HebingError> {
  const error: unknown = await work.then(() => null, (reason: unknown) => reason);
  if (!(error instanceof HebingError)) throw new Error(`no HebingError but ${String(error)}`, { cause: error });
  return error;
}
const mode = (of: string): number => statSync(of).mode & 0o777;
const others = '{\n    "theme": "dark",\n    "mcpServers": {\n        "git": {"command": "git-mcp", "env": {"GITHUB_TOKEN": "ghp_0123456789abcdef"}}\n    }\n}\n';

describe('writing the entry', () => {
  it('makes a file that is not there, for its owner alone, without a backup', async () => {
    const deep = path.join(folder, 'not', 'there', 'mcp.json');
    const plan = await planMcpEntry(deep, entry);
    expect([plan.what, plan.before, existsSync(path.dirname(deep))]).toEqual(['add', null, false]);
    expect(await writeMcpPlan(plan)).toBeNull();
    expect(JSON.parse(readFileSync(deep, 'utf8'))).toEqual({ mcpServers: { chaojiyuyan: { command: '/usr/bin/node', args: ['/data/cli.mjs', 'hebing', 'mcp-server'], env: { CHAOJIYUYAN_API_KEY: KEY } } } });
    expect([mode(deep), readdirSync(path.dirname(deep))]).toEqual([0o600, ['mcp.json']]);
  });

  it('keeps the rest byte for byte, the mode at 600, and what was before in a backup', async () => {
    writeFileSync(file, others, { mode: 0o644 });
    const backup = await writeMcpPlan(await planMcpEntry(file, entry), { now: new Date(2026, 4, 7, 8, 9, 10) });
    expect(backup).toBe(`${file}.backup-20260507080910`);
    expect([readFileSync(backup ?? '', 'utf8'), mode(backup ?? ''), mode(file)]).toEqual([others, 0o600, 0o600]);
    const after = readFileSync(file, 'utf8');
    expect(after.startsWith(others.slice(0, others.indexOf('\n    }\n}')))).toBe(true);
    expect(readdirSync(folder)).toEqual(['mcp.json', 'mcp.json.backup-20260507080910']);
    const back = await planMcpEntry(file, null);
    expect(back.what).toBe('remove');
    await writeMcpPlan(back, { now: new Date(2026, 4, 7, 8, 9, 11) });
    expect(readFileSync(file, 'utf8')).toBe(others);
  });

  it('keeps the first backup of a second', async () => {
    const now = new Date(2026, 0, 1);
    writeFileSync(file, others);
    await writeMcpPlan(await planMcpEntry(file, entry), { now });
    const second = await writeMcpPlan(await planMcpEntry(file, { ...entry, command: '/other/node' }), { now });
    expect(second).toBe(`${file}.backup-20260101000000`);
    expect(readFileSync(second ?? '', 'utf8')).toBe(others);
    expect(readdirSync(folder)).toHaveLength(2);
    expect(readFileSync(file, 'utf8')).toContain('/other/node');
  });

  it('changes nothing where nothing is to change, but who may read the key', async () => {
    writeFileSync(file, others);
    expect((await planMcpEntry(file, null)).what).toBe('nothing');
    expect(await writeMcpPlan(await planMcpEntry(file, null))).toBeNull();
    await writeMcpPlan(await planMcpEntry(file, entry));
    const [text, names] = [readFileSync(file, 'utf8'), readdirSync(folder)];
    chmodSync(file, 0o644);
    const again = await planMcpEntry(file, entry);
    expect([again.what, again.diff, await writeMcpPlan(again)]).toEqual(['nothing', '', null]);
    expect([readFileSync(file, 'utf8'), readdirSync(folder), mode(file)]).toEqual([text, names, 0o600]);
    expect((await planMcpEntry(path.join(folder, 'none.json'), null)).what).toBe('nothing');
  });

  it('keeps a link a link, and its backup beside it', async () => {
    const real = path.join(folder, 'dotfiles', 'claude.json');
    mkdirSync(path.dirname(real));
    writeFileSync(real, others);
    symlinkSync(path.join('dotfiles', 'claude.json'), file);
    const backup = await writeMcpPlan(await planMcpEntry(file, entry));
    expect([lstatSync(file).isSymbolicLink(), lstatSync(real).isSymbolicLink(), mode(real)]).toEqual([true, false, 0o600]);
    expect(readFileSync(real, 'utf8')).toContain(KEY);
    expect([path.dirname(backup ?? ''), readFileSync(backup ?? '', 'utf8')]).toEqual([folder, others]);
    const dangling = path.join(folder, 'dangling.json');
    symlinkSync('nowhere.json', dangling);
    expect(await failure(planMcpEntry(dangling, entry).then(writeMcpPlan))).toMatchObject({ code: 'not_saved' });
    expect(lstatSync(dangling).isSymbolicLink()).toBe(true);
  });

  it.each([
    ['no JSON', '{"mcpServers": {'], ['with a comment', '{} // mine'], ['with a comma too many', '{"a": 1,}'], ['empty', ''], ['a list', '[]'], ['null', 'null'], ['a text', '"x"'], ['servers that are a list', '{"mcpServers": []}'],
    ['servers that are null', '{"mcpServers": null}'], ['bytes that are no text', Buffer.from([0x7b, 0xff, 0x7d])],
  ])('refuses a file that is %s, and leaves it alone', async (_, content) => {
    writeFileSync(file, content);
    for (const wanted of [entry, null]) {
      const error = await failure(planMcpEntry(file, wanted));
      expect(error).toMatchObject({ code: 'mcp_json_invalid', personMustAct: true, message: expect.stringContaining(file) as string });
    }
    expect([readFileSync(file), readdirSync(folder)]).toEqual([Buffer.from(content), ['mcp.json']]);
  });

  it('keeps a byte order mark', async () => {
    writeFileSync(file, `\uFEFF${others}`);
    await writeMcpPlan(await planMcpEntry(file, entry));
    expect(readFileSync(file, 'utf8').startsWith('\uFEFF{\n')).toBe(true);
    await writeMcpPlan(await planMcpEntry(file, null));
    expect(readFileSync(file, 'utf8')).toBe(`\uFEFF${others}`);
  });

  it('is not done upon a file that somebody changed since, or made, or took away', async () => {
    writeFileSync(file, others);
    const plan = await planMcpEntry(file, entry);
    writeFileSync(file, '{}');
    expect(await failure(writeMcpPlan(plan))).toMatchObject({ code: 'mcp_json_changed' });
    rmSync(file);
    expect(await failure(writeMcpPlan(plan))).toMatchObject({ code: 'mcp_json_changed' });
    const fresh = await planMcpEntry(file, entry);
    writeFileSync(file, others);
    expect(await failure(writeMcpPlan(fresh))).toMatchObject({ code: 'mcp_json_changed' });
    expect([readFileSync(file, 'utf8'), readdirSync(folder)]).toEqual([others, ['mcp.json']]);
  });

  it('is whole or not at all: where it cannot be written, all is as it was', async () => {
    writeFileSync(path.join(folder, 'taken'), '');
    expect(await failure(planMcpEntry(path.join(folder, 'taken', 'mcp.json'), entry).then(writeMcpPlan))).toMatchObject({ code: 'not_saved' });
    mkdirSync(file);
    expect(await failure(planMcpEntry(file, entry))).toMatchObject({ code: 'mcp_json_invalid' });
    expect(await failure(planMcpEntry('mcp.json', entry))).toMatchObject({ code: 'invalid_argument' });
    expect(readdirSync(folder)).toEqual(['mcp.json', 'taken']);
  });

  it('of any JSON object gives one with our entry, whose backup is what was there', async () => {
    await fc.assert(fc.asyncProperty(objectTexts, async (text) => {
      const own = mkdtempSync(path.join(folder, 'any-'));
      const target = path.join(own, 'mcp.json');
      writeFileSync(target, text);
      const plan = await planMcpEntry(target, entry);
      const backup = await writeMcpPlan(plan);
      expect(readFileSync(backup ?? '', 'utf8')).toBe(text);
      expect((JSON.parse(readFileSync(target, 'utf8')) as { mcpServers: { chaojiyuyan: unknown } }).mcpServers.chaojiyuyan).toEqual(entry);
      expect(plan.diff).not.toContain(KEY);
      expect((await planMcpEntry(target, entry)).what).toBe('nothing');
    }), { numRuns: 60 });
  });
});

describe('what is shown of it', () => {
  it('is a diff with the keys masked and no secret of others', async () => {
    writeFileSync(file, others);
    const plan = await planMcpEntry(file, entry);
    expect(plan.diff).toContain('+                "CHAOJIYUYAN_API_KEY": "nxt_ag_…_key"');
    expect(plan.diff).toContain(`+++ ${file}`);
    expect(`${plan.diff}${plan.shown.before}${plan.shown.after}${inspect(plan, { depth: 9, showHidden: true })}${JSON.stringify(plan)}`).not.toMatch(new RegExp(`${KEY}|ghp_0123456789`));
    await writeMcpPlan(plan);
    const second = await planMcpEntry(file, mcpEntry({ node: '/usr/bin/node', cli: '/data/cli.mjs', apiKey: 'nxt_ag_another_secret_1234', baseUrl: 'https://own.example.org' }));
    expect(second.what).toBe('replace');
    expect(second.diff).toMatch(/^-.*nxt_ag_…_key"$/m);
    expect(second.diff).toMatch(/^\+.*nxt_ag_…1234",$/m);
    expect(second.diff).not.toMatch(/another_secret|very_secret/);
    const none = await planMcpEntry(path.join(folder, 'none.json'), entry);
    expect(none.diff).toMatch(/^--- \/dev\/null$/m);
  });

  it('is the few lines that change, also of a file that is one long line', async () => {
    writeFileSync(file, JSON.stringify({ projects: Array.from({ length: 200 }, (_, index) => ({ index, mcpServers: {} })), mcpServers: { git: { command: 'git-mcp' } } }));
    const plan = await planMcpEntry(file, entry);
    expect(plan.diff.startsWith(`--- ${file}\n+++ ${file}\n@@ `)).toBe(true);
    expect(plan.diff.split('\n').length).toBeLessThan(30);
    expect(plan.diff).toMatch(/^\+ {4}"chaojiyuyan": \{$/m);
    await writeMcpPlan(plan);
    expect(readFileSync(file, 'utf8')).not.toContain('\n');
  });

  it('hides what other servers are started with, on lines of their own too', async () => {
    const server = { command: 'x', args: ['--api-key', 'tell-nobody-1', '--token=tell-nobody-2', 'nxt_ag_tellnobody3'], headers: { 'X-Api-Key': 'tell-nobody-4', Authorization: 'Bearer tell-nobody-5' }, url: 'https://me:tell-nobody-6@x/' };
    for (const space of [undefined, 2, '\t']) {
      writeFileSync(file, JSON.stringify({ mcpServers: { other: server } }, null, space));
      const plan = await planMcpEntry(file, entry);
      expect(`${plan.diff}${plan.shown.before}${plan.shown.after}`.replaceAll(/tell-?nobody/g, 'told')).not.toContain('told');
    }
  });

  it('begins with the files, also for one that is not there', async () => {
    expect((await planMcpEntry(file, entry)).diff).toMatch(/^--- \/dev\/null\n\+\+\+ /);
    writeFileSync(file, others);
    expect((await planMcpEntry(file, entry)).diff).toMatch(/^--- \/.*mcp\.json\n\+\+\+ /);
  });

  it('hides the key in a file of one line too', async () => {
    writeFileSync(file, JSON.stringify({ mcpServers: { chaojiyuyan: entry, other: { env: { API_KEY: 'an-other-secret' } } } }));
    const { diff } = await planMcpEntry(file, null);
    expect(diff).toContain('nxt_ag_…_key');
    expect(diff).not.toMatch(/very_secret|an-other-secret/);
  });
});

describe('the entry', () => {
  it('names the server where it is not the default, and paths that hold from anywhere', () => {
    expect(mcpEntry({ node: '/n', cli: '/c', apiKey: 'k', baseUrl: 'http://own.example.org', allowPlainHttp: true, env: { ELECTRON_RUN_AS_NODE: '1' } })).toEqual({
      command: '/n', args: ['/c', 'hebing', 'mcp-server', '--allow-http'], env: { ELECTRON_RUN_AS_NODE: '1', CHAOJIYUYAN_API_KEY: 'k', HEBING_BASE_URL: 'http://own.example.org' },
    });
    expect(() => mcpEntry({ node: 'node', cli: '/c', apiKey: 'k', baseUrl: HEBING_URL })).toThrow(HebingError);
  });

  it('goes to the source\'s place by default, or to Claude Code\'s own', () => {
    expect(mcpTargets({ HOME: '/home/ada' }).map((one) => one.file)).toEqual(['/home/ada/.claude/mcp.json', '/home/ada/.claude.json']);
  });

  it('runs a copy of the command that outlives the place it came from', async () => {
    const source = path.join(folder, 'ext-1.0', 'cli.js');
    mkdirSync(path.dirname(source));
    writeFileSync(source, 'one');
    const kept = await keepCli(source, { HOME: folder });
    expect(kept).toBe(path.join(folder, '.local', 'share', 'pilothouse', 'cli.mjs'));
    const inode = statSync(kept).ino;
    expect([await keepCli(source, { HOME: folder }), statSync(kept).ino]).toEqual([kept, inode]);
    writeFileSync(source, 'two');
    await keepCli(source, { HOME: folder });
    rmSync(path.dirname(source), { recursive: true });
    expect(readFileSync(kept, 'utf8')).toBe('two');
    expect(await keepCli(kept, { XDG_DATA_HOME: path.join(folder, 'data') })).toBe(path.join(folder, 'data', 'pilothouse', 'cli.mjs'));
    expect(await failure(keepCli(source, { HOME: folder }))).toMatchObject({ code: 'not_saved' });
  });
});
