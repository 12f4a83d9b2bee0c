import * as vscode from 'vscode';
import { Dismissed } from '../commands/dismissed.ts';
import { oneLine, pickText } from '../tree/text.ts';
import type { AskPerson } from './ask.ts';
import type { SignInPanels } from './signInPanels.ts';

/** The forms' questions, asked with VS Code's own inputs. */
export function vscodeAsk(panels: SignInPanels): AskPerson {
  return {
    text: async ({ title, prompt, value, hidden, check }) => {
      const given = await vscode.window.showInputBox({
        title, prompt, ignoreFocusOut: true, password: hidden === true, ...(value === undefined ? {} : { value }), ...(check === undefined ? {} : { validateInput: check }),
      });
      if (given === undefined) throw new Dismissed();
      return given.trim();
    },
    pick: async (title, items) => {
      const picked = await vscode.window.showQuickPick(items.map((item) => ({
        label: pickText(item.label), item, ...(item.description === undefined ? {} : { description: pickText(item.description) }), ...(item.detail === undefined ? {} : { detail: pickText(item.detail, 300) }),
        ...(item.icon === undefined ? {} : { iconPath: new vscode.ThemeIcon(item.icon) }),
      })), { placeHolder: title, ignoreFocusOut: true, matchOnDescription: true });
      if (picked === undefined) throw new Dismissed();
      return picked.item.value;
    },
    confirm: async (message, detail, action) => {
      if ((await vscode.window.showWarningMessage(oneLine(message, 300), { modal: true, detail }, action)) !== action) throw new Dismissed();
    },
    elsewhere: (signIn) => panels.run(signIn),
  };
}
