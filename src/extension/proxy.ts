import * as vscode from 'vscode';
import type { ProxyRules } from '../core/transport/proxy.ts';
import { proxyRules } from './proxyRules.ts';

/** The proxies of VS Code's settings and of the environment as they are now. The settings are restricted: a workspace that is not trusted does not set them. */
export function vscodeProxy(): ProxyRules | null {
  const http = vscode.workspace.getConfiguration('http');
  return proxyRules({
    proxy: http.get('proxy'), noProxy: http.get('noProxy'), proxyAuthorization: http.get('proxyAuthorization'), proxyStrictSSL: http.get('proxyStrictSSL'), proxySupport: http.get('proxySupport'),
  }, process.env);
}
