// @ts-check
/** Everything that the scripts download besides the project's own dependencies, and its version: the one table. */
export const versions = Object.freeze({
  node: '24.21.0',
  codeServer: '4.139.1',
  chromium: '153.0.0',
  fonts: '2.37.3',
  claude: '2.1.329',
  codex: '0.169.0',
  happy: '1.2.5',
});
