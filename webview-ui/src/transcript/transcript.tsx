import { signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { render } from 'preact';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../cards/parts.tsx';
import { useClock } from '../clock.ts';
import { Highlighter } from '../code/highlight.ts';
import { KEYS } from '../model/keys.ts';
import { activityLine } from '../model/words.ts';
import { PageFind } from '../find/find.ts';
import { Jumps } from '../find/jump.ts';
import type { ChatPage } from '../page.ts';
import { createItem } from '../rows/index.ts';
import type { ChatConfig } from '../types.ts';
import { el } from './dom.ts';
import { aboveWords } from '../model/waiting.ts';
import { watchAbove } from './above.ts';
import { Lazy } from './lazy.ts';
import { followLinks } from './links.ts';
import { TranscriptKeys } from './keys.ts';
import { TranscriptList } from './list.ts';
import { rowMenus } from './menu.ts';
import { Reviews } from './reviews.ts';
import type { RowContext } from './view.ts';

/** What the rest of the page may do with the transcript. */
interface TranscriptControl {
  readonly following: Signal<boolean>;
  /** Requests that wait above the view. */
  readonly above: Signal<number>;
  readonly jumpToLatest: () => void;
  /** Shows the first card that waits and puts the focus on its first answer; false when none waits. */
  readonly review: () => boolean;
  /** Leads the keys from the message into the transcript. */
  readonly enter: () => void;
  readonly find: PageFind;
  /** What the host says of finding, and what the person chose there. */
  readonly act: (message: Finding) => void;
}

type Finding = Parameters<ChatPage['onFinding']>[0];

export function createControl(page: ChatPage): TranscriptControl & { list: TranscriptList | null; keys: TranscriptKeys | null } {
  const jumps = new Jumps(page, () => control.list);
  const reviews = new Reviews(page, jumps, () => control);
  const control: TranscriptControl & { list: TranscriptList | null; keys: TranscriptKeys | null } = {
    following: signal(true),
    above: signal(0),
    list: null,
    keys: null,
    enter: () => control.keys?.enter(),
    find: new PageFind(page, jumps, () => control.list),
    act: (message: Finding): void => {
      if (message.type === 'go') void jumps.toRow(message.index, message.row);
      else if (message.type === 'review') void reviews.show(message.requestId);
      else if (message.type !== 'do') control.find.receive(message);
      else if (message.what === 'find') control.find.start();
      else if (message.what === 'stop') void page.interrupt();
      else if (message.what === 'find-next' || message.what === 'find-previous') control.find.step(message.what === 'find-next' ? 1 : -1);
      else void jumps.toPrompt(message.what === 'next-prompt' ? 1 : -1);
    },
    jumpToLatest: () => control.list?.jumpToLatest(),
    review: () => reviews.first(),
  };
  return control;
}

const HINT_ID = 'transcript-hint';

interface TranscriptProps {
  readonly page: ChatPage;
  readonly control: ReturnType<typeof createControl>;
}

/** The log of the session. Its rows are drawn without Preact: it only makes the place for them. */
export function Transcript({ page, control }: TranscriptProps): JSX.Element {
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = log.current;
    if (element === null) return undefined;
    const lazy = new Lazy(element);
    const highlighter = new Highlighter(() => control.list?.schedule());
    const list = new TranscriptList(page, element, (own): RowContext => {
      const context: RowContext = { page, lazy, highlighter, createItem: (item) => createItem(context, item), hold: () => own.hold(), schedule: () => own.schedule(), slow: () => own.slow };
      return context;
    }, (following) => (control.following.value = following));
    control.list = list;
    control.keys = new TranscriptKeys(page, list);
    const tail = el('div', 'tail');
    element.append(tail);
    render(<ActivityTail page={page} />, tail);
    followLinks(document.body, page);
    rowMenus(page, list);
    page.onRows = (changes, first) => {
      if (changes !== null) list.changed(changes);
      else {
        list.reset(first ? page.keptAnchor : list.anchor());
        if (first) control.find.restore();
        else control.find.again();
      }
    };
    page.onFinding = (message) => control.act(message);
    page.onSent = () => list.jumpToLatest();
    watchAbove(page, list, (count, fresh) => {
      if (fresh) page.announce(`${aboveWords(count)}. ${KEYS.send} in an empty message goes there.`);
      control.above.value = count;
    });
    let thinking: ChatConfig['thinking'] = page.config.peek().thinking;
    return page.config.subscribe((config) => {
      if (config.thinking !== thinking) list.refold();
      thinking = config.thinking;
    });
  }, [page]);
  return (
    <>
      <span id={HINT_ID} hidden>{`Arrows go from row to row, ${KEYS.copy} copies one as Markdown, Escape leads to the message. ${KEYS.document} opens the transcript as a document.`}</span>
      <div ref={log} class="log" role="log" aria-label="Transcript" aria-describedby={HINT_ID} aria-live="off" tabIndex={0} />
    </>
  );
}

/** The end of the transcript while nothing of an answer is there yet to be seen. */
function ActivityTail({ page }: { readonly page: ChatPage }): JSX.Element | null {
  const state = page.state.value;
  const phase = state?.activity?.phase ?? null;
  const shown = state !== null && page.running.value && phase !== null && phase !== 'answering' && phase !== 'tool' && phase !== 'waiting';
  const now = useClock(1_000, shown);
  if (!shown) return null;
  const alarm = phase === 'stalled' || phase === 'retrying';
  return <div class={`tail-line ${alarm ? 'alarm' : ''}`}><Icon name={phase === 'stalled' ? 'warning' : 'loading'} className={phase === 'stalled' ? '' : 'codicon-modifier-spin'} /><span>{activityLine(state, now)}</span></div>;
}
