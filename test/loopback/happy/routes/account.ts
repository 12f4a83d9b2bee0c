import { z } from 'zod';
import { ok, refuse, Refusal, type Router } from '../router.ts';
import type { UsageRow } from '../rows.ts';
import type { PhonePush, World } from '../world.ts';
import { rooms } from '../hub.ts';

const settingsBody = z.object({ settings: z.string().nullable(), expectedVersion: z.number().int().min(0) });
const usageBody = z.object({
  sessionId: z.string().nullish(), startTime: z.number().int().positive().nullish(), endTime: z.number().int().positive().nullish(), groupBy: z.enum(['hour', 'day']).nullish(),
});
const versionBody = z.object({ platform: z.string(), version: z.string(), app_id: z.string() });
const pushBody = z.object({
  kind: z.enum(['done', 'permission', 'question']), title: z.string().min(1).max(200), body: z.string().min(1).max(500), data: z.record(z.string(), z.unknown()).optional(),
});
const kvBody = z.object({ mutations: z.array(z.object({ key: z.string(), value: z.string().nullable(), version: z.number() })).min(1).max(100) });
const kvQuery = z.object({ prefix: z.string().optional(), limit: z.coerce.number().int().min(1).max(1000).default(100) });
const kvBulkBody = z.object({ keys: z.array(z.string()).min(1).max(100) });

/** The account itself: profile, settings, usage, key-value store, push tokens and pushes to the phone; and what anyone may ask. */
export function accountRoutes(router: Router, world: World): void {
  const { database, hub } = world;

  router.on('GET', '/', { open: true, run: () => ok('Welcome to Happy Server!') });
  router.on('GET', '/health', { open: true, run: () => ok({ status: 'ok', timestamp: new Date(database.now()).toISOString(), service: 'happy-server' }) });
  router.on('POST', '/v1/version', {
    open: true, body: versionBody,
    run: ({ body }) => ok({ updateUrl: /^ios$/i.test(body.platform) && body.version.startsWith('1.0.') ? 'https://apps.apple.com/us/app/happy-claude-code-client/id6748571505' : null }),
  });

  router.on('GET', '/v1/account/profile', {
    run: ({ accountId }) => ok({ id: accountId, timestamp: database.now(), firstName: null, lastName: null, username: null, avatar: null, github: null, connectedServices: [] }),
  });

  router.on('GET', '/v1/account/settings', {
    run: ({ accountId }) => {
      const account = database.accounts.get(accountId);
      return ok({ settings: account?.settings ?? null, settingsVersion: account?.settingsVersion ?? 0 });
    },
  });

  router.on('POST', '/v1/account/settings', {
    body: settingsBody,
    run: ({ accountId, body }) => {
      const account = database.accounts.get(accountId) ?? refuse(500, 'Failed to update account settings');
      if (account.settingsVersion !== body.expectedVersion) {
        return ok({ success: false, error: 'version-mismatch', currentVersion: account.settingsVersion, currentSettings: account.settings });
      }
      account.settings = body.settings;
      account.settingsVersion += 1;
      database.changed();
      hub.update(accountId, { t: 'update-account', id: accountId, settings: { value: account.settings, version: account.settingsVersion } });
      return ok({ success: true, version: account.settingsVersion });
    },
  });

  router.on('POST', '/v1/usage/query', {
    body: usageBody,
    run: ({ accountId, body }) => {
      if (body.sessionId != null && database.session(accountId, body.sessionId) === undefined) return refuse(404, 'Session not found');
      const from = (body.startTime ?? 0) * 1000;
      const to = body.endTime == null ? Number.POSITIVE_INFINITY : body.endTime * 1000;
      const reports = [...database.usage.values()].filter((row) => row.accountId === accountId && row.createdAt >= from && row.createdAt <= to
        && (body.sessionId == null || row.sessionId === body.sessionId));
      const groupBy = body.groupBy ?? 'day';
      return ok({ usage: summed(reports, groupBy), groupBy, totalReports: reports.length });
    },
  });

  router.on('GET', '/v1/kv', {
    query: kvQuery,
    run: ({ accountId, query }) => ok({ items: kvOf(world, accountId).filter((row) => row.key.startsWith(query.prefix ?? '')).slice(0, query.limit) }),
  });
  router.on('POST', '/v1/kv/bulk', { body: kvBulkBody, run: ({ accountId, body }) => ok({ values: kvOf(world, accountId).filter((row) => body.keys.includes(row.key)) }) });
  router.on('GET', '/v1/kv/:key', {
    run: ({ accountId, params }) => ok(kvOf(world, accountId).find((row) => row.key === params['key']) ?? refuse(404, 'Key not found')),
  });
  router.on('POST', '/v1/kv', {
    body: kvBody,
    run: ({ accountId, body }) => {
      const errors = body.mutations.flatMap(({ key, version }) => {
        const row = database.kv.get(`${accountId} ${key}`);
        return (row?.version ?? -1) === version ? [] : [{ key, error: 'version-mismatch', version: row?.version ?? -1, value: row?.value ?? null }];
      });
      if (errors.length > 0) throw new Refusal(409, { success: false, errors });
      const changes = body.mutations.map(({ key, value, version }) => ({ key, value, version: version + 1 }));
      for (const change of changes) database.kv.set(`${accountId} ${change.key}`, { accountId, ...change });
      database.changed();
      hub.update(accountId, { t: 'kv-batch-update', changes });
      return ok({ success: true, results: changes.map(({ key, version }) => ({ key, version })) });
    },
  });

  router.on('GET', '/v1/push-tokens', {
    run: ({ accountId }) => {
      const tokens = [...database.pushTokens.values()].filter((row) => row.accountId === accountId).sort((a, b) => b.createdAt - a.createdAt);
      return ok({ tokens: tokens.map(({ id, token, createdAt, updatedAt }) => ({ id, token, createdAt, updatedAt })) });
    },
  });
  router.on('POST', '/v1/push-tokens', {
    body: z.object({ token: z.string() }),
    run: ({ accountId, body }) => {
      const key = `${accountId} ${body.token}`;
      const now = database.now();
      const row = database.pushTokens.get(key);
      if (row === undefined) database.pushTokens.set(key, { id: database.newId(), accountId, token: body.token, createdAt: now, updatedAt: now });
      else row.updatedAt = now;
      database.changed();
      return ok({ success: true });
    },
  });
  router.on('DELETE', '/v1/push-tokens/:token', {
    run: ({ accountId, params }) => {
      database.pushTokens.delete(`${accountId} ${params['token']}`);
      database.changed();
      return ok({ success: true });
    },
  });

  router.on('POST', '/v1/sessions/:id/push-event', {
    body: pushBody,
    run: async ({ accountId, params, body }) => {
      const sessionId = params['id'] ?? '';
      if (database.session(accountId, sessionId) === undefined) return refuse(404, 'Session not found');
      const { kind, title, body: text } = body;
      hub.ephemeral(accountId, { type: 'session-event', sessionId, kind, title, body: text, timestamp: database.now() }, { session: sessionId });
      const tokens = [...database.pushTokens.values()].filter((row) => row.accountId === accountId).length;
      const result: PhonePush['result'] = (await isWatching(world, accountId)) ? 'suppressed' : tokens === 0 ? 'no_tokens' : 'sent';
      world.pushes.push({ accountId, sessionId, kind, title, body: text, result, at: database.now() });
      return ok({ success: true, result, ...(result === 'sent' ? { tokens } : {}), ...(result === 'suppressed' ? { reason: 'active-ui-client' } : {}) });
    },
  });
}

/** Only a user-scoped socket that said `active` proves that someone looks (happy.md B1). */
async function isWatching(world: World, accountId: string): Promise<boolean> {
  const sockets = (await world.hub.io?.in(rooms.all(accountId)).fetchSockets()) ?? [];
  return sockets.some(({ data }) => data.clientType === 'user-scoped' && data.appState === 'active');
}

function kvOf(world: World, accountId: string): { readonly key: string; readonly value: string; readonly version: number }[] {
  return [...world.database.kv.values()].flatMap((row) => (row.accountId === accountId && row.value !== null ? [{ key: row.key, value: row.value, version: row.version }] : []));
}

/** Reports added up by local hour or day; seconds since the epoch, ascending. */
function summed(reports: readonly UsageRow[], groupBy: 'hour' | 'day'): unknown[] {
  const groups = new Map<number, { timestamp: number; tokens: Record<string, number>; cost: Record<string, number>; reportCount: number }>();
  for (const report of reports) {
    const start = new Date(report.createdAt);
    start.setHours(groupBy === 'hour' ? start.getHours() : 0, 0, 0, 0);
    const timestamp = start.getTime() / 1000;
    const group = groups.get(timestamp) ?? { timestamp, tokens: {}, cost: {}, reportCount: 0 };
    groups.set(timestamp, group);
    group.reportCount += 1;
    for (const [name, count] of Object.entries(report.tokens)) group.tokens[name] = (group.tokens[name] ?? 0) + count;
    for (const [name, amount] of Object.entries(report.cost)) group.cost[name] = (group.cost[name] ?? 0) + amount;
  }
  return [...groups.values()].sort((a, b) => a.timestamp - b.timestamp);
}
