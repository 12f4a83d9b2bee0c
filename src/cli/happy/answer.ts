import type { Decision } from '../../core/model/backend.ts';
import type { Question } from '../../core/model/entry.ts';
import { isJsonObject } from '../../core/model/json.ts';
import type { HappyDecision, HappySession } from '../../core/systems/happy/client.ts';
import { HappyError } from '../../core/systems/happy/errors.ts';
import type { Ask } from '../../core/systems/happy/normalise/asks.ts';
import { answerCall } from '../../core/systems/happy/normalise/asks.ts';
import { parsed, text, texts } from '../args.ts';
import type { CliIo } from '../io.ts';
import { plainLine, UsageError } from '../io.ts';
import { common, idIn, inAccount, pick, required, sessionOf, show } from './call.ts';
import { askLine, asksOf, contextOf, questionsLine, questionsOf } from './print.ts';

const words = ['allow', 'allow-session', 'deny'] as const;

export function answer(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, { ...common, reason: text, answer: texts }, 3, 'Give a session, a request and one decision.');
  const [, request, word] = positionals;
  const [id, asked] = [idIn(positionals), required(request, 'The request\'s id')];
  const outcome = words.find((one) => one === word);
  if (outcome === undefined) throw new UsageError(`${word === undefined ? 'The decision is missing' : `There is no decision ${JSON.stringify(plainLine(word))}`}: use ${words.join(', ')}.`);
  const { reason, answer: answers = [] } = values;
  if (reason !== undefined && outcome !== 'deny') throw new UsageError('--reason goes with deny.');
  if (answers.length > 0 && outcome === 'deny') throw new UsageError('--answer goes with allow.');
  return inAccount(values, io, async (call) => {
    const session = await sessionOf(call, id);
    const ask = waitingAsk(session, asked, io);
    if (ask.ask !== 'question' && answers.length > 0) throw new UsageError(`${ask.tool} asks for no answer: allow it or deny it.`);
    const decision: Decision = answers.length > 0 ? { outcome: 'answer', answers: answersTo(ask, session, answers) } : { outcome, ...(reason === undefined ? {} : { reason }) };
    if (ask.ask === 'question' && decision.outcome !== 'deny' && decision.outcome !== 'answer') throw new UsageError(`This is a question. ${howToAnswer(questionsOf(session, ask))}`);
    const given = decisionOf(ask, decision, session);
    await call.client.answerPermission(session.id, ask.id, given, { signal: call.signal });
    show(call, { sessionId: session.id, requestId: ask.id, ...given }, said(given, decision));
  });
}

/** The request that waits under that id, or the only one whose id begins with it. Throws `already_answered`, `ambiguous_id`, `not_supported`. */
function waitingAsk(session: HappySession, id: string, io: Pick<CliIo, 'program'>): Ask {
  const asks = asksOf(session);
  const ask = pick(asks, id, 'requests', () => {
    const waiting = asks.map((one) => askLine(session, one, io)).join('; ');
    return new HappyError('already_answered', `No request ${plainLine(id)} waits in session ${session.id}${waiting === '' ? '' : `. These wait: ${waiting}`}.`);
  });
  if (ask.by === 'communication') throw new HappyError('not_supported', 'This is a form, which is answered in a Happy app or in VS Code.');
  return ask;
}

/** What the agent is told, as the choices of its kind have it. */
function decisionOf(ask: Ask, decision: Decision, session: HappySession): HappyDecision {
  const { params } = answerCall(ask, decision, contextOf(session));
  const { approved, decision: word, mode, allowTools, reason, updatedInput } = params;
  return {
    approved: approved === true,
    ...(word === 'approved' || word === 'approved_for_session' || word === 'denied' || word === 'abort' ? { decision: word } : {}),
    ...(typeof mode === 'string' ? { mode } : {}), ...(typeof reason === 'string' ? { reason } : {}), ...(isJsonObject(updatedInput) ? { updatedInput } : {}),
    ...(Array.isArray(allowTools) ? { allowTools: (allowTools as readonly unknown[]).filter((rule) => typeof rule === 'string') } : {}),
  };
}

function said(given: HappyDecision, decision: Decision): string {
  if (!given.approved) return 'Denied.';
  if (decision.outcome === 'answer') return 'Answered.';
  return given.decision === 'approved_for_session' || given.mode !== undefined || given.allowTools !== undefined ? 'Allowed for the session.' : 'Allowed.';
}

/** `Q=A` each, where Q is the number, head or text of a question, and A an option's number or label, several with commas where it takes several, or any text; `Q=` may be left out of a single one. */
function answersTo(ask: Ask, session: HappySession, given: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const questions = questionsOf(session, ask);
  const answers: Record<string, readonly string[]> = {};
  for (const one of given) {
    const [question, value] = questionFor(questions, one);
    const parts = question.multiple ? value.split(',').map((part) => part.trim()) : [value.trim()];
    answers[question.id] = parts.map((part) => question.options[Number(part) - 1]?.label ?? question.options.find(({ label }) => label.toLowerCase() === part.toLowerCase())?.label ?? part);
  }
  const open = questions.filter((question) => (answers[question.id] ?? ['']).every((part) => part === ''));
  if (open.length > 0) throw new UsageError(`Not every question is answered. ${howToAnswer(questions)}`);
  return answers;
}

function questionFor(questions: readonly Question[], given: string): readonly [Question, string] {
  for (const [index, question] of questions.entries()) {
    const key = [String(index + 1), question.header, question.text].find((name) => name !== null && name !== '' && given.toLowerCase().startsWith(`${name.toLowerCase()}=`));
    if (key !== undefined && key !== null) return [question, given.slice(key.length + 1)];
  }
  const [only] = questions;
  if (only !== undefined && questions.length === 1 && !/^\d+=/.test(given)) return [only, given];
  throw new UsageError(`${JSON.stringify(plainLine(given))} answers no question of this request. ${howToAnswer(questions)}`);
}

function howToAnswer(questions: readonly Question[]): string {
  return `Answer with --answer NUMBER=ANSWER: ${questionsLine(questions)}`;
}
