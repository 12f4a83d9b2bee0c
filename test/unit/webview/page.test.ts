import { describe, expect, it } from 'vitest';
import { bannerOf } from '../../../webview-ui/src/model/banner.ts';
import type { ChatState } from '../../../webview-ui/src/types.ts';

const state = (extra: Partial<ChatState>): ChatState => ({ canRun: true, owner: 'this', ownerName: null, state: 'idle', problem: null, traits: { fork: true, resume: true }, ...extra }) as ChatState;

describe('what keeps the person from going on', () => {
  it('is that the workspace is not trusted before anything else, with the way out', () => {
    const shown = bannerOf(state({ canRun: false, owner: 'foreign', problem: { message: 'It is offline.', remedy: null } }));
    expect(shown).toMatchObject({ level: 'warning', text: 'This workspace is not trusted: agents do not run here.', action: { label: 'Manage Trust', command: 'manageTrust' } });
    expect(bannerOf(state({}))).toBeNull();
  });
});
