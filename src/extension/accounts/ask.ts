import type { Disposable } from '../../core/model/backend.ts';

export interface PickItem<T> {
  readonly label: string;
  readonly description?: string;
  readonly detail?: string;
  readonly icon?: string;
  readonly value: T;
}

/** What a person is shown to sign in elsewhere with. */
export interface SignInCode {
  /** To be opened or pasted there. */
  readonly link: string;
  /** Rows of a QR code, true where it is dark; null where there is none. */
  readonly qr: readonly (readonly boolean[])[] | null;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Where the person compares or types a code: that code, and the page, whose address the link may hold with the code in it. */
  readonly typed?: { readonly code: string; readonly page: string };
}

/** Where a sign-in cannot go on, the person wants to name another server. */
export class OtherServer extends Error {}

/** A sign-in that happens elsewhere: on a phone, in a browser. */
export interface SignInElsewhere<T> {
  /** `Sign in to Happy`. */
  readonly title: string;
  /** Where: `api.example.org`. */
  readonly server: string;
  /** What the person does there, a line a step. */
  readonly steps: readonly string[];
  /** What comes of it, and what does not, in one sentence. */
  readonly about: string;
  /** Waits until it is done, telling the code; rejects with code `link_expired` when nobody confirmed it in time. */
  run(onCode: (code: SignInCode) => void, signal: AbortSignal): Promise<T>;
}

/** All that forms ask of a person: VS Code in the extension, a script in tests. Every question throws Dismissed when it is closed; `elsewhere` throws OtherServer too. */
export interface AskPerson {
  /** `check` gives what is wrong with a value, or null. */
  text(options: { readonly title: string; readonly prompt: string; readonly value?: string; readonly hidden?: boolean; readonly check?: (value: string) => string | null }): Promise<string>;
  pick<T>(title: string, items: readonly PickItem<T>[]): Promise<T>;
  /** A modal question with one way on. */
  confirm(message: string, detail: string, action: string): Promise<void>;
  elsewhere<T>(signIn: SignInElsewhere<T>): Promise<T>;
}

/** SecretStorage of VS Code, as far as it is used. */
export interface Secrets {
  get(key: string): Thenable<string | undefined>;
  store(key: string, value: string): Thenable<void>;
  delete(key: string): Thenable<void>;
  onDidChange(listener: (event: { readonly key: string }) => unknown): Disposable;
}
