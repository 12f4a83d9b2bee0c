/** Cold activation of the extension in real VS Code, as its log tells it. Baseline: none in the host; the number of windows is the number of runs. */
import { launchVSCode, until } from '../e2e/driver/index.ts';
import { summarise } from './measure.ts';

export async function benchActivation(runs: number): Promise<Record<string, unknown>> {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await using code = await launchVSCode({ agents: ['demo'] });
    const found = await until('the activation in the log', async () => {
      for (const [name, text] of code.logs()) {
        const match = /active ms="?(\d+)/.exec(text);
        if (match?.[1] !== undefined && /pilothouse/i.test(name)) return { ms: Number(match[1]) };
      }
      return undefined;
    });
    times.push(found.ms);
  }
  return { activateMs: summarise(times) };
}
