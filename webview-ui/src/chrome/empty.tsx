import type { JSX } from 'preact';
import { amid } from '../model/place.ts';
import type { ChatPage } from '../page.ts';
import type { Draft } from './draft.ts';

const STARTERS = 4;

/** A session without rows: who is there, where, and a few ways to begin. */
export function Empty({ page, draft }: { readonly page: ChatPage; readonly draft: Draft }): JSX.Element | null {
  const state = page.state.value;
  if (state === null) return <div class="empty opening">Opening the session…</div>;
  if (page.rowCount.value > 0) return null;
  if (state.loading) return <div class="empty opening">Reading what was said before…</div>;
  const commands = state.controls.commands.slice(0, STARTERS);
  return (
    <div class="empty">
      <h2 class="empty-agent">{state.agentName}</h2>
      <p class="empty-where">{state.machine === '' ? 'in ' : `on ${amid(state.machine)}, in `}<span class="mono">{state.folder}</span></p>
      {commands.length === 0 || !state.canRun ? null : (
        <ul class="starters">
          {commands.map((command) => (
            <li key={command.name}>
              <button type="button" class="starter" title={command.description} onClick={() => {
                draft.set(`/${command.name} `);
                page.onFocus();
              }}><span class="mono starter-name">/{command.name}</span><span class="dim cut">{command.description}</span></button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
