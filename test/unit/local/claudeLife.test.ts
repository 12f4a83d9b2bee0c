import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Desk } from '../../../src/core/systems/local/claude/desk.ts';
import { Life } from '../../../src/core/systems/local/claude/life.ts';
import { createProcessLedger } from '../../../src/core/systems/local/ledger.ts';
import { HandClock } from '../session/hand-clock.ts';
import { memoryLog, tempFolder } from './processScripts.ts';

/** Stands in for the agent's program: gets ready, and ends when it is told to. */
const program = `#!${process.execPath}
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { type, request_id } = JSON.parse(line);
  if (type === 'control_request') console.log(JSON.stringify({ type: 'control_response', response: { subtype: 'success', request_id, response: {} } }));
}).on('close', () => process.exit(0));
`;

describe('what a process of a session holds', () => {
  let temp: Awaited<ReturnType<typeof tempFolder>>;
  let life: Life;
  let log: ReturnType<typeof memoryLog>;
  /** What was taken and given back, in order. */
  let happened: string[] = [];
  let exited: () => Promise<void> = async () => undefined;

  beforeEach(async () => {
    temp = await tempFolder();
    log = memoryLog();
    happened = [];
    exited = async () => undefined;
    const claude = path.join(temp.path, 'claude');
    await writeFile(claude, program);
    await chmod(claude, 0o700);
    await mkdir(path.join(temp.path, 'state'));
    const desk = {
      context: { connectionId: 'c', log, clock: new HandClock(), stateDir: path.join(temp.path, 'state') },
      env: { PATH: process.env['PATH'], HOME: temp.path }, configDir: temp.path, idleMs: 60_000, ledger: createProcessLedger(path.join(temp.path, 'state'), log),
      claims: { take: async () => void happened.push('take'), release: async () => void happened.push('release'), other: async () => null },
      program: async () => ({ path: claude, version: null, help: '' }), runners: async () => new Map(), initialized: () => undefined,
    } as unknown as Desk;
    life = new Life(desk, '00000000-0000-4000-8000-000000000001', {
      record: async () => ({ folder: temp.path, mode: 'default', model: null, effort: null, fork: null }) as never,
      file: async () => null,
      entries: () => undefined, changed: () => undefined, mode: () => undefined, title: () => undefined, turnEnded: () => undefined, starting: async () => undefined, leftAs: () => false,
      exited: async () => {
        happened.push('exited');
        await exited();
      },
    });
  });
  afterEach(async () => {
    await life.dispose();
    await temp.remove();
  });

  it('is given back though looking at what it left fails', async () => {
    exited = () => Promise.reject(new Error('the disk is gone'));
    await life.ensure();
    await life.stop();
    expect(happened).toEqual(['take', 'exited', 'release']);
    expect(log.lines.some((line) => line.includes('the disk is gone'))).toBe(true);
  });

  it('is given back before the next one takes it', async () => {
    let open: () => void = () => undefined;
    exited = () => new Promise((resolve) => {
      open = resolve;
    });
    const agent = await life.ensure();
    await agent.stop();
    expect(happened).toEqual(['take', 'exited']);
    const next = life.ensure();
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    expect(happened).toEqual(['take', 'exited']);
    open();
    await next;
    expect(happened).toEqual(['take', 'exited', 'release', 'take']);
    exited = async () => undefined;
  });
});
