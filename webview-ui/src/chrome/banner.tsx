import type { JSX } from 'preact';
import { Button, Icon } from '../cards/parts.tsx';
import type { ChatPage } from '../page.ts';
import type { ChatState } from '../types.ts';

/** What keeps the person from going on as usual, and the way out of it. One at a time: the most important. */
export function Banner({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const state = page.state.value;
  const shown = state === null ? null : bannerOf(state);
  if (shown === null) return null;
  return (
    <div class={`banner ${shown.level}`} role="region" aria-label="Session notice">
      <Icon name={shown.icon} />
      <div class="banner-text" dir="auto">{shown.text}{shown.remedy === null ? null : <span class="banner-remedy">{shown.remedy}</span>}</div>
      {shown.action === null ? null : <Button label={shown.action.label} look="secondary" onPress={() => void page.ask({ ask: 'run', command: shown.action?.command ?? 'resume' })} />}
    </div>
  );
}

interface Shown {
  readonly level: 'info' | 'warning' | 'error';
  readonly icon: string;
  readonly text: string;
  readonly remedy: string | null;
  readonly action: { readonly label: string; readonly command: 'fork' | 'resume' } | null;
}

export function bannerOf(state: ChatState): Shown | null {
  if (!state.canRun) return { level: 'warning', icon: 'workspace-untrusted', text: 'This workspace is not trusted: agents do not run in it.', remedy: 'Trust the workspace to go on.', action: null };
  if (state.owner === 'foreign') {
    const who = state.ownerName ?? 'Another program';
    return { level: 'info', icon: 'eye', text: `${who} runs this session. You can read along; going on here would split it.`, remedy: null, action: state.traits.fork ? { label: 'Fork', command: 'fork' } : null };
  }
  if (state.problem !== null) {
    const stopped = state.state === 'failed' || state.state === 'stopped';
    return { level: 'error', icon: 'error', text: state.problem.message, remedy: state.problem.remedy, action: stopped && state.traits.resume ? { label: 'Resume', command: 'resume' } : null };
  }
  if (state.owner === 'window') return { level: 'info', icon: 'multiple-windows', text: 'Another VS Code window runs this session. What you send here goes through it.', remedy: null, action: null };
  return null;
}
