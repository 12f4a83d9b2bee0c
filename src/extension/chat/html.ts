import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { chatDocument } from './document.ts';

/** The page's document in a webview: its parts come from the extension's folder. */
export function chatHtml(webview: vscode.Webview, extensionUri: vscode.Uri, title: string): string {
  return pageHtml(webview, extensionUri, { name: 'chat', title });
}

/** The document of a page of ours, by the name of its bundle. */
export function pageHtml(webview: vscode.Webview, extensionUri: vscode.Uri, { name, title }: { readonly name: string; readonly title: string }): string {
  const asset = (file: string): string => webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', 'webview', file)).toString();
  return chatDocument({ nonce: randomBytes(16).toString('base64'), source: webview.cspSource, script: asset(`${name}.js`), style: asset(`${name}.css`), title });
}
