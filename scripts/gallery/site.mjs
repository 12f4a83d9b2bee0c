// @ts-check
/** The gallery of the chat page as a site on loopback: the page's own code, the fonts and themes of the gallery, and the document that VS Code shows. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { chatDocument } from '../../src/extension/chat/document.ts';
import { inlineWorker } from '../build/inline-worker.mjs';
import { repoRoot } from '../setup/index.mjs';

const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.ttf': 'font/ttf', '.woff2': 'font/woff2' };

/**
 * Builds the gallery into a folder.
 * @param {string} folder
 * @param {{ minify?: boolean }} [options]
 */
export async function buildGallery(folder, { minify = true } = {}) {
  mkdirSync(folder, { recursive: true });
  await esbuild.build({
    absWorkingDir: repoRoot, entryPoints: { gallery: 'webview-ui/gallery/gallery.tsx', compare: 'webview-ui/gallery/compare.ts' }, outdir: folder, bundle: true, minify, format: 'iife', target: 'chrome138', jsx: 'automatic', jsxImportSource: 'preact',
    loader: { '.ttf': 'file', '.woff2': 'file' }, assetNames: '[name]', plugins: [inlineWorker()], logLevel: 'warning',
  });
}

/**
 * Serves a built gallery: at `/` with the document and policy of a chat page, at `/compare` what compares pictures.
 * @param {string} folder
 * @returns {Promise<{ url: string, close: () => Promise<void> }>} `url` ends with a slash
 */
export async function serveGallery(folder) {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const name = path.basename(url.pathname);
    if (name === '' || name === 'compare') {
      const address = server.address();
      const source = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
      const nonce = randomBytes(16).toString('base64');
      const body = name === '' ? chatDocument({ nonce, source, script: `${source}/gallery.js`, style: `${source}/gallery.css`, title: url.searchParams.get('title') ?? 'Pilothouse gallery' }) : '<!DOCTYPE html><script src="compare.js"></script>';
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(body);
      return;
    }
    try {
      const body = readFileSync(path.join(folder, name));
      response.writeHead(200, { 'content-type': TYPES[/** @type {keyof typeof TYPES} */ (path.extname(name))] ?? 'application/octet-stream' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
