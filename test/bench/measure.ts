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
