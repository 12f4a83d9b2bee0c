import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DormantBackend } from '../../../src/core/fleet/dormant.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import { Accounts } from '../../../src/extension/accounts/accounts.ts';
import type { AskPerson, Secrets, SignInElsewhere } from '../../../src/extension/accounts/ask.ts';
import type { AccountSystem } from '../../../src/extension/accounts/system.ts';
import { Dismissed } from '../../../src/extension/commands/dismissed.ts';
import { recordingLog } from '../store/support.ts';

/** SecretStorage as the windows of one VS Code share it: what one stores, all are told of. */
export class FakeSecrets implements Secrets {
  readonly values = new Map<string, string>();
  private readonly listeners = new Set<(event: { readonly key: string }) => unknown>();
  /** False: it takes nothing, as a keyring that is locked. */
  takes = true;
  breaks = false;

  get(key: string): Promise<string | undefined> {
    return this.breaks ? Promise.reject(new Error('the keyring is locked')) : Promise.resolve(this.values.get(key));
  }
  async store(key: string, value: string): Promise<void> {
    await Promise.resolve();
    if (this.breaks) throw new Error('the keyring is locked');
    if (this.takes) this.values.set(key, value);
    for (const listener of this.listeners) listener({ key });
  }
  async delete(key: string): Promise<void> {
    await Promise.resolve();
    if (this.breaks) throw new Error('the keyring is locked');
    this.values.delete(key);
    for (const listener of this.listeners) listener({ key });
  }
  onDidChange(listener: (event: { readonly key: string }) => unknown) {
    this.listeners.add(listener);
    return { dispose: () => void this.listeners.delete(listener) };
  }
}

/** A system whose secret is `{who, key}`. */
export const PLAIN: AccountSystem = {
  system: 'clawdforge', label: 'Plain account…', about: 'for tests', name: 'Plain', example: 'https://plain.example', inClear: 'Everything.',
  defaultServer: () => 'https://plain.example',
  open: async (secret) => {
    await Promise.resolve();
    if (typeof secret !== 'object' || secret === null || !('who' in secret) || typeof secret['who'] !== 'string' || typeof secret['key'] !== 'string') return null;
    const { who, key } = secret;
    return {
      identity: who === '' ? null : who,
      connection: ({ connectionId, name, system, serverUrl }) => ({ connectionId, name, system, revision: `${serverUrl} ${key}`, create: ({ clock }) => new DormantBackend({ connectionId, system }, { code: 'x', message: 'x' }, clock) }),
    };
  },
  signIn: () => Promise.resolve({ who: 'ada', key: 'k' }),
};
export const secret = (who: string, key = 'k1'): JsonValue => ({ who, key });

/** A folder of records, and windows over it. */
export class AccountsWorld {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'pilothouse-accounts-'));
  readonly records = path.join(this.folder, 'accounts');
  readonly secrets = new FakeSecrets();
  readonly windows: Accounts[] = [];
  private ticks = 0;

  window(systems: readonly AccountSystem[] = [PLAIN], secrets: Secrets = this.secrets): Accounts {
    const { log } = recordingLog();
    const accounts = new Accounts({ folder: this.records, secrets, systems, log, now: () => (this.ticks += 1) });
    this.windows.push(accounts);
    return accounts;
  }

  close(): void {
    for (const window of this.windows) window.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A person who answers in this order; a question of another kind than the next answer fails the test. */
export class Script implements AskPerson {
  readonly asked: string[] = [];
  private readonly answers: unknown[];

  constructor(...answers: readonly unknown[]) {
    this.answers = [...answers];
  }

  text({ title, value, check }: Parameters<AskPerson['text']>[0]): Promise<string> {
    const answer = this.next(`text ${title}`);
    const given = answer === undefined ? (value ?? '') : typeof answer === 'string' ? answer : '';
    const wrong = check?.(given) ?? null;
    return wrong === null ? Promise.resolve(given) : Promise.reject(new Error(wrong));
  }
  pick<T>(title: string, items: Parameters<AskPerson['pick']>[1]): Promise<T> {
    const answer = this.next(`pick ${title}: ${items.map((item) => item.label).join(' | ')}`);
    const found = items.find((item) => item.value === answer);
    return found === undefined ? Promise.reject(new Error(`${JSON.stringify(answer)} is not offered`)) : Promise.resolve(found.value as T);
  }
  confirm(message: string, detail: string): Promise<void> {
    return this.next(`confirm ${message} ${detail}`) === true ? Promise.resolve() : Promise.reject(new Dismissed());
  }
  elsewhere<T>(signIn: SignInElsewhere<T>): Promise<T> {
    this.next(`elsewhere ${signIn.title} on ${signIn.server}`);
    return signIn.run((code) => this.asked.push(`code ${code.link.split('?')[0] ?? ''}`), AbortSignal.timeout(10_000));
  }

  private next(what: string): unknown {
    this.asked.push(what);
    if (this.answers.length === 0) throw new Dismissed();
    return this.answers.shift();
  }
}
