import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { Button, Icon, isComposing } from '../cards/parts.tsx';
import { isHeldEnter, KEYS } from '../model/keys.ts';
import type { ChatPage } from '../page.ts';
import { mentionOf } from '../types.ts';
import type { ChatState, PageRequest } from '../types.ts';
import { readAttachment } from './attach.ts';
import { complete, mentions } from './complete.ts';
import type { Candidate, Trigger } from './complete.ts';
import { CompletionList, Completions, COMPLETIONS_ID } from './completions.tsx';
import type { Draft } from './draft.ts';
import { Files } from './files.tsx';
import { draggedPaths, refusal } from './limits.ts';
import { Toolbar } from './toolbar.tsx';

const HINT_ID = 'message-hint';

interface ComposerProps {
  readonly page: ChatPage;
  readonly draft: Draft;
  /** Goes to what waits for the person; false when nothing does. */
  readonly onReview: () => boolean;
  /** Leads the keys into the transcript. */
  readonly onEnterTranscript: () => void;
}

/** Where the person writes. */
export function Composer({ page, draft, onReview, onEnterTranscript }: ComposerProps): JSX.Element | null {
  const box = useRef<HTMLTextAreaElement>(null);
  const mirror = useRef<HTMLDivElement>(null);
  const completions = useMemo(() => new Completions(page), [page]);
  const dragging = useSignal(false);
  const caretTo = useRef<number | null>(null);
  const state = page.state.value;
  const text = draft.text.value;

  const write = (next: string, caret: number): void => {
    caretTo.current = caret;
    draft.set(next);
    box.current?.focus();
  };
  useLayoutEffect(() => {
    const area = box.current;
    if (area === null) return;
    // Browsers that do not size a text area by its text are helped.
    if (!CSS.supports('field-sizing', 'content')) {
      area.style.height = 'auto';
      area.style.height = `${area.scrollHeight}px`;
    }
    if (caretTo.current !== null) area.setSelectionRange(caretTo.current, caretTo.current);
    caretTo.current = null;
    if (mirror.current !== null) mirror.current.scrollTop = area.scrollTop;
  }, [text]);
  useEffect(() => {
    page.onFocus = () => box.current?.focus();
    page.onInsert = (inserted) => {
      const area = box.current;
      const before = draft.text.peek();
      const at = area?.selectionStart ?? before.length;
      const end = area?.selectionEnd ?? at;
      const gap = at > 0 && !/\s/.test(before.charAt(at - 1)) ? '\n' : '';
      write(`${before.slice(0, at)}${gap}${inserted}${before.slice(end)}`, at + gap.length + inserted.length);
    };
  }, [page]);
  if (state === null) return null;
  const readOnly = (state.owner === 'foreign' && state.traits.takeOver !== true) || !state.canRun;

  const take = (candidate: Candidate, trigger: Trigger): void => {
    const area = box.current;
    const done = complete(draft.text.peek(), area?.selectionStart ?? draft.text.peek().length, trigger, candidate);
    write(done.text, done.caret);
  };
  const attach = async (files: Iterable<File>): Promise<void> => {
    if (state.traits.textOnly === true) return page.tell('error', `${state.agentName} takes text only: nothing was attached.`);
    for (const file of files) {
      const reason = refusal(file, draft.files.peek(), state.traits.images, state.agentName);
      if (reason !== null) {
        page.tell('error', reason);
        continue;
      }
      try {
        draft.addFile(await readAttachment(file));
      } catch (error) {
        page.tell('error', error instanceof Error ? error.message : `${file.name} could not be read.`);
      }
    }
    box.current?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (completions.onKey(event, take)) return;
    const area = box.current;
    if (area === null) return;
    if (event.key === 'Enter') {
      const command = event.ctrlKey || event.metaKey;
      const sends = page.config.peek().enterKey === 'send' ? !event.shiftKey : command;
      // What comes of the first one may have moved the focus to an answer.
      if (isHeldEnter(event) && (command || sends)) event.preventDefault();
      else if (command && draft.text.peek().trim() === '' && draft.files.peek().length === 0 && onReview()) event.preventDefault();
      else if (event.altKey && !readOnly && state.traits.steer && page.running.peek()) {
        event.preventDefault();
        void draft.send('steer');
      } else if (sends) {
        event.preventDefault();
        if (readOnly) page.tell('error', `${placeholder(page, state)}.`);
        else void draft.send(page.running.peek() ? 'queue' : 'send');
      }
    } else if (event.key === 'ArrowUp' && (event.ctrlKey || event.metaKey) && !area.value.slice(0, area.selectionStart).includes('\n')) {
      event.preventDefault();
      onEnterTranscript();
    } else if (event.key === 'ArrowUp' && area.selectionStart === 0 && area.selectionEnd === 0 && !event.shiftKey) {
      void draft.recall(1, () => (caretTo.current = 0));
    } else if (event.key === 'ArrowDown' && draft.recalling && area.selectionStart === area.value.length) void draft.recall(-1, (recalled) => (caretTo.current = recalled.length));
  };
  const open = completions.open.value;
  return (
    <div
      class={`composer ${dragging.value ? 'dragging' : ''} ${readOnly ? 'read-only' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        dragging.value = true;
      }}
      onDragLeave={(event) => {
        if (!(event.relatedTarget instanceof Node) || !event.currentTarget.contains(event.relatedTarget)) dragging.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        dragging.value = false;
        const data = event.dataTransfer;
        const paths = draggedPaths(data?.getData('application/vnd.code.uri-list') || data?.getData('text/uri-list') || '', state.folder);
        if (paths.length > 0) {
          const before = draft.text.peek();
          const next = `${before}${before === '' || before.endsWith(' ') ? '' : ' '}${paths.map((path) => `${mentionOf(path)} `).join('')}`;
          write(next, next.length);
        } else void attach(data?.files ?? []);
      }}
      onPointerDown={(event) => {
        if (event.target === event.currentTarget) box.current?.focus();
      }}
    >
      <CompletionList completions={completions} onTake={take} />
      <Files draft={draft} />
      <span id={HINT_ID} hidden>{`${KEYS.transcript} leads to the transcript, ${KEYS.send} in an empty message to what waits for you.`}</span>
      <div class="writing">
        <div class="mirror" ref={mirror} aria-hidden="true">{mentions(text).map((part, place) => (part.mention ? <mark key={place}>{part.text}</mark> : part.text))}{'\u200B'}</div>
        <textarea
          ref={box} class="message" rows={1} dir="auto" aria-label="Message" aria-describedby={HINT_ID} placeholder={placeholder(page, state)} value={text} aria-autocomplete="list" aria-controls={open === null ? undefined : COMPLETIONS_ID}
          aria-activedescendant={open === null ? undefined : `${COMPLETIONS_ID}-${completions.active.value}`} spellcheck={false}
          onInput={(event) => {
            draft.set(event.currentTarget.value);
            completions.follow(event.currentTarget.value, event.currentTarget.selectionStart);
          }}
          onKeyDown={onKey}
          onBlur={() => completions.close()}
          onScroll={(event) => mirror.current !== null && (mirror.current.scrollTop = event.currentTarget.scrollTop)}
          onPaste={(event) => {
            const files = event.clipboardData?.files;
            if (files === undefined || files.length === 0) return;
            event.preventDefault();
            void attach(files);
          }}
        />
      </div>
      <Toolbar page={page} draft={draft} readOnly={readOnly} onAttach={(files) => void attach(files)} />
    </div>
  );
}

function placeholder(page: ChatPage, state: ChatState): string {
  if (!state.canRun) return 'Read only: this workspace is not trusted';
  if (state.owner === 'foreign' && state.traits.takeOver === true) return 'Message, and take the session over';
  if (state.owner === 'foreign') return `Read only: ${state.ownerName ?? 'another program'} runs this session`;
  return page.running.value ? 'Queue a message' : `Message ${state.agentName}`;
}

/** How the last thing went, until it is dismissed or a moment has passed. */
export function FeedbackLine({ page }: { readonly page: ChatPage }): JSX.Element {
  const feedback = page.feedback.value;
  const act = (body: PageRequest | undefined): void => {
    page.feedback.value = null;
    if (body !== undefined) void page.ask(body);
  };
  useEffect(() => {
    if (feedback === null || feedback.level !== 'info' || feedback.stays === true) return undefined;
    const timer = setTimeout(() => (page.feedback.value = null), 6_000);
    return () => clearTimeout(timer);
  }, [feedback]);
  return (
    <div class="feedback" role="status" aria-label="Message status">
      {feedback === null ? null : (
        <div class={`feedback-line ${feedback.level}`}>
          <Icon name={feedback.level === 'busy' ? 'loading' : feedback.level} className={feedback.level === 'busy' ? 'codicon-modifier-spin' : ''} /><span dir="auto">{feedback.text}</span>
          {feedback.action === undefined ? null : <Button label={feedback.action.label} look="text" onPress={() => act(feedback.action?.body)} />}
          <Button label="Dismiss" look="text" className="icon-only" onPress={() => (page.feedback.value = null)}><Icon name="close" /></Button>
        </div>
      )}
    </div>
  );
}
