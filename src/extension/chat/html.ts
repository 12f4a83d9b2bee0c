import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { chatDocument } from './document.ts';

/** The page's document in a webview: its parts come from the extension's folder. */
export function chatHtml(webview: vscode.Webview, extensionUri: vscode.Uri, title: string): string {
  const asset = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(extensionUri, 'dist', 'webview', name)).toString();
  return chatDocument({ nonce: randomBytes(16).toString('base64'), source: webview.cspSource, script: asset('chat.js'), style: asset('chat.css'), title });
}
