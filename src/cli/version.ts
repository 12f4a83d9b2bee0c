import { readFileSync } from 'node:fs';

/** The project's version: put in by the build, and read from package.json where the command runs from its source. */
export function ownVersion(): string {
  return process.env['PILOTHOUSE_VERSION'] ?? versionIn(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')));
}

function versionIn(file: unknown): string {
  return typeof file === 'object' && file !== null && 'version' in file ? String(file.version) : '0';
}
