import * as vscode from 'vscode';
import { Dismissed } from './dismissed.ts';

/** The person wants the box before. */
export const BACK = Symbol('back');

/** One box of a few that follow each other: `step` of `total`, which are shown where there are several. */
export interface Step {
  readonly title: string;
  readonly step: number;
  readonly total: number;
  /** There is a box before. */
  readonly back: boolean;
}

/** Sets what boxes that follow each other have in common. */
export function dress(box: vscode.QuickPick<vscode.QuickPickItem> | vscode.InputBox, { title, step, total, back }: Step): void {
  box.title = title;
  if (total > 1) [box.step, box.totalSteps] = [step, total];
  box.ignoreFocusOut = true;
  box.buttons = back ? [vscode.QuickInputButtons.Back] : [];
}

/** Asks for one of some items. Throws Dismissed when the box is closed. */
export function pickStep<T extends vscode.QuickPickItem>(step: Step, placeholder: string, items: readonly T[], active?: T): Promise<T | typeof BACK> {
  return new Promise((resolve, reject) => {
    const box = vscode.window.createQuickPick<T>();
    let chosen: T | typeof BACK | null = null;
    const end = (value: T | typeof BACK): void => {
      chosen = value;
      box.hide();
    };
    dress(box, step);
    box.placeholder = placeholder;
    box.matchOnDescription = true;
    box.items = items;
    if (active !== undefined) box.activeItems = [active];
    box.onDidAccept(() => {
      const [item] = box.selectedItems;
      if (item !== undefined) end(item);
    });
    box.onDidTriggerButton(() => end(BACK));
    box.onDidHide(() => {
      box.dispose();
      if (chosen === null) reject(new Dismissed());
      else resolve(chosen);
    });
    box.show();
  });
}

/** Asks for a line of text; `tell` says beneath the box what comes of it, or why it can't be. Throws Dismissed when the box is closed. */
export function inputStep(step: Step, placeholder: string, tell: (text: string) => { readonly prompt: string; readonly problem: string | null }, value = ''): Promise<string | typeof BACK> {
  return new Promise((resolve, reject) => {
    const box = vscode.window.createInputBox();
    let given: string | typeof BACK | null = null;
    const look = (): boolean => {
      const { prompt, problem } = tell(box.value);
      box.prompt = prompt;
      box.validationMessage = problem ?? '';
      return problem === null;
    };
    const end = (text: string | typeof BACK): void => {
      given = text;
      box.hide();
    };
    dress(box, step);
    box.placeholder = placeholder;
    box.value = value;
    look();
    box.onDidChangeValue(look);
    box.onDidAccept(() => {
      if (look()) end(box.value.trim());
    });
    box.onDidTriggerButton(() => end(BACK));
    box.onDidHide(() => {
      box.dispose();
      if (given === null) reject(new Dismissed());
      else resolve(given);
    });
    box.show();
  });
}
