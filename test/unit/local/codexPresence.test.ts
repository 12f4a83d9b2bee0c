import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { isJsonObject } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { Claims } from '../../../src/core/systems/local/claims.ts';
import { createClaims } from '../../../src/core/systems/local/claims.ts';
import { CodexDisk } from '../../../src/core/systems/local/codex/disk.ts';
import type { CodexHost } from '../../../src/core/systems/local/codex/host.ts';
import { Presence } from '../../../src/core/systems/local/codex/presence.ts';
import { CodexServer } from '../../../src/core/systems/local/codex/server.ts';
import { read, threadAnswerSchema } from '../../../src/core/systems/local/codex/wire.ts';
import { systemClock } from '../../../src/core/transport/clock.ts';
import { createProcessLedger } from '../../../src/core/systems/local/ledger.ts';
import { fixture, messagesOf } from './codexRecording.ts';
import { contextIn, temporary } from './codexRig.ts';

let place: Awaited<ReturnType<typeof temporary>>;
beforeEach(async () => {
  place = await temporary();
});
afterEach(async () => place.remove());

/** A thread that the server is said to have; the server itself is never started. */
async function loaded(id: string, now: () => number = () => Date.now(), claims?: Claims): Promise<{ readonly presence: Presence; readonly entries: Entry[] }> {
  const context = { ...contextIn(place.path), clock: { ...systemClock, now } };
  const entries: Entry[] = [];
  const server = new CodexServer({
    context, ledger: createProcessLedger(context.stateDir, context.log), program: () => Promise.reject(new Error('not here')), env: {}, onNotification: () => undefined, onRequest: () => undefined,
    onExit: () => undefined, busy: () => false,
  });
  const host: CodexHost = {
    context, claims: claims ?? createClaims(context, { env: { HOME: place.path }, scope: 'codex', program: undefined }), disk: new CodexDisk(place.path), server, models: () => [], needModels: () => Promise.resolve(), others: () => ({ loaded: 0, running: false, runningIn: () => false }), changed: () => undefined,
    gone: () => undefined, adopt: () => Promise.reject(new Error('not here')), spawn: () => Promise.reject(new Error('not here')), endServer: () => server.stop(), needsSignIn: () => undefined,
  };
  const presence = new Presence(id, host, { entries: (some) => entries.push(...some), controls: () => undefined, unreachable: () => undefined });
  const answer = read(threadAnswerSchema, { thread: { id, cwd: place.path }, model: 'm', approvalPolicy: 'on-request', sandbox: { type: 'readOnly' } });
  if (answer === null) throw new Error('no answer');
  await presence.adopt(answer);
  return { presence, entries };
}
const threadOf = (params: JsonValue): string => (isJsonObject(params) && typeof params['threadId'] === 'string' ? params['threadId'] : '');

/** What both sides tell of rows, and of those within them; requests for permission are the wire's alone. */
function told(rows: readonly Row[]): unknown[] {
  return rows.filter((row) => row.kind !== 'permission').map((row) => {
    if (row.kind === 'tool') return [row.key, row.kind, row.turn, row.name, row.verb, row.title, row.command, row.status, row.output, row.diffs, row.exitCode, told(row.children)];
    if (row.kind === 'turn') return [row.key, row.kind, row.state, row.filesChanged, row.figures, row.error];
    if (row.kind === 'text' || row.kind === 'thinking' || row.kind === 'prompt') return [row.key, row.kind, row.turn, row.text];
    return [row.key, row.kind, row.turn];
  });
}

describe.each(['paginated', 'legacy'])('a recorded thread with a subagent, its file %s', (format) => {
  const messages = messagesOf(`wire-agents-${format}`);
  const root = threadOf(messages[0]?.params ?? null);
  const copied = async (): Promise<CodexDisk> => {
    const folder = path.join(place.path, 'sessions', '2026', '11', '21');
    await mkdir(folder, { recursive: true });
    for (const name of [`rollout-agents-${format}`, `rollout-agents-${format}-child`]) {
      const text = fixture(name).toString('utf8');
      const id = /"id":"([0-9a-f-]{36})"/.exec(text.replace(/"session_id":"[^"]*"/, ''))?.[1] ?? '';
      await writeFile(path.join(folder, `rollout-2026-11-21T14-00-00-${id}.jsonl`), text);
    }
    return new CodexDisk(place.path);
  };
  const wired = async (): Promise<readonly Entry[]> => {
    let now = messages[0]?.at ?? 0;
    const { presence, entries } = await loaded(root, () => now);
    for (const { method, params, at } of messages) {
      now = at;
      presence.onNotification(threadOf(params), method, params);
    }
    return entries;
  };

  it('is one view from the wire and from the files, in any size of pages', async () => {
    const disk = await copied();
    const wire = told(viewOf(await wired()));
    expect(JSON.stringify(wire)).toContain('There are three.');
    for (const limit of [1, 1000]) {
      const entries: Entry[] = [];
      for (let cursor: string | undefined, more = true; more; ) {
        const page = await disk.page(root, { cursor, limit, live: false });
        entries.push(...page.items);
        cursor = page.next ?? undefined;
        more = cursor !== undefined;
      }
      expect(told(viewOf(entries))).toEqual(wire);
    }
  });

  it('is the same view when both tell of it, and while it still runs', async () => {
    const disk = await copied();
    const wire = await wired();
    const { items } = await disk.page(root, { limit: 1000, live: true });
    expect(told(viewOf([...items, ...wire]))).toEqual(told(viewOf(wire)));
    expect(told(viewOf([...wire, ...items]))).toEqual(told(viewOf(wire)));
  });

  it('tells the files that the turn has changed in the end', async () => {
    const [first] = viewOf(await wired()).filter((row) => row.kind === 'turn');
    expect(first).toMatchObject({ filesChanged: ['/home/dev/code/harbour/made.txt'] });
  });
});

describe('a thread that is loaded while it is being let go of', () => {
  it('takes its claim after it was given back', async () => {
    const id = '01a1fdda-0000-7000-8000-000000000001';
    const folder = path.join(place.path, 'sessions', '2026', '11', '21');
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, `rollout-2026-11-21T10-00-00-${id}.jsonl`), `${JSON.stringify({ timestamp: '2026-11-21T10:00:00.000Z', type: 'session_meta', payload: { id, cwd: place.path, source: 'cli' } })}\n`);
    const acts: string[] = [];
    const taken = Promise.withResolvers<undefined>();
    const { presence } = await loaded(id, undefined, {
      async take() {
        acts.push('take');
        taken.resolve(undefined);
      },
      async release() {
        acts.push('release');
        // Long enough for a load that does not wait to take the claim meanwhile.
        await Promise.race([taken.promise, new Promise((resolve) => {
          setTimeout(resolve, 400);
        })]);
        acts.push('released');
      },
      other: () => Promise.resolve(null),
    });
    const left = presence.unload();
    // The server of this test cannot be started: what counts is when the claim is taken.
    await expect(presence.load()).rejects.toThrow('not here');
    await left;
    expect(acts.slice(0, 3)).toEqual(['release', 'released', 'take']);
  });
});

describe('subagents', () => {
  const messages = messagesOf('agents').filter(({ params }) => threadOf(params) !== '');
  const root = threadOf(messages[0]?.params ?? null);

  it('do what they do within their row, which ends when they do', async () => {
    const { presence, entries } = await loaded(root);
    for (const { method, params } of messages) presence.onNotification(threadOf(params), method, params);
    const rows = viewOf(entries);
    expect(rows.map((row) => row.kind)).toEqual(['prompt', 'tool', 'tool', 'text', 'turn']);
    const [, agent] = rows;
    expect(agent).toMatchObject({ kind: 'tool', verb: 'agent', title: 'looker', status: 'ok', children: [{ kind: 'text', text: 'parent done' }] });
  });

  it('that are cut off with the turn are cancelled, and their permissions wait among the session’s own rows', async () => {
    const { presence, entries } = await loaded(root);
    const begun = messages.findIndex(({ method, params }) => method === 'turn/started' && threadOf(params) !== root);
    for (const { method, params } of messages.slice(0, begun + 1)) presence.onNotification(threadOf(params), method, params);
    const child = threadOf(messages[begun]?.params ?? null);
    expect(presence.onRequest(child, 'item/commandExecution/requestApproval', { threadId: child, itemId: 'c', command: 'ls', startedAtMs: 5 }, 9)).toBe(true);
    const [waiting] = presence.threads().flatMap((thread) => thread.waiting);
    expect(presence.asking(waiting?.requestId ?? '')).not.toBeNull();
    presence.onExit({ code: 1, signal: null, stderrTail: 'panic', expected: false });
    const rows = viewOf(entries);
    expect(rows.find((row) => row.kind === 'tool')).toMatchObject({ status: 'cancelled', children: [] });
    expect(rows.filter((row) => row.kind === 'permission')).toMatchObject([{ outcome: 'lost' }]);
    expect(rows.at(-1)).toMatchObject({ kind: 'turn', state: 'failed', error: expect.stringContaining('panic') as string });
    expect(presence.failure).toContain('panic');
  });
});
