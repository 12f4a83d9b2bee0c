import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { Icon } from '../cards/parts.tsx';
import type { ChatPage } from '../page.ts';
import { matchCommands, mentionCandidates, triggerAt } from './complete.ts';
import type { Candidate, Trigger } from './complete.ts';

const ASK_AFTER_MS = 60;

/** The list of what can be named or run above the composer, while something is being completed. */
export class Completions {
  readonly open = signal<{ readonly trigger: Trigger; readonly candidates: readonly Candidate[] } | null>(null);
  readonly active = signal(0);
  private readonly page: ChatPage;
  private wanted = 0;
  private timer = 0;
  /** Where the person closed the list: it stays closed for that word. */
  private closedAt: number | null = null;

  constructor(page: ChatPage) {
    this.page = page;
  }

  /** Follows the text and the cursor. */
  follow(text: string, caret: number): void {
    const trigger = triggerAt(text, caret);
    this.wanted += 1;
    window.clearTimeout(this.timer);
    if (trigger === null) {
      this.closedAt = null;
      this.open.value = null;
      return;
    }
    if (this.closedAt === trigger.from) return;
    if (trigger.kind === 'command') {
      this.show(trigger, matchCommands(this.page.state.peek()?.controls.commands ?? [], trigger.query));
      return;
    }
    const { wanted } = this;
    this.timer = window.setTimeout(() => {
      void this.ask(trigger, wanted);
    }, ASK_AFTER_MS);
  }

  private async ask(trigger: Trigger, wanted: number): Promise<void> {
    let candidates: Candidate[] = [];
    try {
      const value = await this.page.request({ ask: 'mentions', query: trigger.query });
      if (value.kind === 'mentions') candidates = mentionCandidates(value.mentions.slice(0, 50));
    } catch {
      // Without an answer there is nothing to offer; the person can write the path.
    }
    if (wanted === this.wanted) this.show(trigger, candidates);
  }

  private show(trigger: Trigger, candidates: readonly Candidate[]): void {
    this.active.value = 0;
    this.open.value = candidates.length === 0 ? null : { trigger, candidates };
  }

  close(): void {
    this.wanted += 1;
    window.clearTimeout(this.timer);
    this.closedAt = this.open.peek()?.trigger.from ?? null;
    this.open.value = null;
  }

  /** Keys while the list is open; `take` is called with the chosen one. True when the key was for the list. */
  onKey(event: KeyboardEvent, take: (candidate: Candidate, trigger: Trigger) => void): boolean {
    const open = this.open.peek();
    if (open === null) return false;
    const count = open.candidates.length;
    if (event.key === 'ArrowDown') this.active.value = (this.active.peek() + 1) % count;
    else if (event.key === 'ArrowUp') this.active.value = (this.active.peek() + count - 1) % count;
    else if (event.key === 'Escape') this.close();
    else if ((event.key === 'Enter' && !event.shiftKey) || event.key === 'Tab') {
      const candidate = open.candidates[this.active.peek()];
      if (candidate === undefined) return false;
      this.open.value = null;
      take(candidate, open.trigger);
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
}

function showActive(element: HTMLElement | null): void {
  element?.scrollIntoView({ block: 'nearest' });
}

export const COMPLETIONS_ID = 'completions';

export function CompletionList({ completions, onTake }: { readonly completions: Completions; readonly onTake: (candidate: Candidate, trigger: Trigger) => void }): JSX.Element | null {
  const open = completions.open.value;
  if (open === null) return null;
  return (
    <div class="popup completions" role="listbox" id={COMPLETIONS_ID} aria-label={open.trigger.kind === 'mention' ? 'Files' : 'Commands'}>
      {open.candidates.map((candidate, place) => (
        <div
          key={`${candidate.label} ${candidate.insert}`} id={`${COMPLETIONS_ID}-${place}`} role="option" aria-selected={place === completions.active.value} class={`popup-item ${place === completions.active.value ? 'active' : ''}`}
          title={candidate.detail} ref={place === completions.active.value ? showActive : null}
          onPointerDown={(event) => event.preventDefault()} onPointerMove={() => (completions.active.value = place)}
          onClick={() => {
            completions.open.value = null;
            onTake(candidate, open.trigger);
          }}
        >
          {candidate.icon === '' ? null : <Icon name={candidate.icon} />}<span class="popup-label">{candidate.label}</span><span class={`popup-detail ${open.trigger.kind === 'mention' ? 'cut-start' : 'cut'}`}><bdi>{candidate.detail}</bdi></span>
        </div>
      ))}
    </div>
  );
}
