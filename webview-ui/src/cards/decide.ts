import type { Decision, PermissionRow, Question } from '../types.ts';

/** One button of a permission card. */
interface DecisionButton {
  readonly label: string;
  /** The agent's own words for it, where they differ. */
  readonly hint: string | null;
  readonly decision: Decision;
  readonly look: 'primary' | 'secondary' | 'text';
}

/**
 * What can be decided about a tool. An agent that names its options gets exactly those back by their ids; one that names none is offered all three. Lasting rules
 * of the agent's own stand last and quietly: they reach further than this session.
 */
export function decisionButtons(row: Pick<PermissionRow, 'options'>): { readonly buttons: readonly DecisionButton[]; readonly deny: Decision } {
  const { options } = row;
  if (options.length === 0) {
    return {
      buttons: [
        { label: 'Allow', hint: null, decision: { outcome: 'allow' }, look: 'primary' },
        { label: 'Allow for Session', hint: null, decision: { outcome: 'allow-session' }, look: 'secondary' },
        { label: 'Deny', hint: null, decision: { outcome: 'deny' }, look: 'secondary' },
      ],
      deny: { outcome: 'deny' },
    };
  }
  const buttons: DecisionButton[] = [];
  const add = (scope: (typeof options)[number]['scope'], label: string, outcome: Decision['outcome'], look: DecisionButton['look']): void => {
    options.filter((option) => option.scope === scope).forEach((option, place) => {
      const own = place === 0 ? label : option.label;
      buttons.push({ label: own, hint: option.label === own ? null : option.label, decision: { outcome, optionId: option.id }, look: place === 0 ? look : 'text' });
    });
  };
  add('once', 'Allow', 'allow', 'primary');
  add('session', 'Allow for Session', 'allow-session', buttons.length === 0 ? 'primary' : 'secondary');
  add('reject', 'Deny', 'deny', 'secondary');
  for (const option of options) {
    if (option.scope === 'always') buttons.push({ label: option.label, hint: null, decision: { outcome: 'allow-always', optionId: option.id }, look: 'text' });
    if (option.scope === 'reject-always') buttons.push({ label: option.label, hint: null, decision: { outcome: 'deny', optionId: option.id }, look: 'text' });
  }
  const reject = options.find((option) => option.scope === 'reject') ?? options.find((option) => option.scope === 'reject-always');
  return { buttons, deny: reject === undefined ? { outcome: 'deny' } : { outcome: 'deny', optionId: reject.id } };
}

/** Whether this is the answer that was given by its button. */
export function isGiven(given: Decision | null, decision: Decision): boolean {
  return given !== null && given.outcome === decision.outcome && given.optionId === decision.optionId && given.reason === undefined;
}

/** Answers as the host takes them, or null while a question is without one. Text that was typed stands in place of, or beside, the chosen labels. */
export function readAnswers(questions: readonly Question[], picked: Readonly<Record<string, readonly string[]>>, typed: Readonly<Record<string, string>>): Record<string, readonly string[]> | null {
  const answers: Record<string, readonly string[]> = {};
  for (const question of questions) {
    const text = question.free || question.options.length === 0 ? (typed[question.id] ?? '').trim() : '';
    const labels = (picked[question.id] ?? []).filter((label) => question.options.some((option) => option.label === label));
    const given = text === '' ? labels : question.multiple ? [...labels, text] : [text];
    if (given.length === 0) return null;
    answers[question.id] = question.multiple ? given : given.slice(0, 1);
  }
  return answers;
}
