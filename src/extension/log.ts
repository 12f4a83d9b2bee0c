import * as vscode from 'vscode';
import type { Logger } from '../core/model/context.ts';
import { createLogger } from '../core/transport/logger.ts';

/** The extension's log channel and a Logger over it. */
export function createLog(): { channel: vscode.LogOutputChannel; log: Logger } {
  const channel = vscode.window.createOutputChannel('Pilothouse', { log: true });
  return { channel, log: createLogger((level, line) => channel[level](line)) };
}
