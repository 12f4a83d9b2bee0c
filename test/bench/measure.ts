/** Numbers of one measurement: milliseconds unless the name says otherwise. */
export interface Sample {
  readonly median: number;
  readonly p95: number;
  readonly worst: number;
  readonly runs: number;
}

export function summarise(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const round = (value: number): number => Math.round(value * 1000) / 1000;
  return { median: round(at(0.5)), p95: round(at(0.95)), worst: round(sorted.at(-1) ?? 0), runs: sorted.length };
}

export async function repeat(runs: number, work: () => Promise<number>): Promise<Sample> {
  const values: number[] = [];
  for (let run = 0; run < runs; run += 1) values.push(await work());
  return summarise(values);
}

export const ratio = (value: number, baseline: number): number => Math.round((value / baseline) * 100) / 100;

/** How long the event loop was held at most: `longestHoldMs` as a timer felt it, with what other programs took of the computer; `longestHoldCpuMs` of the loop's own thread alone. */
export interface Hold {
  readonly longestHoldMs: number;
  readonly longestHoldCpuMs: number;
}

/** Watches the event loop from now on: the time between two turns of a timer of 1 ms, which all that comes in has to wait for too. */
export class HoldWatch {
  readonly #timer: NodeJS.Timeout;
  #at = performance.now();
  #cpu = process.threadCpuUsage();
  #longest = 0;
  #longestCpu = 0;

  constructor() {
    this.#timer = setInterval(() => this.#look(), 1);
  }

  /** The longest hold since the last call, that which lasts included. */
  lap(): Hold {
    this.#look();
    const held = { longestHoldMs: tenth(this.#longest), longestHoldCpuMs: tenth(this.#longestCpu) };
    [this.#longest, this.#longestCpu] = [0, 0];
    return held;
  }

  end(): Hold {
    clearInterval(this.#timer);
    return this.lap();
  }

  #look(): void {
    const [at, cpu] = [performance.now(), process.threadCpuUsage()];
    this.#longest = Math.max(this.#longest, at - this.#at);
    this.#longestCpu = Math.max(this.#longestCpu, (cpu.user + cpu.system - this.#cpu.user - this.#cpu.system) / 1_000);
    [this.#at, this.#cpu] = [at, cpu];
  }
}

const tenth = (value: number): number => Math.round(value * 10) / 10;
