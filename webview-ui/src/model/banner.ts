import type { ChatState, Remedy } from '../types.ts';

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
  readonly command: 'fork' | 'resume' | 'manageTrust' | 'signIn' | 'takeOver';
}

/** What keeps the person from going on as usual, and the way out of it; the most important of it. */
export function bannerOf(state: ChatState): BannerWords | null {
  if (!state.canRun) return { level: 'warning', icon: 'workspace-untrusted', text: 'This workspace is not trusted: agents do not run here.', remedy: null, action: { label: 'Manage Trust', command: 'manageTrust' } };
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
    if (state.problem.signIn === true) return { level: 'warning', icon: 'key', text: state.problem.message, remedy: state.problem.remedy, action: { label: 'Sign In…', command: 'signIn' } };
    const stopped = state.state === 'failed' || state.state === 'stopped';
    return { level: 'error', icon: 'error', text: state.problem.message, remedy: state.problem.remedy, action: stopped && state.traits.resume ? { label: 'Resume', command: 'resume' } : null };
  }
  const { machineAway = null } = state;
  if (machineAway !== null) return { level: 'warning', icon: 'debug-disconnect', text: machineAway, remedy: null, action: null };
  if (state.owner === 'window') return { level: 'info', icon: 'multiple-windows', text: 'Another VS Code window runs this session. What you send here goes through it.', remedy: null, action: null };
  return null;
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
