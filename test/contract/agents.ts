import { existsSync } from 'node:fs';

interface Setup {
  ensureAgents(): Promise<{ readonly claude: string; readonly codex: string; readonly happy: string }>;
}

/** The real program of an agent, from the cache; installed there when it is missing. Rejects with a line that says what to do. */
export async function agentProgram(name: 'claude' | 'codex' | 'happy'): Promise<string> {
  // The setup scripts are plain JavaScript without declarations: the path is computed, so that the compiler does not look for any.
  const setup = (await import(new URL('../../scripts/setup/index.mjs', import.meta.url).href)) as Setup;
  const programs = await setup.ensureAgents().catch((error: unknown) => {
    throw new Error(`${name} is needed for this suite and could not be installed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  const file = programs[name];
  if (!existsSync(file)) throw new Error(`${name} is needed for this suite, but ${file} is not there. Remove that folder and run the suite again.`);
  return file;
}
