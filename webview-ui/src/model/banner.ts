import type { ChatState, Remedy } from '../types.ts';
import { clock, usageParts } from './words.ts';

/** A notice over the transcript. */
interface BannerWords {
  readonly level: 'info' | 'warning' | 'error';
  readonly icon: string;
  readonly text: string;
  readonly remedy: Remedy | null;
  readonly action: BannerAction | null;
  /** Another way out, beside the first. */
  readonly other?: BannerAction;
}
export interface BannerAction {
  readonly label: string;
  readonly command: 'fork' | 'resume' | 'manageTrust' | 'signIn' | 'takeOver' | 'compact' | 'dismiss';
}

/** From this part of the context on it is nearly full, in percent. */
export const NEARLY_FULL = 90;

/** What keeps the person from going on as usual, and the way out of it; the most important of it. `now` in ms since the epoch. */
export function bannerOf(state: ChatState, now: number = Date.now()): BannerWords | null {
  if (!state.canRun) return { level: 'warning', icon: 'workspace-untrusted', text: `This workspace is not trusted: agents do not run here.${asOfWords(state, now)}`, remedy: null, action: { label: 'Manage Trust', command: 'manageTrust' } };
  if (state.owner === 'foreign' && !(state.traits.takeOver === true && state.problem !== null)) {
    const who = state.ownerName ?? 'Another program';
    const fork: BannerAction | null = state.traits.fork ? { label: 'Fork', command: 'fork' } : null;
    if (state.traits.takeOver === true) {
      return {
        level: 'info', icon: 'terminal', text: `${capital(who)} runs this session. Take over, or just send, to go on here; it can be taken back there.`, remedy: null, action: { label: 'Take Over', command: 'takeOver' }, ...(fork === null ? {} : { other: fork }),
      };
    }
    return { level: 'info', icon: 'eye', text: `${who} runs this session. You can read along; going on here would split it.`, remedy: null, action: fork };
  }
  if (state.problem !== null) {
    const asOf = asOfWords(state, now);
    if (state.problem.signIn === true) return { level: 'warning', icon: 'key', text: `${state.problem.message}${asOf}`, remedy: state.problem.remedy, action: { label: 'Sign In…', command: 'signIn' } };
    // Nothing is lost or to be done: what is stored is here, and what is sent waits.
    if (asOf !== '') return { level: 'warning', icon: 'debug-disconnect', text: `${state.problem.message}${asOf} What you send waits until there is contact.`, remedy: state.problem.remedy, action: null };
    // Where the session itself is still there, the next message goes on.
    const stopped = (state.state === 'failed' && state.traits.goesOnFresh !== true) || state.state === 'stopped';
    return { level: 'error', icon: 'error', text: state.problem.message, remedy: state.problem.remedy, action: stopped && state.traits.resume ? { label: 'Resume', command: 'resume' } : null };
  }
  const { machineAway = null } = state;
  if (machineAway !== null) return { level: 'warning', icon: 'debug-disconnect', text: machineAway, remedy: null, action: null };
  const { limit = null } = state;
  if (limit !== null && (limit.until === null || limit.until > now)) {
    return { level: 'warning', icon: 'watch', text: `${limit.text}${limit.until === null ? '' : ` It starts anew at ${clock(limit.until, now)}.`}`, remedy: null, action: null };
  }
  if (state.state === 'stopped' && state.traits.goesOnFresh === true) {
    // What is offered costs tokens: the host asks, with all that would be sent.
    return { level: 'warning', icon: 'circle-slash', text: `${state.closed ?? 'This session is closed on the server.'} A fresh one can go on, with what was said here at hand.`, remedy: null, action: { label: 'Resume…', command: 'resume' } };
  }
  if (state.state === 'stopped' && state.traits.resume) return { level: 'info', icon: 'circle-slash', text: 'This session was stopped. Resume it, or just send: its agent is started again.', remedy: null, action: { label: 'Resume', command: 'resume' } };
  if (state.owner === 'window') return { level: 'info', icon: 'multiple-windows', text: 'Another VS Code window runs this session. What you send here goes through it.', remedy: null, action: null };
  return fullBanner(state);
}

/** How old what is shown is, as a sentence behind another one; empty with contact. */
function asOfWords({ asOf = null }: ChatState, now: number): string {
  return asOf === null ? '' : ` Shown as of ${clock(asOf, now)}.`;
}

/** The context is nearly full: what makes room again, as far as the agent can. */
function fullBanner(state: ChatState): BannerWords | null {
  const { context } = usageParts(state.usage);
  if (context === null || context < NEARLY_FULL || state.activity?.phase === 'compacting') return null;
  const compacts = state.controls.commands.some((command) => command.name === 'compact');
  const way = compacts ? 'Compacting makes room.' : state.forksAt === true ? 'Fork from an earlier prompt, or start a session for what is next.' : 'Start a session for what is next.';
  return {
    level: 'info', icon: 'pie-chart', text: `${context} % of the context is used. ${way}`, remedy: null,
    action: compacts ? { label: 'Compact', command: 'compact' } : null, other: { label: 'Dismiss', command: 'dismiss' },
  };
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
