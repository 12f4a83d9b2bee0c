import { z } from 'zod';
import type { Clock, Keep, Logger } from '../model/context.ts';
import { describeError } from '../model/errors.ts';
import { canonicalJson } from '../model/json.ts';
import type { Machine } from '../model/session.ts';

/** What changes is written this long after, and how recent the contact is this often while it lasts: after a crash it is told that much too early. Milliseconds. */
const WRITE_MS = 1_000;
const AGAIN_MS = 300_000;

const schema = z.object({
  at: z.number(),
  machines: z.array(z.object({ id: z.string(), name: z.string(), home: z.string().nullable(), seenAt: z.number().nullable(), detail: z.string().optional() })),
});
type Kept = z.infer<typeof schema>;

interface ContactOptions {
  readonly connectionId: string;
  readonly keep: Keep;
  readonly clock: Clock;
  readonly log: Logger;
}

/** When there was contact with a connection last, and which machines it had then: in the store, so that both are known without contact, also after a restart. */
export class Contact {
  private readonly options: ContactOptions;
  private kept: Kept | null = null;
  private there = false;
  private timer: { cancel(): void } | null = null;
  private ended = false;
  private writing: Promise<void> = Promise.resolve();

  constructor(options: ContactOptions) {
    this.options = options;
  }

  /** When there was contact last, milliseconds since the epoch; null while there is contact, and where there never was. */
  get lastAt(): number | null {
    return this.there ? null : (this.kept?.at ?? null);
  }

  /** Reads what is kept. Never rejects: what can't be read is not known. */
  async recall(): Promise<void> {
    try {
      const text = await this.options.keep.get(this.options.connectionId);
      if (text !== null) this.kept ??= schema.parse(JSON.parse(text));
    } catch (error) {
      this.options.log.warn('what is known of a connection could not be read', { connection: this.options.connectionId, error: describeError(error) });
    }
  }

  /** Contact came, or was lost. */
  tell(there: boolean): void {
    if (there === this.there || this.ended) return;
    // Lost now: until now there was.
    this.note(this.kept?.machines ?? []);
    this.there = there;
    this.writeSoon(WRITE_MS);
  }

  /** The machines to be shown where the system tells of `told`: with contact those and no others, without it those of the last contact too, of which nothing is known now. */
  machines(told: readonly Machine[]): readonly Machine[] {
    if (this.there) {
      const known = told.map(({ id, name, home, seenAt, detail }) => ({ id, name, home, seenAt, ...(detail === undefined ? {} : { detail }) }));
      const news = canonicalJson(known.map((one) => ({ ...one, seenAt: null }))) !== canonicalJson((this.kept?.machines ?? []).map((one) => ({ ...one, seenAt: null })));
      this.note(known);
      if (news) this.writeSoon(WRITE_MS);
      return told;
    }
    const before = new Map((this.kept?.machines ?? []).map((machine) => [machine.id, machine]));
    const ids = new Set(told.map(({ id }) => id));
    return [
      ...told.map((machine) => withKept(machine, before.get(machine.id))),
      ...[...before.values()].filter(({ id }) => !ids.has(id)).map(({ detail, ...machine }): Machine => ({
        ...machine, connectionId: this.options.connectionId, state: 'unknown', ...(detail === undefined ? {} : { detail }),
      })),
    ];
  }

  /** Writes what is not written; tells nothing more. */
  async end(): Promise<void> {
    if (!this.ended && (this.there || this.timer !== null)) {
      if (this.there) this.note(this.kept?.machines ?? []);
      this.write();
    }
    this.ended = true;
    this.timer?.cancel();
    await this.writing;
  }

  private note(machines: Kept['machines']): void {
    const at = this.there || this.kept === null ? this.options.clock.now() : this.kept.at;
    this.kept = { at, machines };
  }

  private writeSoon(ms: number): void {
    if (this.ended) return;
    this.timer?.cancel();
    this.timer = this.options.clock.setTimeout(() => {
      this.timer = null;
      if (this.there) this.note(this.kept?.machines ?? []);
      this.write();
      if (this.there) this.writeSoon(AGAIN_MS);
    }, ms);
  }

  private write(): void {
    const { kept } = this;
    if (kept === null) return;
    this.writing = this.writing
      .then(() => this.options.keep.set(this.options.connectionId, JSON.stringify(kept)))
      .catch((error: unknown) => this.options.log.warn('what is known of a connection could not be kept', { connection: this.options.connectionId, error: describeError(error) }));
  }
}

/** What the system can't tell without contact, as it was told last. */
function withKept(machine: Machine, kept: Kept['machines'][number] | undefined): Machine {
  if (kept === undefined) return machine;
  const detail = machine.detail ?? kept.detail;
  return { ...machine, home: machine.home ?? kept.home, seenAt: machine.seenAt ?? kept.seenAt, ...(detail === undefined ? {} : { detail }) };
}
