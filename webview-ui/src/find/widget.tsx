import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon, isComposing } from '../cards/parts.tsx';
import { MAC } from '../model/keys.ts';
import type { PageFind } from './find.ts';

/** Find in chat: a box over the transcript, as VS Code's own find has it. */
export function FindWidget({ find }: { readonly find: PageFind }): JSX.Element | null {
  const box = useRef<HTMLInputElement>(null);
  const asked = find.asked.value;
  const open = find.open.value;
  useEffect(() => {
    // Nobody asked for a box that is open again with its page.
    if (!open || asked === 0) return;
    box.current?.focus();
    box.current?.select();
  }, [asked, open]);
  if (!open) return null;
  const { text, matchCase, wholeWord } = find.query.value;
  const words = statusWords(find, text);
  const empty = text.trim() === '';
  const none = !empty && find.status.value?.total === 0 && !find.status.value.searching;
  const chord = MAC ? '⌥⌘' : 'Alt+';
  const onKey = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    const toggles = MAC ? event.altKey && event.metaKey : event.altKey && !event.ctrlKey;
    if (event.key === 'Enter') find.step(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') find.close();
    else if (toggles && event.code === 'KeyC') find.set({ matchCase: !matchCase });
    else if (toggles && event.code === 'KeyW') find.set({ wholeWord: !wholeWord });
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="find" role="search" aria-label="Find in Chat" onKeyDown={onKey}>
      <div class={`find-box ${none ? 'none' : ''}`}>
        <input ref={box} type="text" class="find-text" aria-label="Find" placeholder="Find" value={text} spellcheck={false} autocomplete="off" maxLength={1_000} onInput={(event) => find.set({ text: event.currentTarget.value })} />
        <Toggle label={`Match Case (${chord}C)`} icon="case-sensitive" on={matchCase} onPress={() => find.set({ matchCase: !matchCase })} />
        <Toggle label={`Match Whole Word (${chord}W)`} icon="whole-word" on={wholeWord} onPress={() => find.set({ wholeWord: !wholeWord })} />
      </div>
      <span class="find-count" role="status" aria-label="Find results">{words}</span>
      <span class="find-buttons">
        <button type="button" class="tool-button" aria-label="Previous Match" title={`Previous Match (${MAC ? '⇧⏎' : 'Shift+Enter'})`} disabled={none || empty} onClick={() => find.step(-1)}><Icon name="arrow-up" /></button>
        <button type="button" class="tool-button" aria-label="Next Match" title={`Next Match (${MAC ? '⏎' : 'Enter'})`} disabled={none || empty} onClick={() => find.step(1)}><Icon name="arrow-down" /></button>
        <button type="button" class="tool-button" aria-label="Close Find" title={`Close (${MAC ? '⎋' : 'Escape'})`} onClick={() => find.close()}><Icon name="close" /></button>
      </span>
      <Hidden find={find} />
    </div>
  );
}

/** Where a match is that the chat does not show, and the way there. */
function Hidden({ find }: { readonly find: PageFind }): JSX.Element {
  const hidden = find.hidden.value;
  return (
    <div class="find-hidden" role="status" aria-label="Where the match is">
      {hidden !== null && <span>On line {hidden.line.toLocaleString('en')} of this output, not shown here.</span>}
      {hidden !== null && <button type="button" class="text-button" onClick={() => find.openHidden()}>Open Output</button>}
    </div>
  );
}

function statusWords(find: PageFind, text: string): string {
  const status = find.status.value;
  if (text.trim() === '' || status === null) return '';
  const { total, position, searching, failed } = status;
  const more = searching ? ' · searching…' : failed ? ' · not all could be read' : '';
  if (total === 0) return searching ? 'searching…' : `No results${more}`;
  return `${position ?? '?'} of ${total.toLocaleString('en')}${more}`;
}

function Toggle({ label, icon, on, onPress }: { readonly label: string; readonly icon: string; readonly on: boolean; readonly onPress: () => void }): JSX.Element {
  return <button type="button" class={`find-toggle ${on ? 'on' : ''}`} aria-label={label} title={label} aria-pressed={on} onClick={onPress}><Icon name={icon} /></button>;
}
