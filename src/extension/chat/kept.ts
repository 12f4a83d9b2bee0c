import type { Attachment } from '../../core/model/entry.ts';
import type { Keep } from '../../core/model/context.ts';
import type { SessionKey } from '../../core/model/session.ts';
import { readAttachments } from './schema.ts';

/** What a person has written to a session and not sent: text and files, in the sealed store. What can't be kept or read is left, and lost with its tab at worst. */
export class KeptDraft {
  text = '';
  files: readonly Attachment[] = [];
  private readonly keep: Keep;
  private readonly key: SessionKey;

  constructor(keep: Keep, key: SessionKey) {
    this.keep = keep;
    this.key = key;
  }

  /** Reads what was kept; what was written here meanwhile stays. */
  async load(): Promise<void> {
    const read = (key: string): Promise<string | null> => this.keep.get(key).catch(() => null);
    const [text, files] = await Promise.all([read(this.key), read(this.filesKey)]);
    if (this.text === '') this.text = text ?? '';
    if (this.files.length === 0 && files !== null) this.files = readAttachments(files);
  }

  /** Whether something stands there, also where a chat was closed before that was read. */
  async isWritten(): Promise<boolean> {
    await this.load();
    return this.text !== '' || this.files.length > 0;
  }

  /** `files` undefined: they are as they were. Resolves when it is kept, or can't be. */
  async save(text: string, files: readonly Attachment[] | undefined): Promise<void> {
    this.text = text;
    if (files !== undefined) this.files = files;
    await Promise.all([
      this.write(this.key, text === '' ? null : text),
      ...(files === undefined ? [] : [this.write(this.filesKey, files.length === 0 ? null : JSON.stringify(files))]),
    ]);
  }

  private get filesKey(): string {
    return `${this.key}\u0000files`;
  }

  private write(key: string, value: string | null): Promise<void> {
    return this.keep.set(key, value).catch(() => undefined);
  }
}
