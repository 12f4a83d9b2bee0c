import { z } from 'zod';
import { linkKey } from '../database.ts';
import type { LinkRow } from '../rows.ts';
import { signedBy } from '../tokens.ts';
import { ok, refuse, type Reply, type Router } from '../router.ts';
import type { World } from '../world.ts';

const authBody = z.object({ publicKey: z.string(), challenge: z.string(), signature: z.string() });
const requestBody = z.object({ publicKey: z.string(), supportsV2: z.boolean().nullish() });
const accountBody = z.object({ publicKey: z.string() });
const responseBody = z.object({ response: z.string(), publicKey: z.string() });

/** Signing in by a signature, and links by code of both kinds (happy.md A, Auth). */
export function authRoutes(router: Router, world: World): void {
  const { database, tokens } = world;

  router.on('POST', '/v1/auth', {
    open: true, body: authBody,
    run: ({ body }) => {
      const publicKey = bytes(body.publicKey);
      if (!signedBy(publicKey, bytes(body.challenge), bytes(body.signature))) return refuse(401, 'Invalid signature');
      return ok({ success: true, token: tokens.create(accountFor(world, publicKey.toString('hex'))) });
    },
  });

  const ask = (kind: LinkRow['kind'], publicKey: string, supportsV2: boolean): Reply => {
    const hex = linkHex(publicKey);
    let row = database.links.get(linkKey(kind, hex));
    if (row === undefined) {
      row = { id: database.newId(), kind, publicKey: hex, supportsV2, response: null, responseAccountId: null };
      database.links.set(linkKey(kind, hex), row);
      database.changed();
    }
    if (row.response === null || row.responseAccountId === null) return ok({ state: 'requested' });
    const token = tokens.create(row.responseAccountId, kind === 'terminal' ? { session: row.id } : undefined);
    return ok({ state: 'authorized', token, response: row.response });
  };

  const approve = (kind: LinkRow['kind'], accountId: string, body: z.output<typeof responseBody>): Reply => {
    const row = database.links.get(linkKey(kind, linkHex(body.publicKey)));
    if (row === undefined) return refuse(404, 'Request not found');
    // The first answer stays; a second one is taken politely and dropped.
    if (row.response === null) Object.assign(row, { response: body.response, responseAccountId: accountId });
    database.changed();
    return ok({ success: true });
  };

  router.on('POST', '/v1/auth/request', { open: true, body: requestBody, run: ({ body }) => ask('terminal', body.publicKey, body.supportsV2 ?? false) });
  router.on('POST', '/v1/auth/account/request', { open: true, body: accountBody, run: ({ body }) => ask('account', body.publicKey, false) });
  router.on('POST', '/v1/auth/response', { body: responseBody, run: ({ accountId, body }) => approve('terminal', accountId, body) });
  router.on('POST', '/v1/auth/account/response', { body: responseBody, run: ({ accountId, body }) => approve('account', accountId, body) });

  router.on('GET', '/v1/auth/request/status', {
    open: true, query: z.object({ publicKey: z.string() }),
    run: ({ query }) => {
      const key = bytes(query.publicKey);
      const row = key.length === 32 ? database.links.get(linkKey('terminal', key.toString('hex'))) : undefined;
      if (row === undefined) return ok({ status: 'not_found', supportsV2: false });
      if (row.response !== null) return ok({ status: 'authorized', supportsV2: false });
      return ok({ status: 'pending', supportsV2: row.supportsV2 });
    },
  });
}

/** The id of the account with this public key (hex), made when there is none. */
export function accountFor(world: World, publicKey: string): string {
  for (const account of world.database.accounts.values()) if (account.publicKey === publicKey) return account.id;
  const id = world.database.newId();
  world.database.accounts.set(id, { id, publicKey, seq: 0, settings: null, settingsVersion: 0, createdAt: world.database.now() });
  world.database.changed();
  return id;
}

function linkHex(publicKey: string): string {
  const key = bytes(publicKey);
  if (key.length !== 32) return refuse(401, 'Invalid public key');
  return key.toString('hex');
}

function bytes(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}
