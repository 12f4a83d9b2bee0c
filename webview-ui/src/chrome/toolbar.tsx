import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { Button, Icon } from '../cards/parts.tsx';
import { NEARLY_FULL } from '../model/banner.ts';
import { KEYS } from '../model/keys.ts';
import { count, usageParts } from '../model/words.ts';
import type { ChatPage } from '../page.ts';
import type { ChatState } from '../types.ts';
import type { Draft } from './draft.ts';
import { Picker } from './picker.tsx';

interface ToolbarProps {
  readonly page: ChatPage;
  readonly draft: Draft;
  readonly readOnly: boolean;
  readonly onAttach: (files: readonly File[]) => void;
}

/** Under the message: what goes with it, how the agent is set, how full its context is, and where the message goes. */
export function Toolbar({ page, draft, readOnly, onAttach }: ToolbarProps): JSX.Element | null {
  const input = useRef<HTMLInputElement>(null);
  const state = page.state.value;
  if (state === null) return null;
  const { controls } = state;
  const set = (what: 'model' | 'mode' | 'effort') => (id: string): void => void page.ask({ ask: 'set', what, id });
  return (
    <div class="toolbar" role="group" aria-label="Message options">
      {state.traits.textOnly === true ? null : <button type="button" class="tool-button" aria-label="Attach" title="Attach files" disabled={readOnly} onClick={() => input.current?.click()}><Icon name="add" /></button>}
      <input ref={input} type="file" multiple hidden tabIndex={-1} aria-hidden="true" onChange={(event) => {
        // The list itself is emptied with the field.
        const files = [...(event.currentTarget.files ?? [])];
        if (files.length > 0) onAttach(files);
        event.currentTarget.value = '';
      }} />
      <Picker label="Permission Mode" icon="shield" choices={controls.modes} value={controls.mode} none="Mode" disabled={readOnly} onPick={set('mode')} />
      <Picker label="Model" icon="sparkle" choices={controls.models} value={controls.model} none="Model" disabled={readOnly} onPick={set('model')} />
      <Picker label="Effort" icon="lightbulb" iconWhenNarrow choices={controls.efforts} value={controls.effort} none="Effort" disabled={readOnly} onPick={set('effort')} />
      <span class="toolbar-space" />
      <Usage state={state} />
      <Sending page={page} draft={draft} readOnly={readOnly} />
    </div>
  );
}

/** Context and cost. It changes with every answer: it is there to be read, and not read out. */
function Usage({ state }: { readonly state: ChatState }): JSX.Element {
  const { context, cost } = usageParts(state.usage);
  const { usage } = state;
  const title = usage === null || usage.contextTokens === null || usage.contextWindow === null ? undefined : `${count(usage.contextTokens)} of ${count(usage.contextWindow)} tokens of context`;
  return (
    <span class={`usage ${context !== null && context >= NEARLY_FULL ? 'full' : ''}`} role="status" aria-label="Usage" aria-live="off" title={title}>
      {context === null ? null : <span class="usage-context">{`${context} %`}<span class="usage-word"> of context</span></span>}
      {cost === null ? null : <span class="usage-cost">{cost}</span>}
    </span>
  );
}

/** Stop stays a button while it is under way: what is disabled loses the focus of who works by keys. A second press asks for nothing. */
function Sending({ page, draft, readOnly }: { readonly page: ChatPage; readonly draft: Draft; readonly readOnly: boolean }): JSX.Element {
  const stopping = page.stopping.value;
  const state = page.state.value;
  const running = page.running.value;
  const empty = draft.text.value.trim() === '' && draft.files.value.length === 0;
  const disabled = readOnly || empty;
  const enter = page.config.value.enterKey === 'send' ? 'Enter' : KEYS.send;
  return (
    <span class="sending">
      {running && state?.traits.steer === true && !empty ? <Button label="Steer" look="text" title={`Hand it to the turn that runs (${KEYS.steer})`} disabled={disabled} onPress={() => void draft.send('steer')} /> : null}
      {running
        ? <Button label="Queue" look="secondary" className="send" title={`Send when the turn ends (${enter})`} disabled={disabled} onPress={() => void draft.send('queue')}><Icon name="history" className="narrow-only" /><span class="wide-only">Queue</span></Button>
        : <Button label="Send" look="primary" className="send" title={`Send (${enter})`} disabled={disabled} onPress={() => void draft.send('send')}><Icon name="send" className="narrow-only" /><span class="wide-only">Send</span></Button>}
      {running && state?.traits.interrupt === true && state.canRun && state.owner !== 'foreign'
        ? <Button label="Stop" look="text" className="stop" title={`Interrupt the turn (${KEYS.stop})`} busy={stopping} onPress={() => void page.interrupt()}><Icon name="debug-stop" className={stopping ? 'hidden' : ''} /><span class="wide-only">Stop</span></Button>
        : null}
    </span>
  );
}
