import { createHash } from 'node:crypto';
import path from 'node:path';
import type { SessionKey } from '../../core/model/session.ts';
import { isAbsolutePath } from '../commands/remotePlaces.ts';

/** The scheme of files of other machines, and of those that rows carry. */
export const REMOTE_SCHEME = 'pilothouse-remote';

/** What an address of our scheme names. `session` is the print of the session that reaches it. */
export type RemotePlace =
  | { readonly kind: 'file'; readonly session: string; readonly machine: string; readonly path: string }
  | { readonly kind: 'attachment'; readonly session: string; readonly row: string; readonly name: string };

/** Parts of an address. The path shows in breadcrumbs and titles, and its ending chooses the language and the viewer. */
interface AddressParts {
  readonly authority: string;
  readonly path: string;
}

/** A short name of a session's key that an address can hold. */
export function printOf(key: SessionKey): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 20);
}

export function addressOf(place: RemotePlace): AddressParts {
  if (place.kind === 'attachment') return { authority: `attachment-${place.session}`, path: `/${Buffer.from(place.row).toString('base64url')}/${segment(place.name, 'file')}` };
  const inner = place.path.startsWith('/') ? path.posix.normalize(place.path) : `/${place.path}`;
  return { authority: `file-${place.session}`, path: `/${segment(place.machine, 'other machine')}${inner}` };
}

/** What an address names; null for one that is none of ours. */
export function placeAt({ authority, path: whole }: AddressParts): RemotePlace | null {
  const [, kind, session] = /^(file|attachment)-([0-9a-f]{20})$/.exec(authority) ?? [];
  const [, first, rest] = /^\/([^/]+)\/(.+)$/s.exec(whole) ?? [];
  if (kind === undefined || session === undefined || first === undefined || rest === undefined) return null;
  if (kind === 'attachment') return { kind, session, row: Buffer.from(first, 'base64url').toString('utf8'), name: rest };
  return { kind: 'file', session, machine: first, path: !rest.startsWith('/') && isAbsolutePath(rest) ? rest : `/${rest}` };
}

function segment(text: string, otherwise: string): string {
  const clean = text.replaceAll(/[\\/?#\p{C}]/gu, '_').trim();
  return clean === '' || clean === '.' || clean === '..' ? otherwise : clean.slice(0, 200);
}
