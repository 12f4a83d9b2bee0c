import type { Decision } from '../../../model/backend.ts';
import type { AnswerEntry, DecisionScope, Entry, PermissionOption, PermissionOutcome } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';
import type { WaitingPermission } from '../../../model/session.ts';
import { waitingOf } from '../../../model/whole.ts';
import type { RpcId } from '../rpc.ts';
import type { Form } from './elicit.ts';
import type { Link } from './link.ts';
import type { SessionLog } from './normalise.ts';
import { optionsOf } from './permission.ts';

interface Ask {
  readonly requestId: string;
  readonly rpcId: RpcId;
  readonly link: Link;
  readonly options: readonly PermissionOption[];
  /** Null for a permission. */
  readonly form: Form | null;
  readonly waiting: WaitingPermission;
}
type Said = Pick<AnswerEntry, 'outcome' | 'by' | 'reason' | 'answers'>;

const outcomes: Readonly<Record<DecisionScope, PermissionOutcome>> = {
  once: 'allowed', session: 'allowed-session', always: 'allowed-always', reject: 'denied', 'reject-always': 'denied',
};
const wanted: Readonly<Record<Exclude<Decision['outcome'], 'answer'>, readonly DecisionScope[]>> = {
  allow: ['once'], 'allow-session': ['session'], 'allow-always': ['always'], deny: ['reject', 'reject-always'],
};

/** The agent's option for a decision: the one that was picked, else the first of its scope. Null for a refusal where the agent offers none. */
function optionFor(options: readonly PermissionOption[], decision: Decision): PermissionOption | null {
  if (decision.optionId !== undefined) {
    const picked = options.find((one) => one.id === decision.optionId);
    if (picked === undefined) throw new PilothouseError('invalid_argument', 'The agent does not offer this option. Pick one of those that it offers.');
    return picked;
  }
  if (decision.outcome === 'answer') throw new PilothouseError('invalid_argument', 'This is a permission, not a question: allow or deny it.');
  const found = wanted[decision.outcome].map((scope) => options.find((one) => one.scope === scope)).find((one) => one !== undefined);
  if (found !== undefined) return found;
  if (decision.outcome === 'deny') return null;
  throw new PilothouseError('invalid_argument', `The agent does not offer that. It offers: ${options.map((one) => one.label).join(', ')}.`);
}

/** Requests of one session's agent that wait for the person. Each is answered once, whoever comes first. */
export class Asks {
  private readonly log: SessionLog;
  private readonly folder: () => string;
  private readonly open = new Map<string, Ask>();
  private readonly closed = new Set<string>();

  /** `folder`: that of the session. */
  constructor(log: SessionLog, folder: () => string) {
    this.log = log;
    this.folder = folder;
  }

  get waiting(): readonly WaitingPermission[] {
    return [...this.open.values()].map((ask) => ask.waiting);
  }

  /** A `session/request_permission`. */
  permission(params: JsonObject, rpcId: RpcId, link: Link, now: number): Entry[] {
    const { requestId, entries } = this.log.asked(params, now);
    this.add({ requestId, rpcId, link, options: optionsOf(params), form: null }, entries, now);
    return entries;
  }

  /** A question in a form. */
  question(form: Form, rpcId: RpcId, link: Link, now: number): Entry[] {
    const { requestId, entries } = this.log.questioned(form.message, form.questions, form.callId, now);
    this.add({ requestId, rpcId, link, options: [], form }, entries, now);
    return entries;
  }

  /** Answers a request. Rejects with `already_answered`, `request_not_found` or `invalid_argument`; then nothing was answered. */
  answer(requestId: string, decision: Decision, now: number): { readonly entries: Entry[]; readonly denied: boolean } {
    const ask = this.open.get(requestId);
    if (ask === undefined) {
      if (this.closed.has(requestId)) throw new PilothouseError('already_answered', 'This was answered or withdrawn before.');
      throw new PilothouseError('request_not_found', 'There is no such request in this session.');
    }
    const said = ask.form === null ? this.decide(ask, decision) : this.fill(ask, ask.form, decision);
    return { entries: this.close(ask, said, now), denied: said.outcome === 'denied' };
  }

  /** The turn was cancelled or is over: everything that waits is told so (the schema demands it) and withdrawn. */
  cancelAll(now: number, by: 'person' | 'agent'): Entry[] {
    return [...this.open.values()].flatMap((ask) => {
      ask.link.respond(ask.rpcId, ask.form === null ? { outcome: { outcome: 'cancelled' } } : { action: 'cancel' });
      return this.close(ask, { outcome: 'withdrawn', by, reason: null, answers: {} }, now);
    });
  }

  /** The agent does not want to know any more (`$/cancel_request`). */
  withdraw(rpcId: RpcId, link: Link, now: number): Entry[] {
    const ask = [...this.open.values()].find((one) => one.rpcId === rpcId && one.link === link);
    if (ask === undefined) return [];
    link.respond(rpcId, ask.form === null ? { outcome: { outcome: 'cancelled' } } : { action: 'cancel' });
    return this.close(ask, { outcome: 'withdrawn', by: 'agent', reason: null, answers: {} }, now);
  }

  /** The agent's program is gone, and its requests with it. */
  lose(now: number): Entry[] {
    return [...this.open.values()].flatMap((ask) => this.close(ask, { outcome: 'lost', by: 'agent', reason: null, answers: {} }, now));
  }

  private add(ask: Omit<Ask, 'waiting'>, entries: readonly Entry[], now: number): void {
    const entry = entries.find((one) => one.kind === 'permission');
    if (entry === undefined) return;
    this.open.set(ask.requestId, { ...ask, waiting: waitingOf(entry, this.folder(), now) });
  }

  private decide(ask: Ask, decision: Decision): Said {
    const option = optionFor(ask.options, decision);
    ask.link.respond(ask.rpcId, { outcome: option === null ? { outcome: 'cancelled' } : { outcome: 'selected', optionId: option.id } });
    return { outcome: option === null ? 'denied' : outcomes[option.scope], by: 'person', reason: decision.reason ?? null, answers: {} };
  }

  private fill(ask: Ask, form: Form, decision: Decision): Said {
    if (decision.outcome === 'deny') {
      ask.link.respond(ask.rpcId, { action: 'decline' });
      return { outcome: 'denied', by: 'person', reason: decision.reason ?? null, answers: {} };
    }
    if (decision.outcome !== 'answer') throw new PilothouseError('invalid_argument', 'This is a question: answer it or decline it.');
    const answers = decision.answers ?? {};
    ask.link.respond(ask.rpcId, { action: 'accept', content: form.contentOf(answers) });
    return { outcome: 'answered', by: 'person', reason: null, answers };
  }

  private close(ask: Ask, said: Said, now: number): Entry[] {
    this.open.delete(ask.requestId);
    this.closed.add(ask.requestId);
    return this.log.answered(ask.requestId, said, now);
  }
}
