import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Button, Icon } from '../cards/parts.tsx';
import { useClock } from '../clock.ts';
import { bannerOf } from '../model/banner.ts';
import type { BannerAction } from '../model/banner.ts';
import type { ChatPage } from '../page.ts';
import type { Remedy } from '../types.ts';

/** What keeps the person from going on as usual, and the way out of it. One at a time: the most important. */
export function Banner({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const state = page.state.value;
  const now = useClock(10_000, state?.limit?.until != null);
  const shown = state === null ? null : bannerOf(state, now);
  const dismissed = useSignal(false);
  const dismissible = shown?.other?.command === 'dismiss';
  // What comes anew is said anew.
  useEffect(() => {
    if (!dismissible) dismissed.value = false;
  }, [dismissible]);
  if (shown === null || (dismissible && dismissed.value)) return null;
  const act = ({ command }: BannerAction): void => {
    if (command === 'dismiss') dismissed.value = true;
    else if (command === 'compact') void page.ask({ ask: 'send', text: '/compact', attachments: [], how: page.running.peek() ? 'queue' : 'send' });
    else void page.ask(command === 'takeOver' ? { ask: 'take-over' } : { ask: 'run', command });
  };
  return (
    <div class={`banner ${shown.level}`} role="region" aria-label="Session notice">
      <Icon name={shown.icon} />
      <div class="banner-text" dir="auto">{shown.text}{shown.remedy === null ? null : <RemedyLine page={page} remedy={shown.remedy} />}</div>
      <div class="banner-actions">
        {[shown.action, shown.other ?? null].map((action) => (action === null ? null : <Button key={action.command} label={action.label} look="secondary" onPress={() => act(action)} />))}
      </div>
    </div>
  );
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
