// @ts-check
/**
 * An extension that runs beside Pilothouse in the end-to-end tests: it listens on a socket named by its extension host's process id, so that a
 * test can address one window. A request is one line of JSON, and so is the answer, `{ value }` or `{ error }`.
 */
const { mkdirSync, rmSync } = require('node:fs');
const { createServer } = require('node:net');
const path = require('node:path');
const { commands, ConfigurationTarget, extensions, workspace } = require('vscode');

/** @type {Record<string, (request: any) => Promise<unknown>>} */
const actions = {
  execute: ({ command, args }) => Promise.resolve(commands.executeCommand(command, ...args)),
  isActive: async ({ extension }) => extensions.getExtension(extension)?.isActive === true,
  settings: async ({ changes }) => {
    for (const [name, value] of Object.entries(changes)) await workspace.getConfiguration().update(name, value ?? undefined, ConfigurationTarget.Global);
  },
  setting: async ({ name }) => workspace.getConfiguration().get(name),
};

/** @param {string} line */
async function answer(line) {
  try {
    const request = JSON.parse(line);
    const action = actions[request.action];
    if (action === undefined) throw new Error(`unknown action ${request.action}`);
    return { value: (await action(request)) ?? null };
  } catch (error) {
    return { error: String(error) };
  }
}

/** @param {import('vscode').ExtensionContext} context */
exports.activate = (context) => {
  const folder = process.env.PILOTHOUSE_TEST_HELPER;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  const address = path.join(folder, `${process.pid}.sock`);
  rmSync(address, { force: true });
  const server = createServer((socket) => {
    let text = '';
    socket.setEncoding('utf8').on('error', () => socket.destroy()).on('data', (part) => {
      text += part;
      const end = text.indexOf('\n');
      if (end < 0) return;
      const line = text.slice(0, end);
      text = '';
      void answer(line).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
    });
  });
  server.listen(address);
  context.subscriptions.push({ dispose: () => server.close() });
};
