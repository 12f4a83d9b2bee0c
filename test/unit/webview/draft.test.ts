import { describe, expect, it } from 'vitest';
import { Draft } from '../../../webview-ui/src/chrome/draft.ts';
import { ChatPage } from '../../../webview-ui/src/page.ts';
import type { Attachment, HostMessage, PageMessage } from '../../../webview-ui/src/types.ts';

function world() {
  let tell: (message: HostMessage) => void = () => undefined;
  const posted: PageMessage[] = [];
  const page = new ChatPage({ post: (message) => void posted.push(message), onMessage: (listener) => void (tell = listener), load: () => null, keep: () => undefined });
  const draft = new Draft(page);
  tell({ type: 'snapshot', session: 'k', generation: 1, total: 0, start: 0, rows: [], state: { canRun: true, state: 'idle', traits: {} } as never, config: { enterKey: 'send', thinking: 'collapsed' }, draft: '' });
  return { draft, posted, tell: (message: HostMessage) => tell(message) };
}
const file = (name: string): Attachment => ({ name, mediaType: 'text/plain', size: 1, data: 'YQ==', path: null });

describe('a message that the host refuses', () => {
  it('comes back as it was', async () => {
    const { draft, tell } = world();
    draft.set(' first ');
    draft.addFile(file('a.txt'));
    const sending = draft.send('send');
    expect([draft.text.value, draft.files.value]).toEqual(['', []]);
    tell({ type: 'reply', request: 1, ok: false, code: 'too_large', message: 'It is too large.' });
    await sending;
    expect([draft.text.value, draft.files.value.map(({ name }) => name)]).toEqual([' first ', ['a.txt']]);
  });

  it('is not lost when something else was written meanwhile', async () => {
    const { draft, posted, tell } = world();
    draft.set('first');
    draft.addFile(file('a.txt'));
    const sending = draft.send('send');
    draft.set('second');
    draft.addFile(file('b.txt'));
    tell({ type: 'reply', request: 1, ok: false, code: 'too_large', message: 'It is too large.' });
    await sending;
    expect([draft.text.value, draft.files.value.map(({ name }) => name)]).toEqual(['first\n\nsecond', ['a.txt', 'b.txt']]);
    draft.flush();
    expect(posted.at(-1)).toMatchObject({ type: 'draft', session: 'k', text: 'first\n\nsecond', files: [{ name: 'a.txt' }, { name: 'b.txt' }] });
  });
});
