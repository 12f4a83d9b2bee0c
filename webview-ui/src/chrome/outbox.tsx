import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { Button, Icon, TextArea } from '../cards/parts.tsx';
import { deliveryWord, oneLine, plural } from '../model/words.ts';
import type { ChatPage } from '../page.ts';
import type { OutboxView, PageRequest } from '../types.ts';

type What = Extract<PageRequest, { ask: 'outbox' }>['what'];

/** Prompts that are not delivered yet, in the order in which they will go, each with how far it is and what can be done about it. */
export function Outbox({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const state = page.state.value;
  if (state === null || state.outbox.length === 0) return null;
  const { outbox } = state;
  const steer = state.traits.steer && page.running.value;
  return <div class="outbox" role="group" aria-label="Queued messages">{outbox.map((item, place) => <Item key={item.clientId} page={page} item={item} first={place === 0} last={place === outbox.length - 1} steer={steer} readOnly={!state.canRun} />)}</div>;
}

interface ItemProps {
  readonly page: ChatPage;
  readonly item: OutboxView;
  readonly first: boolean;
  readonly last: boolean;
  readonly steer: boolean;
  readonly readOnly: boolean;
}

function Item({ page, item, first, last, steer, readOnly }: ItemProps): JSX.Element {
  const editing = useSignal<string | null>(null);
  const act = (what: What): void => void page.ask({ ask: 'outbox', clientId: item.clientId, what });
  const save = async (): Promise<void> => {
    const text = editing.value ?? '';
    if (text.trim() === '' || (await page.ask({ ask: 'outbox-edit', clientId: item.clientId, text }))) editing.value = null;
  };
  const word = deliveryWord(item);
  const failed = item.delivery === 'failed';
  const movable = item.delivery === 'pending' || failed;
  const files = item.attachments.length === 0 ? '' : ` with ${plural(item.attachments.length, 'file')}`;
  const spoken = oneLine(item.text, 60);
  return (
    <div class={`outbox-item ${item.delivery}`} role="article" data-kind="prompt" data-delivery={item.delivery} aria-label={`${word}: ${oneLine(item.text, 120)}${files}`}>
      <Icon name={failed ? 'error' : item.delivery === 'sending' ? 'loading' : item.steer ? 'reply' : 'history'} className={item.delivery === 'sending' ? 'codicon-modifier-spin' : ''} />
      {editing.value === null ? (
        <>
          <span class="outbox-words"><span class="outbox-word">{word}</span><span class="outbox-text" dir="auto" title={item.text}>{oneLine(item.text, 300)}{files}</span></span>
          {readOnly ? null : <span class="outbox-actions">
            {failed ? <Button label={`Retry: ${spoken}`} look="text" onPress={() => act('retry')}>retry</Button> : null}
            {movable ? <Button label={`Edit: ${spoken}`} look="text" onPress={() => (editing.value = item.text)}>edit</Button> : null}
            {steer && movable && !item.steer ? <Button label={`Steer now: ${spoken}`} look="text" title="Hand it to the turn that runs" onPress={() => act('steer')}>steer now</Button> : null}
            {item.delivery === 'sending' ? null : <Button label={`Drop: ${spoken}`} look="text" onPress={() => act('drop')}>drop</Button>}
            {movable && !(first && last) ? (
              <>
                <Button label={`Move up: ${spoken}`} title="Move up" look="text" className="icon-only" disabled={first} onPress={() => act('up')}><Icon name="arrow-up" /></Button>
                <Button label={`Move down: ${spoken}`} title="Move down" look="text" className="icon-only" disabled={last} onPress={() => act('down')}><Icon name="arrow-down" /></Button>
              </>
            ) : null}
          </span>}
          {item.error === null ? null : <span class="outbox-error">{item.error}</span>}
        </>
      ) : (
        <span class="outbox-edit">
          <TextArea label="Queued message" placeholder="Message" value={editing.value} focus onInput={(text) => (editing.value = text)} onEnter={() => void save()} onEscape={() => (editing.value = null)} />
          <span class="buttons">
            <Button label="Save" look="primary" disabled={editing.value.trim() === ''} onPress={() => void save()} />
            <Button label="Cancel" look="text" onPress={() => (editing.value = null)} />
          </span>
        </span>
      )}
    </div>
  );
}
