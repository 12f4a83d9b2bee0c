import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { CardDraft } from '../host.ts';
import { RequestError } from '../page.ts';
import type { RowContext } from '../transcript/view.ts';
import type { Decision, PermissionRow } from '../types.ts';

export interface Answering {
  /** The answer that is on its way or was taken: no second one is given. */
  readonly given: Signal<Decision | null>;
  readonly error: Signal<string | null>;
  readonly draft: Signal<CardDraft>;
  edit(change: Partial<CardDraft>): void;
  give(decision: Decision): void;
}

/** After this the person is told that nothing came back. */
const CONFIRM_MS = 8_000;

const sent = new Map<string, Signal<Decision | null>>();

/** State of one card. What was begun is kept by the page; what was given holds even when the row leaves the view and comes back. */
export function useAnswering(context: RowContext, row: PermissionRow): Answering {
  return useMemo(() => {
    const { page } = context;
    const { requestId } = row;
    const given = sent.get(requestId) ?? signal<Decision | null>(null);
    sent.set(requestId, given);
    const error = signal<string | null>(null);
    const draft = signal(page.card(requestId));
    return {
      given,
      error,
      draft,
      edit: (change) => {
        draft.value = { ...draft.value, ...change };
        page.setCard(requestId, draft.value);
      },
      give: (decision) => {
        if (given.value !== null) return;
        given.value = decision;
        error.value = null;
        const late = window.setTimeout(() => {
          error.value = 'Your answer was sent. The agent has not confirmed it yet.';
        }, CONFIRM_MS);
        page.request({ ask: 'answer', requestId, decision }).catch((failure: unknown) => {
          window.clearTimeout(late);
          const answered = failure instanceof RequestError && failure.code === 'already_answered';
          error.value = failure instanceof Error ? failure.message : 'The answer was not taken.';
          // Answered elsewhere: the row will say how. Otherwise the person may try again.
          if (!answered) given.value = null;
        });
      },
    };
  }, [row.requestId]);
}
