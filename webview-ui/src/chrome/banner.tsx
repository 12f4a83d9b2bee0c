import type { JSX } from 'preact';
import { Button, Icon } from '../cards/parts.tsx';
import { bannerOf } from '../model/banner.ts';
import type { BannerAction } from '../model/banner.ts';
import type { ChatPage } from '../page.ts';
import type { Remedy } from '../types.ts';

/** What keeps the person from going on as usual, and the way out of it. One at a time: the most important. */
export function Banner({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const state = page.state.value;
  const shown = state === null ? null : bannerOf(state);
  if (shown === null) return null;
  return (
    <div class={`banner ${shown.level}`} role="region" aria-label="Session notice">
      <Icon name={shown.icon} />
      <div class="banner-text" dir="auto">{shown.text}{shown.remedy === null ? null : <RemedyLine page={page} remedy={shown.remedy} />}</div>
      <div class="banner-actions">
        {[shown.action, shown.other ?? null].map((action) => (action === null ? null : <Button key={action.command} label={action.label} look="secondary" onPress={() => act(page, action)} />))}
      </div>
    </div>
  );
}

function act(page: ChatPage, { command }: BannerAction): void {
  void page.ask(command === 'takeOver' ? { ask: 'take-over' } : { ask: 'run', command });
}

/** What to do, and the command that does it, to be copied. */
function RemedyLine({ page, remedy }: { readonly page: ChatPage; readonly remedy: Remedy }): JSX.Element {
  const { text, command } = remedy;
  return (
    <span class="banner-remedy">
      {text}
      {command === null ? null : <> <code>{command}</code> <Button label="Copy Command" look="text" className="icon-only" title="Copy Command" onPress={() => void page.ask({ ask: 'copy', text: command })}><Icon name="copy" /></Button></>}
    </span>
  );
}
