import type { Logger } from '../model/context.ts';
import { redact } from './redact.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/**
 * A logger over one function; `child` topics are joined with dots. Data is allow-listed to flat ids, codes, counts and durations. Every line is redacted as a
 * whole: message, names and values.
 */
export function createLogger(write: (level: LogLevel, line: string) => void, topic = ''): Logger {
  const emit = (level: LogLevel) => (message: string, data?: Readonly<Record<string, unknown>>): void => {
    const prefix = topic === '' ? '' : `[${topic}] `;
    write(level, redact(`${prefix}${message}${data === undefined ? '' : ` ${formatData(data)}`}`));
  };
  return {
    trace: emit('trace'),
    debug: emit('debug'),
    info: emit('info'),
    warn: emit('warn'),
    error: emit('error'),
    child: (name) => createLogger(write, topic === '' ? name : `${topic}.${name}`),
  };
}

/** A logger that drops everything. */
export const silentLogger: Logger = createLogger(() => undefined);

const MAX_VALUE = 300;

function formatData(data: Readonly<Record<string, unknown>>): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(data)) {
    if (value === undefined) continue;
    const text = typeof value === 'string' ? value : value instanceof Error ? value.message : typeof value === 'number' || typeof value === 'boolean' || value === null ? String(value) : '[object]';
    // Before it is cut, since half a secret does not look like one.
    parts.push(`${key}=${JSON.stringify(redact(text).slice(0, MAX_VALUE))}`);
  }
  return parts.join(' ');
}
