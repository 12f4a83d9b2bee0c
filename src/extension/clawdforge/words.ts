import type { JsonValue } from '../../core/model/json.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { AppToken, RunResult } from '../../core/systems/clawdforge/index.ts';
import { age } from '../tree/text.ts';

/** A document by its name, whose ending chooses the language, and its text. */
interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** What a run gave: JSON where the model answered with JSON, else its text, which is no markdown: of a link in it VS Code would make one that can run a command. */
export function runDocument({ result }: Pick<RunResult, 'result'>): NamedText {
  return typeof result === 'string' ? { name: 'clawdforge result.txt', text: result } : { name: 'clawdforge result.json', text: `${JSON.stringify(result, null, 2)}\n` };
}

/** `end_turn · 3.4 s`. */
export function runWords({ stopReason, durationMs }: Pick<RunResult, 'stopReason' | 'durationMs'>): string {
  return [stopReason ?? '', `${(durationMs / 1_000).toFixed(1)} s`].filter((word) => word !== '').join(' · ');
}

/** All that a failed run tells (502: `{error, stderr, duration_ms, stop_reason}`), each part under its name. */
export function failureDocument(body: JsonValue): NamedText {
  const told = isJsonObject(body) ? body : { error: body };
  const parts = ['error', 'stderr', 'stop_reason', 'duration_ms'].flatMap((name) => {
    const value = told[name];
    return value === undefined || value === null || value === '' ? [] : [`${name}\n${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}`];
  });
  return { name: 'clawdforge run failed.txt', text: `${parts.join('\n\n')}\n` };
}

/** A time as a clawdforge server writes it, as how long ago; the text itself where it is none. ISO text without a zone is UTC. `now` in milliseconds since the epoch. */
function agoWords(value: string | number, now: number): string {
  const at = typeof value === 'number' ? (value < 1e11 ? value * 1_000 : value) : Date.parse(/[zZ]$|[+-]\d{2}:?\d{2}$/.test(value) ? value : `${value.replace(' ', 'T')}Z`);
  if (Number.isNaN(at)) return String(value);
  const ago = age(at, now);
  return ago === 'now' ? 'just now' : `${ago} ago`;
}

/** A token in a list: its use and state, and from where it may be used. */
export function tokenWords(token: AppToken, now: number): { readonly description: string; readonly detail: string } {
  const used = token.lastUsed === null ? 'never used' : `last used ${agoWords(token.lastUsed, now)}`;
  const made = token.createdAt === null ? '' : `made ${agoWords(token.createdAt, now)}`;
  return {
    description: [token.enabled ? 'enabled' : 'disabled', used, made].filter((word) => word !== '').join(' · '),
    detail: token.ipCidrs.length === 0 ? 'from any address' : `from ${token.ipCidrs.join(', ')}`,
  };
}

const V4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** IP ranges as a person types them, parted by commas or spaces. `problem`: what is wrong with the first that is none; null where all can be sent. */
export function cidrsOf(text: string): { readonly cidrs: readonly string[]; readonly problem: string | null } {
  const cidrs = text.split(/[\s,]+/).filter((part) => part !== '');
  const wrong = cidrs.find((cidr) => !isRange(cidr));
  return { cidrs, problem: wrong === undefined ? null : `“${wrong}” is no range such as 192.168.0.0/24.` };
}

function isRange(cidr: string): boolean {
  const [address = '', bits, ...rest] = cidr.split('/');
  if (rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  const four = V4.exec(address);
  if (four !== null) return four.slice(1).every((part) => Number(part) <= 255) && Number(bits ?? 32) <= 32;
  return address.includes(':') && URL.canParse(`http://[${address}]/`) && Number(bits ?? 128) <= 128;
}

/** `10 minutes`, `an hour`, `a day`; other times in seconds. */
export function keptWords(seconds: number): string {
  if (seconds === 3_600) return 'an hour';
  if (seconds === 86_400) return 'a day';
  return seconds % 60 === 0 ? `${seconds / 60} minute${seconds === 60 ? '' : 's'}` : `${seconds} s`;
}
