import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Button, Icon } from '../cards/parts.tsx';
import type { ChatPage } from '../page.ts';

/** In place of a session that could not be opened: why, what can be done, and another try. */
export function UnavailablePage({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const why = page.unavailable.value;
  const words = useRef<HTMLDivElement>(null);
  const shown = why !== null;
  useEffect(() => {
    if (shown) words.current?.focus();
  }, [shown]);
  if (why === null) return null;
  return (
    <div class="unavailable" role="alert">
      <div class="unavailable-words" ref={words} tabIndex={-1}>
        <Icon name="debug-disconnect" />
        <h1 dir="auto">{why.message}</h1>
        {why.remedy === null ? null : <p dir="auto">{why.remedy}</p>}
        <Button label="Try Again" look="primary" disabled={why.trying} busy={why.trying} onPress={() => page.reopen()} />
      </div>
    </div>
  );
}
