import type { JSX } from 'preact';
import type { RowContext } from '../transcript/view.ts';
import type { PermissionRow, Question } from '../types.ts';
import type { Answering } from './answer.ts';
import { useAnswering } from './answer.ts';
import { decisionButtons, readAnswers } from './decide.ts';
import { Button, TextArea } from './parts.tsx';
import { CardError, CardHead } from './permission.tsx';

/** Questions of the agent: options to choose from, one or many, and room for other words where it takes them. */
export function QuestionCard({ context, row }: { readonly context: RowContext; readonly row: PermissionRow }): JSX.Element {
  const answering = useAnswering(context, row);
  const given = answering.given.value;
  const { picked, typed } = answering.draft.value;
  const answers = readAnswers(row.questions, picked, typed);
  const give = (): void => {
    if (answers !== null) answering.give({ outcome: 'answer', answers });
  };
  const only = row.questions.length === 1 ? row.questions[0] : undefined;
  return (
    <div class="card" role="group" aria-label={`Permission: ${row.tool}`}>
      <CardHead row={row} icon="question" title={only === undefined ? (row.title === '' ? 'The agent has questions' : row.title) : only.text} />
      {row.questions.map((question) => <Asked key={question.id} question={question} group={`${row.key} ${question.id}`} named={only === undefined} answering={answering} onEnter={give} />)}
      <div class="buttons">
        <Button label="Answer" look="primary" className="default" disabled={given !== null || answers === null} busy={given?.outcome === 'answer'} onPress={give} />
        <Button label="Skip" look="secondary" title="Go on without an answer" disabled={given !== null} busy={given?.outcome === 'deny'} onPress={() => answering.give(decisionButtons(row).deny)} />
      </div>
      <CardError text={answering.error.value} />
    </div>
  );
}

function Asked({ question, group, named, answering, onEnter }: { readonly question: Question; readonly group: string; readonly named: boolean; readonly answering: Answering; readonly onEnter: () => void }): JSX.Element {
  const disabled = answering.given.value !== null;
  const { picked, typed } = answering.draft.value;
  const chosen = picked[question.id] ?? [];
  const choose = (label: string, on: boolean): void => {
    const next = question.multiple ? [...chosen.filter((each) => each !== label), ...(on ? [label] : [])] : [label];
    answering.edit({ picked: { ...picked, [question.id]: next }, ...(question.multiple ? {} : { typed: { ...typed, [question.id]: '' } }) });
  };
  const type = (text: string): void => {
    answering.edit({ typed: { ...typed, [question.id]: text }, ...(question.multiple || text === '' ? {} : { picked: { ...picked, [question.id]: [] } }) });
  };
  return (
    <fieldset class="asked" disabled={disabled}>
      <legend class={named ? '' : 'sr-only'} dir="auto">{question.header === null || question.header === '' ? null : <span class="asked-header">{question.header}: </span>}{question.text}</legend>
      {question.options.map((option) => (
        <label key={option.label} class="option">
          <input type={question.multiple ? 'checkbox' : 'radio'} name={group} checked={chosen.includes(option.label)} onChange={(event) => choose(option.label, event.currentTarget.checked)}
            onKeyDown={(event) => event.key === 'Enter' && onEnter()} />
          <span dir="auto"><span class="option-label">{option.label}</span>{option.description === null || option.description === '' ? null : <span class="dim option-description">{option.description}</span>}</span>
        </label>
      ))}
      {question.free || question.options.length === 0
        ? <TextArea label={question.options.length === 0 ? 'Answer in your words' : 'Another answer'} placeholder={question.options.length === 0 ? 'Your answer' : 'Something else'} value={typed[question.id] ?? ''} disabled={disabled} onInput={type} onEnter={onEnter} />
        : null}
    </fieldset>
  );
}
