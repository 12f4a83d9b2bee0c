import type { Session } from '../../core/model/session.ts';
import { UNTITLED } from '../../core/model/session.ts';
import { age, oneLine, ownerWord, stateWord } from './text.ts';

/** What stands beside the label of a row. */
interface Line {
  readonly label: string;
  readonly description: string;
}

/** Title of a session, as one line. */
export function titleOf(session: Pick<Session, 'title'>, max = 120): string {
  return oneLine(session.title, max) || UNTITLED;
}

/** `asks · 2 m · claude`: a narrow side bar cuts it at its end, so that what changes stands first. */
export function sessionLine(session: Session, { now, dormant, agent }: { readonly now: number; readonly dormant: boolean; readonly agent: string }): Line {
  const owner = ownerWord(session);
  const words = [stateInShort(session, dormant), age(session.waiting[0]?.askedAt ?? session.updatedAt, now), ...(owner === '' ? [] : [owner]), ...(session.worktree === undefined ? [] : [oneLine((session.branch ?? session.worktree.branch).replace(/^pilothouse[/]/, ''), 40)]), ...(session.shipped === true ? ['shipped'] : []), oneLine(agent, 30)];
  return { label: titleOf(session), description: words.join(' · ') };
}

function stateInShort(session: Session, dormant: boolean): string {
  if (dormant && session.state === 'unknown') return 'stored';
  if (session.state === 'waiting') return 'asks';
  return session.state === 'running' && session.activity?.phase === 'stalled' ? 'stalled' : stateWord(session);
}
