import type { Machine, Session, SessionControls } from '../../core/model/session.ts';

/** True for an absolute path of a machine, whatever its system. */
export function isAbsolutePath(text: string): boolean {
  return text.startsWith('/') || /^[A-Za-z]:[\\/]/.test(text) || /^\\\\[^\\]/.test(text);
}

/** A path as it was typed, with `~` for the home folder; null while it is none. */
export function typedPath(text: string, home: string | null): string | null {
  const path = text.trim();
  if (home !== null && /^~(?:[\\/]|$)/.test(path)) return trimmed(home + path.slice(1));
  return isAbsolutePath(path) ? trimmed(path) : null;
}

/** The folder above; null at the top. */
export function parentOf(path: string): string | null {
  const whole = trimmed(path);
  const cut = Math.max(whole.lastIndexOf('/'), separatorOf(whole) === '\\' ? whole.lastIndexOf('\\') : -1);
  if (cut < 0 || whole === whole.slice(0, cut + 1)) return null;
  const above = whole.slice(0, cut);
  return above === '' ? '/' : /^[A-Za-z]:$/.test(above) ? `${above}\\` : above;
}

/** A folder within another. */
export function childOf(path: string, name: string): string {
  const separator = separatorOf(path);
  return path.endsWith(separator) ? path + name : `${path}${separator}${name}`;
}

function separatorOf(path: string): '/' | '\\' {
  return path.startsWith('/') || !path.includes('\\') ? '/' : '\\';
}

function trimmed(path: string): string {
  const bare = path.replace(/[\\/]+$/, '');
  return bare === '' ? '/' : /^[A-Za-z]:$/.test(bare) ? `${bare}\\` : bare;
}

/** Folders of the machine's sessions, the one that was used last first. */
export function recentFolders(sessions: readonly Session[], machineId: string, most = 12): readonly string[] {
  return [...new Set(sessions.filter((session) => session.machineId === machineId && session.folder !== '').map((session) => session.folder))].slice(0, most);
}

const STATES: readonly Machine['state'][] = ['online', 'unknown', 'offline'];

/** Machines to choose from, those that answer first. */
export function machinesToPick(machines: readonly Machine[]): readonly Machine[] {
  return [...machines].sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || (b.seenAt ?? 0) - (a.seenAt ?? 0) || a.name.localeCompare(b.name));
}

/** The permission mode to begin with: the agent's `default`, else what it says is set unless that asks for nothing, else its own, null. */
export function defaultMode(controls: Pick<SessionControls, 'modes' | 'mode'>): string | null {
  if (controls.modes.some((mode) => mode.id === 'default')) return 'default';
  return controls.mode === null || /bypass|yolo|full|never|danger|skip/i.test(controls.mode) ? null : controls.mode;
}
