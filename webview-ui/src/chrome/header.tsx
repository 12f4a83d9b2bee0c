import type { JSX } from 'preact';
import { Icon } from '../cards/parts.tsx';
import { useClock } from '../clock.ts';
import { activityLine, clock, plural } from '../model/words.ts';
import type { ChatPage } from '../page.ts';
import type { ChatState } from '../types.ts';

/** Where the session runs, what it is doing, and whether we are in touch with it. */
export function Header({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const state = page.state.value;
  if (state === null) return null;
  const turns = turnCount(page, state);
  return (
    <header class="header">
      {state.machine === '' ? null : <span class="header-part machine" title={`Machine: ${state.machine}`}><Icon name="device-desktop" /><span class="sr-only">Machine </span><span class="cut">{state.machine}</span></span>}
      {state.folder === '' ? null : state.files !== undefined ? <span class="header-part folder mono" title={state.folder}><span class="sr-only">Folder </span><span class="cut-start"><bdi>{state.folder}</bdi></span></span> : <button type="button" class="header-part folder mono" title={`Open ${state.folder}`} aria-label={`Folder ${state.folder}`} onClick={() => void page.ask({ ask: 'run', command: 'openFolder' })}><span class="cut-start"><bdi>{state.folder}</bdi></span></button>}
      {state.branch === null ? null : <span class="header-part branch" title={`Branch: ${state.branch}`}><Icon name="git-branch" /><span class="sr-only">Branch </span><span class="cut">{state.branch}</span></span>}
      {state.shipped === true ? <span class="header-part shipped" title="Shipped: what is said here goes to CatSyphon"><Icon name="cloud-upload" /><span class="cut">shipped</span></span> : null}
      <span class="header-space" />
      {state.canRun || state.state !== 'unknown' ? <ActivityWords state={state} /> : null}
      {turns === null ? null : <span class="header-part turns" title={plural(turns, 'turn')}><Icon name="list-tree" />{plural(turns, 'turn')}</span>}
      {state.canRun ? <Connection state={state} /> : null}
    </header>
  );
}

function ActivityWords({ state }: { readonly state: ChatState }): JSX.Element | null {
  const now = useClock(1_000, state.activity !== null);
  const words = activityLine(state, now);
  if (words === null) return null;
  const phase = state.activity?.phase;
  const alarm = phase === 'stalled' || phase === 'retrying' || phase === 'waiting' || state.state === 'waiting' || state.state === 'failed';
  return <span class={`header-part activity ${alarm ? 'alarm' : ''}`} title={words}><span class="cut">{words}</span></span>;
}

/** Reads online, reconnecting or offline, and then how old what is shown is; the reason is its title. */
function Connection({ state }: { readonly state: ChatState }): JSX.Element {
  const { asOf = null } = state;
  return (
    <span class={`header-part connection ${state.connection}`} role="status" aria-label="Connection" title={state.connectionDetail ?? undefined}>
      <span class="dot" aria-hidden="true" />{state.connection}{asOf === null ? null : <span class="as-of">· as of {clock(asOf)}</span>}
    </span>
  );
}

/** Turns of the session, where the host tells them or every row is here to be counted. */
function turnCount(page: ChatPage, state: ChatState): number | null {
  if (state.turns !== undefined) return state.turns === 0 ? null : state.turns;
  const count = page.turnsHeld.value;
  return count === 0 ? null : count;
}
