import type { JSX } from 'preact';
import { Button, Icon } from '../cards/parts.tsx';
import { bannerOf } from '../model/banner.ts';
import type { ChatPage } from '../page.ts';

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
