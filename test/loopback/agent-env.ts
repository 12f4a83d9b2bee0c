import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where nothing listens: whatever an agent would send beyond 127.0.0.1 ends here. */
const nowhere = 'http://127.0.0.1:9';

/** What is needed to run any program in a folder of its own: PATH and language from here, everything else within `dir`. */
async function homeIn(dir: string): Promise<Record<string, string>> {
  const home = join(dir, 'home');
  const temporary = join(dir, 'tmp');
  await mkdir(home, { recursive: true });
  await mkdir(temporary, { recursive: true });
  return {
    PATH: process.env['PATH'] ?? '', LANG: process.env['LANG'] ?? 'C.UTF-8', TERM: 'dumb', SHELL: '/bin/bash', HOME: home, TMPDIR: temporary,
    HTTPS_PROXY: nowhere, HTTP_PROXY: nowhere, NO_PROXY: '127.0.0.1,localhost', no_proxy: '127.0.0.1,localhost',
  };
}

/** Only what makes Claude Code use the endpoint at `url` (see startAnthropic) and a configuration in `dir`: to add to an environment. */
export async function claudeVariables(url: string, dir: string): Promise<Record<string, string>> {
  const config = join(dir, 'claude');
  await mkdir(config, { recursive: true });
  return {
    ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: 'sk-ant-loopback', CLAUDE_CONFIG_DIR: config,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1', DISABLE_ERROR_REPORTING: '1', DISABLE_BUG_COMMAND: '1',
    IS_SANDBOX: '1',
  };
}

/** The whole environment of a real `claude` that talks to the endpoint at `url` and touches no file outside `dir` but its working folder's. */
export async function claudeEnv(url: string, dir: string): Promise<Record<string, string>> {
  return { ...(await homeIn(dir)), ...(await claudeVariables(url, dir)) };
}

/** Only what makes Codex use the endpoint at `url` (see startOpenAi): writes `config.toml` in `dir` and points CODEX_HOME at it. */
export async function codexVariables(url: string, dir: string): Promise<Record<string, string>> {
  const home = join(dir, 'codex');
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'config.toml'), codexConfig(url));
  return { CODEX_HOME: home };
}

/** The whole environment of a real `codex` that talks to the endpoint at `url` and touches no file outside `dir` but its working folder's. */
export async function codexEnv(url: string, dir: string): Promise<Record<string, string>> {
  return { ...(await homeIn(dir)), ...(await codexVariables(url, dir)) };
}

function codexConfig(url: string): string {
  return `model = "gpt-5.5"
model_provider = "loopback"
check_for_update_on_startup = false

[analytics]
enabled = false

[features]
plugins = false
remote_plugin = false
apps = false

[model_providers.loopback]
name = "Loopback"
base_url = ${JSON.stringify(`${url}/v1`)}
wire_api = "responses"
experimental_bearer_token = "sk-loopback"
request_max_retries = 2
stream_max_retries = 2
`;
}
