import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { accessKey } from '../database.ts';
import { ok, refuse, Refusal, type Router } from '../router.ts';
import type { AccessKeyRow, ArtifactRow, SessionRow } from '../rows.ts';
import type { World } from '../world.ts';

const mostBytes = 10 * 1024 * 1024;
const mostUploads = 60;
const uploadBody = z.object({ filename: z.string(), size: z.number().max(mostBytes) });
const artifactBody = z.object({ id: z.uuid(), header: z.string(), body: z.string(), dataEncryptionKey: z.string() });
const artifactChange = z.object({
  header: z.string().optional(), expectedHeaderVersion: z.number().int().min(0).optional(), body: z.string().optional(), expectedBodyVersion: z.number().int().min(0).optional(),
});

/** Attachments, artifacts and access keys (happy.md B11). */
export function recordRoutes(router: Router, world: World): void {
  attachmentRoutes(router, world);
  artifactRoutes(router, world);
  accessKeyRoutes(router, world);
}

function attachmentRoutes(router: Router, world: World): void {
  const { database } = world;
  const uploads = new Map<string, { count: number; since: number }>();
  const owned = (accountId: string, id: string | undefined): SessionRow => database.session(accountId, id ?? '') ?? refuse(404, 'Session not found');
  const refOf = (sessionId: string, file: string | undefined): string => {
    if (file === undefined || file.includes('..') || file.includes('/')) return refuse(404, 'Invalid attachment file');
    return `sessions/${sessionId}/attachments/${file}`;
  };
  const tooMany = (accountId: string): boolean => {
    const now = database.now();
    const had = uploads.get(accountId);
    if (had === undefined || now - had.since >= world.times.uploadWindow) {
      uploads.set(accountId, { count: 1, since: now });
      return false;
    }
    had.count += 1;
    return had.count > mostUploads;
  };

  router.on('POST', '/v1/sessions/:id/attachments/request-upload', {
    body: uploadBody,
    run: ({ accountId, params, request }) => {
      if (tooMany(accountId)) return refuse(429, 'Too many upload requests. Try again in a minute.');
      const session = owned(accountId, params['id']);
      const ref = `sessions/${session.id}/attachments/${randomUUID()}.enc`;
      return ok({ ref, uploadUrl: `http://${request.headers.host}/v1/${ref}`, method: 'PUT' });
    },
  });

  router.on('PUT', '/v1/sessions/:id/attachments/:file', {
    run: ({ accountId, params, request }) => {
      const ref = refOf(owned(accountId, params['id']).id, params['file']);
      if (request.body.length > mostBytes) return refuse(413, 'File too large (max 10MB)');
      database.blobs.set(ref, Uint8Array.from(request.body));
      database.changed();
      return ok({ ok: true });
    },
  });

  router.on('POST', '/v1/sessions/:id/attachments/request-download', {
    body: z.object({ ref: z.string() }),
    run: ({ accountId, params, body, request }) => {
      const prefix = `sessions/${owned(accountId, params['id']).id}/attachments/`;
      if (!body.ref.startsWith(prefix)) return refuse(400, 'Ref does not belong to this session');
      const file = body.ref.slice(prefix.length);
      if (file === '' || file.includes('/') || file.includes('..')) return refuse(400, 'Invalid attachment ref');
      return ok({ downloadUrl: `http://${request.headers.host}/v1/${body.ref}` });
    },
  });

  router.on('GET', '/v1/sessions/:id/attachments/:file', {
    run: ({ accountId, params }) => {
      const bytes = database.blobs.get(refOf(owned(accountId, params['id']).id, params['file'])) ?? refuse(404, 'Attachment not found');
      return { status: 200, body: Buffer.from(bytes), headers: { 'content-type': 'application/octet-stream' } };
    },
  });
}

function artifactRoutes(router: Router, world: World): void {
  const { database, hub } = world;
  const owned = (accountId: string, id: string | undefined): ArtifactRow => {
    const row = database.artifacts.get(id ?? '');
    return row?.accountId === accountId ? row : refuse(404, 'Artifact not found');
  };

  router.on('GET', '/v1/artifacts', {
    run: ({ accountId }) => {
      const rows = [...database.artifacts.values()].filter((row) => row.accountId === accountId).sort((a, b) => b.updatedAt - a.updatedAt).slice(0, 200);
      return ok(rows.map((row) => {
        const { body: _body, bodyVersion: _version, ...head } = artifactView(row);
        return head;
      }));
    },
  });
  router.on('GET', '/v1/artifacts/:id', { run: ({ accountId, params }) => ok(artifactView(owned(accountId, params['id']))) });
  router.on('POST', '/v1/artifacts', { body: artifactBody, run: ({ accountId, body }) => ok(createArtifact(world, accountId, body)) });
  router.on('POST', '/v1/artifacts/:id', {
    body: artifactChange,
    run: ({ accountId, params, body }) => {
      const row = owned(accountId, params['id']);
      const { header, expectedHeaderVersion: headAt, body: text, expectedBodyVersion: bodyAt } = body;
      const headDiffers = header !== undefined && headAt !== undefined && headAt !== row.headerVersion;
      const bodyDiffers = text !== undefined && bodyAt !== undefined && bodyAt !== row.bodyVersion;
      if (headDiffers || bodyDiffers) {
        return ok({
          success: false, error: 'version-mismatch', ...(headDiffers ? { currentHeaderVersion: row.headerVersion, currentHeader: row.header } : {}),
          ...(bodyDiffers ? { currentBodyVersion: row.bodyVersion, currentBody: row.body } : {}),
        });
      }
      const head = header === undefined || headAt === undefined ? undefined : { value: header, version: headAt + 1 };
      const main = text === undefined || bodyAt === undefined ? undefined : { value: text, version: bodyAt + 1 };
      changeArtifact(world, row, head, main);
      return ok({ success: true, ...(head === undefined ? {} : { headerVersion: head.version }), ...(main === undefined ? {} : { bodyVersion: main.version }) });
    },
  });
  router.on('DELETE', '/v1/artifacts/:id', {
    run: ({ accountId, params }) => {
      const row = owned(accountId, params['id']);
      database.artifacts.delete(row.id);
      database.changed();
      hub.update(accountId, { t: 'delete-artifact', artifactId: row.id });
      return ok({ success: true });
    },
  });
}

/** Makes an artifact, or answers the one that is there; refuses with 409 when another account has the id. */
export function createArtifact(world: World, accountId: string, body: z.output<typeof artifactBody>): Omit<ArtifactRow, 'accountId'> {
  const there = world.database.artifacts.get(body.id);
  if (there !== undefined) return there.accountId === accountId ? artifactView(there) : refuse(409, 'Artifact with this ID already exists for another account');
  const now = world.database.now();
  const row: ArtifactRow = { ...body, accountId, headerVersion: 1, bodyVersion: 1, seq: 0, createdAt: now, updatedAt: now };
  world.database.artifacts.set(row.id, row);
  world.database.changed();
  const { id, ...view } = artifactView(row);
  world.hub.update(accountId, { t: 'new-artifact', artifactId: id, ...view });
  return artifactView(row);
}

interface Versioned {
  readonly value: string;
  readonly version: number;
}

/** Writes a changed header, body or both, and tells it. */
export function changeArtifact(world: World, row: ArtifactRow, header: Versioned | undefined, body: Versioned | undefined): void {
  if (header !== undefined) Object.assign(row, { header: header.value, headerVersion: header.version });
  if (body !== undefined) Object.assign(row, { body: body.value, bodyVersion: body.version });
  row.seq += 1;
  row.updatedAt = world.database.now();
  world.database.changed();
  world.hub.update(row.accountId, { t: 'update-artifact', artifactId: row.id, ...(header === undefined ? {} : { header }), ...(body === undefined ? {} : { body }) });
}

/** An artifact as its answers have it. */
export function artifactView(row: ArtifactRow): Omit<ArtifactRow, 'accountId'> {
  const { accountId: _account, ...view } = row;
  return view;
}

function accessKeyRoutes(router: Router, world: World): void {
  const { database } = world;
  const path = '/v1/access-keys/:session/:machine';
  const keyOf = (accountId: string, params: Readonly<Record<string, string>>): string => accessKey(accountId, params['machine'] ?? '', params['session'] ?? '');
  const known = (accountId: string, params: Readonly<Record<string, string>>): void => {
    const both = database.session(accountId, params['session'] ?? '') !== undefined && database.machine(accountId, params['machine'] ?? '') !== undefined;
    if (!both) refuse(404, 'Session or machine not found');
  };

  router.on('GET', path, {
    run: ({ accountId, params }) => {
      known(accountId, params);
      const row = database.accessKeys.get(keyOf(accountId, params));
      return ok({ accessKey: row === undefined ? null : accessKeyView(row) });
    },
  });
  router.on('POST', path, {
    body: z.object({ data: z.string() }),
    run: ({ accountId, params, body }) => {
      known(accountId, params);
      const key = keyOf(accountId, params);
      if (database.accessKeys.has(key)) return refuse(409, 'Access key already exists');
      const now = database.now();
      const row: AccessKeyRow = { accountId, machineId: params['machine'] ?? '', sessionId: params['session'] ?? '', data: body.data, dataVersion: 1, createdAt: now, updatedAt: now };
      database.accessKeys.set(key, row);
      database.changed();
      return ok({ success: true, accessKey: accessKeyView(row) });
    },
  });
  router.on('PUT', path, {
    body: z.object({ data: z.string(), expectedVersion: z.number().int().min(0) }),
    run: ({ accountId, params, body }) => {
      const row = database.accessKeys.get(keyOf(accountId, params));
      if (row === undefined) throw new Refusal(404, { error: 'Access key not found' });
      if (row.dataVersion !== body.expectedVersion) return ok({ success: false, error: 'version-mismatch', currentVersion: row.dataVersion, currentData: row.data });
      Object.assign(row, { data: body.data, dataVersion: row.dataVersion + 1, updatedAt: database.now() });
      database.changed();
      return ok({ success: true, version: row.dataVersion });
    },
  });
}

/** An access key as its answers have it. */
export function accessKeyView({ data, dataVersion, createdAt, updatedAt }: AccessKeyRow): Omit<AccessKeyRow, 'accountId' | 'machineId' | 'sessionId'> {
  return { data, dataVersion, createdAt, updatedAt };
}
