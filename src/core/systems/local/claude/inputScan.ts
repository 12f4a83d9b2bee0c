import type { JsonObject, JsonValue } from '../../../model/json.ts';

/** A value that is longer than this is passed over, in characters: what tells what a call is about is short. */
const longest = 64 * 1024;
const blank = new Set([' ', '\t', '\n', '\r']);

/**
 * Reads the JSON of a tool's input while it streams, and tells which of its fields are whole. Constant work for a character; JSON that is none ends the
 * reading.
 */
export class InputScan {
  readonly #fields = new Map<string, JsonValue>();
  #expects: 'start' | 'key' | 'colon' | 'value' | 'more' | 'nothing' = 'start';
  #key = '';
  /** The key or value that is being read; null between them. */
  #literal: string | null = null;
  #tooLong = false;
  #inString = false;
  #escaped = false;
  #depth = 0;

  /** Fields that are whole. */
  get fields(): JsonObject {
    return Object.fromEntries(this.#fields);
  }

  /** Takes the next piece; true when it made a field whole. */
  feed(piece: string): boolean {
    const before = this.#fields.size;
    for (const character of piece) this.#take(character);
    return this.#fields.size > before;
  }

  #take(character: string): void {
    if (this.#expects === 'nothing') return;
    if (this.#literal === null) this.#between(character);
    else this.#within(this.#literal, character);
  }

  #between(character: string): void {
    if (blank.has(character)) return;
    if (this.#expects === 'start' && character === '{') this.#expects = 'key';
    else if (this.#expects === 'more' && character === ',') this.#expects = 'key';
    else if (this.#expects === 'colon' && character === ':') this.#expects = 'value';
    else if (this.#expects === 'value' || (this.#expects === 'key' && character === '"')) this.#open(character);
    else this.#expects = 'nothing';
  }

  #open(character: string): void {
    this.#literal = character;
    this.#tooLong = false;
    this.#inString = character === '"';
    this.#escaped = false;
    this.#depth = character === '{' || character === '[' ? 1 : 0;
  }

  #within(literal: string, character: string): void {
    if (this.#inString) {
      this.#keep(literal, character);
      if (this.#escaped) this.#escaped = false;
      else if (character === '\\') this.#escaped = true;
      else if (character === '"') {
        this.#inString = false;
        if (this.#depth === 0) this.#close();
      }
      return;
    }
    if (this.#depth > 0) {
      this.#keep(literal, character);
      if (character === '"') this.#inString = true;
      if (character === '{' || character === '[') this.#depth += 1;
      if (character === '}' || character === ']') this.#depth -= 1;
      if (this.#depth === 0) this.#close();
      return;
    }
    // A number or a word ends where something else begins.
    if (character === ',' || character === '}' || blank.has(character)) {
      this.#close();
      this.#between(character);
      return;
    }
    this.#keep(literal, character);
  }

  #keep(literal: string, character: string): void {
    if (literal.length >= longest) this.#tooLong = true;
    if (!this.#tooLong) this.#literal = literal + character;
  }

  #close(): void {
    const text = this.#literal ?? '';
    this.#literal = null;
    const isKey = this.#expects === 'key';
    this.#expects = isKey ? 'colon' : 'more';
    if (this.#tooLong) {
      if (isKey) this.#expects = 'nothing';
      return;
    }
    try {
      const value = JSON.parse(text) as JsonValue;
      if (!isKey) this.#fields.set(this.#key, value);
      else if (typeof value === 'string') this.#key = value;
    } catch {
      this.#expects = 'nothing';
    }
  }
}
