import type { Logger } from '../model/context.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** A logger over one function; `child` topics are joined with dots. Data is allow-listed to flat ids, codes, counts and durations. */
export function createLogger(write: (level: LogLevel, line: string) => void, topic = ''): Logger {
  const emit = (level: LogLevel) => (message: string, data?: Readonly<Record<string, unknown>>): void => {
    const prefix = topic === '' ? '' : `[${topic}] `;
    write(level, `${prefix}${message}${data === undefined ? '' : ` ${formatData(data)}`}`);
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
    parts.push(`${key}=${JSON.stringify(redact(text).slice(0, MAX_VALUE))}`);
  }
  return parts.join(' ');
}

const SECRET = /\b(sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|xox[abprs]-[A-Za-z0-9-]{8,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)|(?<=\b(?:bearer|token|api[_-]?key|authorization|password|secret)["']?\s*[:= ]\s*["']?)[^\s"',;]{6,}/gi;

/** Text with what looks like a credential replaced. A second line of defence: secrets are not given to a logger at all. */
export function redact(text: string): string {
  return text.replace(SECRET, '[redacted]');
}
