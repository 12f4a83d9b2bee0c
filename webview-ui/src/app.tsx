import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { Icon } from './cards/parts.tsx';
import { Banner } from './chrome/banner.tsx';
import { Composer, FeedbackLine } from './chrome/composer.tsx';
import { Draft } from './chrome/draft.ts';
import { Empty } from './chrome/empty.tsx';
import { Header } from './chrome/header.tsx';
import { Outbox } from './chrome/outbox.tsx';
import { UnavailablePage } from './chrome/unavailable.tsx';
import { FindWidget } from './find/widget.tsx';
import { KEYS } from './model/keys.ts';
import { aboveWords } from './model/waiting.ts';
import type { ChatPage } from './page.ts';
import { createControl, Transcript } from './transcript/transcript.tsx';

export function App({ page }: { readonly page: ChatPage }): JSX.Element {
  const draft = useMemo(() => new Draft(page), [page]);
  const control = useMemo(() => createControl(page), [page]);
  useEffect(() => {
    const keep = (): void => {
      draft.flush();
      page.keepNow();
    };
    window.addEventListener('pagehide', keep);
    document.addEventListener('visibilitychange', keep);
    // What a page says as its tab is closed comes too late: who presses the tab's cross takes the focus first, and a key that closes it is held with another.
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey) keep();
    };
    window.addEventListener('blur', keep);
    window.addEventListener('keydown', onKey, { capture: true });
    // The rows' listener is there now: the first snapshot may come.
    page.start();
    return () => {
      window.removeEventListener('pagehide', keep);
      document.removeEventListener('visibilitychange', keep);
      window.removeEventListener('blur', keep);
      window.removeEventListener('keydown', onKey, { capture: true });
    };
  }, [page, draft]);
  const asking = page.asking.value.length + page.elsewhere.value.length > 0 && page.state.value?.canRun !== false;
  const gone = page.unavailable.value !== null;
  return (
    <>
      <div class="app" inert={gone}>
        <Header page={page} />
        <Banner page={page} />
        <main class="main">
          <h1 class="sr-only">{page.state.value?.title ?? 'Session'}</h1>
          <Transcript page={page} control={control} />
          <Empty page={page} draft={draft} />
          <FindWidget find={control.find} />
          {control.above.value === 0 || page.state.value?.canRun === false ? null : (
            <button type="button" class="jump above asking" title={`To what waits for you (${KEYS.send} in an empty message)`} onClick={() => control.review()}>
              <Icon name="arrow-up" />{aboveWords(control.above.value)}
            </button>
          )}
          {control.following.value ? null : (
            <button type="button" class={`jump ${asking ? 'asking' : ''}`} aria-label={asking ? 'Waiting for you: Jump to Latest' : 'Jump to Latest'} title={asking ? `To what waits for you (${KEYS.send} in an empty message)` : 'Jump to Latest (End)'} onClick={() => (asking ? control.review() : control.jumpToLatest())}>
              <Icon name={asking ? 'shield' : 'arrow-down'} />{asking ? 'Waiting for you' : 'Jump to Latest'}
            </button>
          )}
        </main>
        <footer class="dock">
          <FeedbackLine page={page} />
          <Outbox page={page} />
          <Composer page={page} draft={draft} onReview={control.review} onEnterTranscript={control.enter} />
        </footer>
        <Updates page={page} />
      </div>
      <UnavailablePage page={page} />
    </>
  );
}

/** What is new, for a screen reader. By itself: drawn with the page it would be written anew with all that changes there. */
function Updates({ page }: { readonly page: ChatPage }): JSX.Element {
  return <div class="sr-only" role="status" aria-label="Updates">{page.announcement.value}</div>;
}
