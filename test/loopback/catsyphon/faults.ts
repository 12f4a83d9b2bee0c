/** What happens to a request in place of, or besides, its answer. */
export type CatsyphonFault =
  /** The connection is destroyed: before anything is applied, or after it, so that the client cannot know. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** Another status in place of the answer; with `applied`, after the request took effect. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly applied?: boolean }
  /** Nothing is answered: before anything is applied, or after it. */
  | { readonly kind: 'silence'; readonly when: 'before' | 'after' }
  /** The server works on it so long, and applies it also when its client has gone. */
  | { readonly kind: 'slow'; readonly ms: number };

interface Rule {
  readonly path: RegExp;
  readonly fault: CatsyphonFault;
  left: number;
}

/** The faults that a test asks for; of several that fit, the first strikes. */
export class CatsyphonFaults {
  readonly #rules: Rule[] = [];

  /** The next `times` requests of that path (`POST /collectors/events`). */
  add(path: RegExp, fault: CatsyphonFault, times = 1): void {
    this.#rules.push({ path, fault, left: times });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  take(method: string, path: string): CatsyphonFault | null {
    const rule = this.#rules.find((one) => one.left > 0 && one.path.test(`${method} ${path}`));
    if (rule === undefined) return null;
    rule.left -= 1;
    return rule.fault;
  }
}
