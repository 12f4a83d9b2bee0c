/** What happens to a request in place of, or besides, its answer. */
export type HebingFault =
  /** The connection is destroyed: before anything is applied, or after it, so that the client cannot know. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** Another status in place of the answer; with `applied`, after the request took effect. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly applied?: boolean }
  /** A page of HTML, as a captive portal sends it; nothing is applied. */
  | { readonly kind: 'html'; readonly status?: number }
  /** Nothing is answered: before anything is applied, or after it. */
  | { readonly kind: 'silence'; readonly when: 'before' | 'after' };

interface Rule {
  readonly method: string;
  readonly path: RegExp;
  readonly fault: HebingFault;
  left: number;
}

/** The faults that a test asks for; of several that fit, the first strikes. */
export class HebingFaults {
  readonly #rules: Rule[] = [];

  /** The next `times` requests of that method and path (below the base URL, whole where it is a text). */
  add(method: string, path: string | RegExp, fault: HebingFault, times = 1): void {
    const pattern = typeof path === 'string' ? new RegExp(`^${path.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`) : path;
    this.#rules.push({ method, path: pattern, fault, left: times });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  take(method: string, path: string): HebingFault | null {
    const rule = this.#rules.find((one) => one.left > 0 && one.method === method && one.path.test(path));
    if (rule === undefined) return null;
    rule.left -= 1;
    return rule.fault;
  }
}
