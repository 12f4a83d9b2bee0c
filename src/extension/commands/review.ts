import * as vscode from 'vscode';
import type { SessionControls } from '../../core/model/session.ts';
import { pickText } from '../tree/text.ts';
import type { Step } from './steps.ts';
import { BACK, pickStep } from './steps.ts';

/** What a session begins with; null: the agent's own. */
export interface Beginning {
  readonly title: string;
  readonly mode: string | null;
  readonly model: string | null;
  readonly agent: string | null;
}

type Picker = 'mode' | 'model';
const PICKERS: Readonly<Record<Picker, { readonly label: string; readonly icon: string; readonly of: (controls: SessionControls) => SessionControls['modes'] }>> = {
  mode: { label: 'Permission Mode', icon: 'shield', of: (controls) => controls.modes },
  model: { label: 'Model', icon: 'chip', of: (controls) => controls.models },
};

/** The last box: Enter starts the session as it is; name, permission mode and model may be changed before. Escape in one of theirs comes back here. */
export async function review(step: Step, start: string, controls: SessionControls | null, given: Beginning, moreAgents: boolean): Promise<Beginning | typeof BACK> {
  let now = given;
  for (let last: 'start' | 'title' | 'agent' | Picker = 'start'; ;) {
    const offered = (['mode', 'model'] as const).filter((what) => controls !== null && PICKERS[what].of(controls).length > 0);
    const items = [
      { label: start, description: '', icon: 'play', what: 'start' as const },
      { label: 'Name…', description: pickText(now.title) || 'given by the agent', icon: 'edit', what: 'title' as const },
      ...(moreAgents ? [{ label: 'Agent…', description: pickText(now.agent ?? '') || 'its usual one', icon: 'hubot', what: 'agent' as const }] : []),
      ...offered.map((what) => ({ label: `${PICKERS[what].label}…`, description: pickText(labelOf(what, controls, now)), icon: PICKERS[what].icon, what })),
    ].map((item) => ({ ...item, iconPath: new vscode.ThemeIcon(item.icon) }));
    const picked = await pickStep(step, 'Enter starts the session', items, items.find((item) => item.what === last));
    if (typeof picked === 'symbol') return picked;
    if (picked.what === 'start') return now;
    if (picked.what === 'agent') now = { ...now, agent: (await askAgent(step, now.agent ?? '')) ?? now.agent };
    else now = picked.what === 'title' ? { ...now, title: (await askName(step, now.title)) ?? now.title } : { ...now, [picked.what]: (await choose(step, picked.what, controls, now)) ?? now[picked.what] };
    // What was chosen stands; Enter goes on.
    last = 'start';
  }
}

function labelOf(what: Picker, controls: SessionControls | null, now: Beginning): string {
  const id = now[what] ?? (what === 'model' ? (controls?.model ?? null) : null);
  return (controls === null ? undefined : PICKERS[what].of(controls).find((choice) => choice.id === id))?.label ?? id ?? 'the agent’s own';
}

async function choose(step: Step, what: Picker, controls: SessionControls | null, now: Beginning): Promise<string | null> {
  const items = (controls === null ? [] : PICKERS[what].of(controls)).map((each) => ({ label: pickText(each.label), ...(each.description === null ? {} : { detail: pickText(each.description, 200) }), id: each.id }));
  const picked = await pickStep({ ...step, back: true }, PICKERS[what].label, items, items.find((item) => item.id === (now[what] ?? controls?.[what]))).catch(() => BACK);
  return typeof picked === 'symbol' ? null : picked.id;
}

async function askName(step: Step, value: string): Promise<string | null> {
  const name = await vscode.window.showInputBox({
    title: `${step.title}: name`, value, prompt: 'Leave it empty to let the agent name it.', ignoreFocusOut: true, validateInput: (text) => (text.trim().length > 200 ? 'At most 200 characters.' : null),
  });
  return name === undefined ? null : name.trim();
}

async function askAgent(step: Step, value: string): Promise<string | null> {
  const name = await vscode.window.showInputBox({
    title: `${step.title}: agent`, value, prompt: 'Its name, as the server knows it.', ignoreFocusOut: true, validateInput: (text) => (text.trim() === '' ? 'A name is needed.' : text.trim().length > 100 ? 'At most 100 characters.' : null),
  });
  return name === undefined ? null : name.trim();
}
