import * as vscode from 'vscode';
import type { JsonObject, JsonValue } from '../../core/model/json.ts';
import type { Capability } from '../../core/systems/hebing/index.ts';
import { Dismissed } from '../commands/dismissed.ts';
import { BACK, pickStep } from '../commands/steps.ts';
import { oneLine, pickText } from '../tree/text.ts';
import type { FormField } from './form.ts';
import { initialValues, typed, typedProblem, valueText } from './form.ts';
import { complaintLine, complaints } from './schema.ts';

/** What the person filled in: to be sent, or to be edited as JSON first. */
interface Filled {
  readonly next: 'send' | 'edit';
  readonly input: JsonObject;
}

interface Line extends vscode.QuickPickItem {
  readonly act: 'call' | 'json' | FormField | null;
}

/**
 * Asks for a capability's input: what is needed first, a box each, then everything at a glance, where each value can be changed. `given` is what is filled in already. Throws Dismissed.
 */
export async function askInput(capability: Capability, fields: readonly FormField[], given: JsonObject): Promise<Filled> {
  const title = `Call ${pickText(capability.name, 80)}`;
  let values: JsonObject = { ...initialValues(fields), ...given };
  const needed = fields.filter((field) => field.required && !Object.hasOwn(values, field.name));
  for (let at = 0; at < needed.length;) {
    const field = needed[at];
    if (field === undefined) break;
    const value = await askField(field, values[field.name], { title, step: at + 1, total: needed.length, back: at > 0 });
    if (value === BACK) {
      at -= 1;
      continue;
    }
    values = withValue(values, field, value);
    at += 1;
  }
  for (;;) {
    const line = await overview(capability, fields, values, title);
    if (line === 'call') return { next: 'send', input: values };
    if (line === 'json') return { next: 'edit', input: values };
    const value = await askField(line, values[line.name], { title, step: 1, total: 1, back: true }).catch((error: unknown): typeof BACK => {
      if (error instanceof Dismissed) return BACK;
      throw error;
    });
    if (value !== BACK) values = withValue(values, line, value);
  }
}

/** Everything at a glance: Enter calls. What is wrong stands in place of the call, and leads to its field. */
async function overview(capability: Capability, fields: readonly FormField[], values: JsonObject, title: string): Promise<'call' | 'json' | FormField> {
  const [wrong] = complaints(capability.inputSchema, values);
  const first: Line = wrong === undefined
    ? { label: `$(play) Call ${pickText(capability.name, 80)}`, act: 'call' }
    : { label: `$(warning) ${pickText(complaintLine(wrong), 200)}`, act: fields.find((field) => field.name === wrong.field.split('.')[0]) ?? 'json' };
  const lines: Line[] = [
    first,
    ...(fields.length === 0 ? [] : [{ label: 'Input', kind: vscode.QuickPickItemKind.Separator, act: null }]),
    ...fields.map((field): Line => ({
      label: pickText(field.title, 60), description: pickText(valueText(values[field.name]), 100) || (field.required ? 'needed' : 'not set'), ...(field.about === '' ? {} : { detail: pickText(field.about, 200) }), act: field,
    })),
    { label: '', kind: vscode.QuickPickItemKind.Separator, act: null },
    { label: '$(json) Edit as JSON…', act: 'json' },
  ];
  const picked = await pickStep({ title, step: 1, total: 1, back: false }, 'Enter calls it; choose a value to change it', lines, lines[0]);
  return picked === BACK || picked.act === null ? overview(capability, fields, values, title) : picked.act;
}

interface Box {
  readonly title: string;
  readonly step: number;
  readonly total: number;
  readonly back: boolean;
}

/** One value; undefined: it is left out. Throws Dismissed. */
async function askField(field: FormField, value: JsonValue | undefined, box: Box): Promise<JsonValue | undefined | typeof BACK> {
  const choices = field.kind === 'boolean' ? [true, false] : field.kind === 'choice' ? field.choices : null;
  if (choices === null) return askTyped(field, value, box);
  const items = [
    ...choices.map((choice) => ({ label: pickText(valueText(choice), 120), description: choice === value ? 'as it is' : '', value: choice as JsonValue | undefined })),
    ...(field.required ? [] : [{ label: 'Not set', description: '', value: undefined }]),
  ];
  const picked = await pickStep(box, promptOf(field), items, items.find((item) => item.value === value));
  return picked === BACK ? BACK : picked.value;
}

function askTyped(field: FormField, value: JsonValue | undefined, { title, step, total, back }: Box): Promise<JsonValue | undefined | typeof BACK> {
  return new Promise((resolve, reject) => {
    const input = vscode.window.createInputBox();
    let answer: JsonValue | undefined | typeof BACK | null = null;
    input.title = title;
    if (total > 1) [input.step, input.totalSteps] = [step, total];
    input.prompt = promptOf(field);
    input.value = valueText(value);
    input.ignoreFocusOut = true;
    input.buttons = back ? [vscode.QuickInputButtons.Back] : [];
    const end = (given: JsonValue | undefined | typeof BACK): void => {
      answer = given;
      input.hide();
    };
    input.onDidChangeValue((text) => {
      input.validationMessage = typedProblem(field, text) ?? '';
    });
    input.onDidAccept(() => {
      const problem = typedProblem(field, input.value);
      if (problem === null) end(typed(field, input.value) ?? (field.required ? '' : undefined));
      else input.validationMessage = problem;
    });
    input.onDidTriggerButton(() => end(BACK));
    input.onDidHide(() => {
      input.dispose();
      if (answer === null) reject(new Dismissed());
      else resolve(answer);
    });
    input.show();
  });
}

function promptOf(field: FormField): string {
  return [field.about === '' ? field.title : `${field.title}: ${field.about}`, field.required ? '' : 'Leave it empty to leave it out.'].filter((part) => part !== '').map((part) => oneLine(part, 300)).join(' ');
}

function withValue(values: JsonObject, field: FormField, value: JsonValue | undefined): JsonObject {
  const { [field.name]: _, ...rest } = values;
  return value === undefined ? rest : { ...rest, [field.name]: value };
}
