import type { DeltaEntry, Entry, NoticeEntry, Order } from '../../../model/entry.ts';
import type { JsonValue } from '../../../model/json.ts';
import { isJsonObject } from '../../../model/json.ts';
import type { Place } from './normalise.ts';
import { revs, rowOf, unknownEntry } from './normalise.ts';
import { str } from './wire.ts';

/** The entries that one process has given and that were not taken yet, and the places that they get. */
export class Sheet {
  #entries: Entry[] = [];
  #ordinal = 0;
  /** Pieces given out so far, by row. */
  readonly #parts = new Map<string, number>();
  /** Turn that is running, where its id is known. */
  turn: string | null = null;

  add(...entries: readonly Entry[]): void {
    this.#entries.push(...entries);
  }

  flush(): Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  /** A piece of a block that streams. Pieces that come together leave as one. */
  piece(row: string, channel: DeltaEntry['channel'], text: string, place: Place): void {
    const last = this.#entries.at(-1);
    if (last?.kind === 'delta' && last.row === row && last.channel === channel) {
      this.#entries[this.#entries.length - 1] = { ...last, text: last.text + text };
      return;
    }
    const part = this.#parts.get(row) ?? 0;
    this.#parts.set(row, part + 1);
    this.add({ ...place, kind: 'delta', id: `d:${row}:${part}`, row, rev: 0, channel, part, text });
  }

  /** The next place at that time. */
  place(at: number, more: Partial<Place> = {}): Place {
    this.#ordinal += 1;
    return { order: [at, this.#ordinal], at, turn: this.turn, parent: null, rev: revs.live, ...more };
  }

  /** The place of a whole line, whose blocks count the ordinal on. */
  linePlace(line: { readonly at: number | null; readonly parentToolId: string | null; readonly content: readonly unknown[] }, at: number): Place {
    // The agent stamps some lines with a time that is yet to come.
    const place = this.place(Math.min(line.at ?? at, at), { parent: line.parentToolId === null ? null : rowOf.tool(line.parentToolId) });
    this.#ordinal += line.content.length;
    return place;
  }

  /** A notice, or a later version of it: `order` keeps it where it first stood. */
  notice(id: string, level: NoticeEntry['level'], code: string, text: string, at: number, more: { readonly remedy?: string; readonly order?: Order } = {}): void {
    const row = rowOf.notice(id);
    const place = this.place(at, { rev: revs.moment(at, true) });
    this.add({ ...place, order: more.order ?? place.order, kind: 'notice', id: row, row, level, code, text, remedy: more.remedy ?? null });
  }

  unknown(type: string | null, value: JsonValue, at: number): void {
    const place = this.place(at);
    const uuid = isJsonObject(value) ? str(value, 'uuid') : null;
    this.add(unknownEntry(`claude:${type ?? 'line'}`, value, { ...place, row: `u:${uuid ?? `${at}:${place.order[1] ?? 0}`}` }));
  }
}
