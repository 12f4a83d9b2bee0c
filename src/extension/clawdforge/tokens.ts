import * as vscode from 'vscode';
import type { AppToken } from '../../core/systems/clawdforge/index.ts';
import { vscodeAsk } from '../accounts/vscodeAsk.ts';
import { Dismissed } from '../commands/dismissed.ts';
import { confirm, progress } from '../commands/progress.ts';
import type { Services } from '../services.ts';
import { failureText, oneLine, pickText } from '../tree/text.ts';
import { ForgeAccess, loadForge, tokenProblem } from './access.ts';
import type { ForgeAccount } from './account.ts';
import { forgeFor } from './account.ts';
import { cidrsOf, tokenWords } from './words.ts';

/** Manage clawdforge Tokens…: lists them, makes one, revokes one, until the person is done. */
export async function manageTokens(services: Services, target: unknown): Promise<void> {
  const account = await forgeFor(services, target);
  for (;;) {
    const { access, tokens } = await listed(services, account);
    const managed = { record: account.record, access };
    const picked = await pickToken(managed, tokens);
    // What was left half-way comes back to the list.
    await (picked === 'create' ? create(managed) : revoke(managed, picked)).catch((error: unknown) => {
      if (!(error instanceof Dismissed)) throw error;
    });
  }
}

/** The tokens, with the admin token that is held; where there is none, or it is not taken, another one is asked for, and kept once it was. */
async function listed(services: Services, { record, access }: ForgeAccount): Promise<{ readonly access: ForgeAccess; readonly tokens: readonly AppToken[] }> {
  const { ForgeAuthError } = await loadForge();
  const held = services.accounts.access(record.connectionId);
  const current = held instanceof ForgeAccess ? held : access;
  const list = (adminToken?: string): Promise<readonly AppToken[]> => progress('Reading tokens…', () => current.manage((forge) => forge.listTokens({ signal: AbortSignal.timeout(30_000) }), adminToken));
  let prompt = 'Admin token of the server. It is kept in the secret storage of this VS Code.';
  if (current.manages) {
    try {
      return { access: current, tokens: await list() };
    } catch (error) {
      if (!(error instanceof ForgeAuthError)) throw error;
      prompt = failureText(error);
    }
  }
  for (;;) {
    const adminToken = await vscodeAsk(services.signIns).text({ title: `Tokens of ${oneLine(record.name, 60)}`, prompt, hidden: true, check: tokenProblem });
    try {
      const tokens = await list(adminToken);
      await services.accounts.signIn(record.connectionId, current.with(adminToken));
      const kept = services.accounts.access(record.connectionId);
      return { access: kept instanceof ForgeAccess ? kept : current, tokens };
    } catch (error) {
      if (!(error instanceof ForgeAuthError)) throw error;
      prompt = failureText(error);
    }
  }
}

async function pickToken({ record }: ForgeAccount, tokens: readonly AppToken[]): Promise<AppToken | 'create'> {
  const now = Date.now();
  const items: readonly (vscode.QuickPickItem & { readonly token: AppToken | 'create' })[] = [
    { label: '$(add) Create Token…', alwaysShow: true, token: 'create' },
    ...tokens.map((token) => {
      const { description, detail } = tokenWords(token, now);
      return { label: pickText(token.name) || '(no name)', description: pickText(description), detail: pickText(detail, 200), iconPath: new vscode.ThemeIcon(token.enabled ? 'key' : 'circle-slash'), token };
    }),
  ];
  const picked = await vscode.window.showQuickPick(items, { title: `Tokens of ${oneLine(record.name, 60)}`, placeHolder: tokens.length === 0 ? 'There is none yet' : 'Choose one to revoke it', matchOnDescription: true, matchOnDetail: true, ignoreFocusOut: true });
  if (picked === undefined) throw new Dismissed();
  return picked.token;
}

async function create({ record, access }: ForgeAccount): Promise<void> {
  const title = `Create Token on ${oneLine(record.name, 60)}`;
  const name = await vscode.window.showInputBox({ title: `${title} (1/2)`, prompt: 'Name of the token.', ignoreFocusOut: true, validateInput: (value) => (value.trim() === '' ? 'A name is needed.' : null) });
  if (name === undefined) throw new Dismissed();
  const ranges = await vscode.window.showInputBox({
    title: `${title} (2/2)`, prompt: 'IP ranges from which it may be used, such as 192.168.0.0/24, parted by commas. Leave it empty for any address.', ignoreFocusOut: true, validateInput: (value) => cidrsOf(value).problem,
  });
  if (ranges === undefined) throw new Dismissed();
  const made = await progress('Creating the token…', () => access.manage((forge) => forge.createToken(name.trim(), { ipCidrs: cidrsOf(ranges).cidrs, signal: AbortSignal.timeout(30_000) })));
  const { token } = made;
  if (token === undefined) {
    const { ForgeError } = await loadForge();
    throw new ForgeError('bad_answer', 'The server made the token without telling it. Revoke it and make another.');
  }
  const copy = 'Copy';
  const detail = `${token}\n\nThis is the only time that it is shown: the server keeps no more than its hash, and nothing of it is kept here.`;
  if ((await vscode.window.showInformationMessage(`The token “${oneLine(made.name, 60)}” was made.`, { modal: true, detail }, copy)) !== copy) return;
  await vscode.env.clipboard.writeText(token);
  vscode.window.setStatusBarMessage('Pilothouse: the token was copied.', 4_000);
}

async function revoke({ access }: ForgeAccount, { name, ipCidrs }: AppToken): Promise<void> {
  const where = ipCidrs.length === 0 ? '' : ` (${oneLine(ipCidrs.join(', '), 100)})`;
  await confirm(`Revoke the token “${oneLine(name, 60)}”?`, `Whatever uses it${where} is refused from then on. This cannot be taken back.`, 'Revoke');
  await progress('Revoking the token…', () => access.manage((forge) => forge.revokeToken(name, { signal: AbortSignal.timeout(30_000) })));
  vscode.window.setStatusBarMessage(`Pilothouse: “${pickText(name, 60)}” was revoked.`, 4_000);
}
