import { beforeEach, describe, expect, it } from 'vitest';
import type { AttentionItem, AttentionKind } from '../../../src/core/fleet/attention.ts';
import { AttentionWalk } from '../../../src/extension/attentionWalk.ts';
import { noticeOf, Notices } from '../../../src/extension/notices.ts';
import { SimClock } from '../store/support.ts';

const item = (key: string, over: Partial<AttentionItem> = {}): AttentionItem => ({
  id: `${over.kind ?? 'failed'}/${key}`, kind: 'failed', connectionId: 'c', key: `c\u0000${key}`, name: '', request: null, text: 'no model', since: 1, can: ['open'], ...over,
});
const asks = (key: string, whole: string | undefined, title: string): AttentionItem => item(key, {
  id: `asks/${key}`, kind: 'permission', text: whole ?? title, can: whole === undefined ? ['review'] : ['allow', 'deny', 'review'],
  request: { requestId: 'r1', tool: 'Bash', title, ask: 'tool', askedAt: 1, ...(whole === undefined ? {} : { whole }) },
});
const session = { title: 'Dark mode', folder: '/home/ada/web' };

describe('what a notification says', () => {
  it('is all that would run where it offers to allow it, with its links made harmless', () => {
    expect(noticeOf(asks('a', 'npm test', 'npm test'), session)).toEqual({ text: '“Dark mode” asks: npm test', actions: ['Allow', 'Deny', 'Review…'] });
    const long = `echo ${'[x](y)'.repeat(32)}`;
    expect(long).toHaveLength(197);
    const { text } = noticeOf(asks('a', long, long), session);
    expect(text).toBe(`“Dark mode” asks: ${long.replaceAll('](', '] (')}`);
  });

  it('offers only to review what does not fit', () => {
    expect(noticeOf(asks('a', undefined, '/home/ada/web/run.sh'), session)).toEqual({ text: '“Dark mode” asks: run.sh …', actions: ['Review…'] });
    expect(noticeOf(item('a', { kind: 'question', text: 'Which one?' }), session)).toEqual({ text: '“Dark mode” asks you: Which one?', actions: ['Review…'] });
    expect(noticeOf(item('a', { kind: 'plan' }), session).actions).toEqual(['Review…']);
  });

  it.each<[AttentionKind, string, string]>([
    ['failed', '“Dark mode” failed: no model', 'Open'], ['finished', '“Dark mode” is done.', 'Open'], ['undelivered', 'What you wrote to “Dark mode” was not delivered: no model', 'Open'],
  ])('tells of what is %s', (kind, text, action) => {
    expect(noticeOf(item('a', { kind }), session)).toEqual({ text, actions: [action] });
  });

  it('tells of a connection by its name', () => {
    expect(noticeOf(item('x', { kind: 'sign-in', key: null, name: 'Happy', text: '' }), null)).toEqual({ text: '“Happy” needs you to sign in again.', actions: ['Sign In…'] });
  });

  it('lets no title end its quotes with a link or hide what follows', () => {
    expect(noticeOf(item('a'), { title: '[Sure](command:x) \u202e\nfine', folder: '' }).text).toBe('“[Sure] (command:x) fine” failed: no model');
  });
});

describe('telling', () => {
  let clock: SimClock;
  let shown: string[];
  let gone: (() => void)[];
  let waiting: Set<string>;
  let claimed: string[];
  let world: { focused: boolean; seen: Set<string>; others: Set<string>; wanted: boolean };
  let notices: Notices;
  const add = (...items: AttentionItem[]): void => {
    for (const each of items) waiting.add(each.id);
    notices.add(items);
  };
  const show = (text: string): Promise<void> => {
    shown.push(text);
    return new Promise((resolve) => gone.push(resolve));
  };
  beforeEach(() => {
    clock = new SimClock();
    [shown, gone, claimed] = [[], [], []];
    waiting = new Set();
    world = { focused: true, seen: new Set(), others: new Set(), wanted: true };
    notices = new Notices({
      clock, wanted: () => world.wanted, waits: (each) => waiting.has(each.id), seen: (each) => world.seen.has(each.id), focused: () => world.focused,
      claim: (name) => {
        claimed.push(name);
        return Promise.resolve(!world.others.has(name));
      },
      release: (name) => void claimed.splice(claimed.indexOf(name), 1),
      show: (each) => show(each.id), showMany: () => show('many'),
    });
  });

  it('is once a session, of what is most urgent in it', async () => {
    add(item('a'), asks('a', 'npm test', 'npm test'), item('a', { kind: 'undelivered' }));
    await clock.advance(1_000);
    expect(shown).toEqual(['asks/a']);
  });

  it('is of what came along with something more urgent once that is answered, and of nothing that was answered meanwhile', async () => {
    const second = { ...asks('a', 'ls', 'ls'), id: 'asks/a/2', since: 2 };
    const third = { ...asks('a', 'pwd', 'pwd'), id: 'asks/a/3', since: 3 };
    add(item('a'), third, second, asks('a', 'npm test', 'npm test'));
    await clock.advance(10_000);
    notices.add([]);
    await clock.advance(10_000);
    expect(shown).toEqual(['asks/a']);
    waiting.delete('asks/a');
    waiting.delete('asks/a/2');
    notices.add([]);
    await clock.advance(10_000);
    expect(shown).toEqual(['asks/a', 'asks/a/3']);
    waiting.delete('asks/a/3');
    notices.add([]);
    await clock.advance(10_000);
    expect(shown).toEqual(['asks/a', 'asks/a/3', 'failed/a']);
  });

  it('is of what came along with something that was answered before it was told', async () => {
    add(asks('a', 'npm test', 'npm test'), item('a'));
    waiting.delete('asks/a');
    await clock.advance(3_000);
    expect(shown).toEqual(['failed/a']);
  });

  it('never says several of one session', async () => {
    for (let at = 0; at < 5; at += 1) {
      waiting.clear();
      add({ ...item('a'), id: `failed/a/${at}` });
      await clock.advance(3_000);
    }
    expect(shown).toEqual([0, 1, 2, 3, 4].map((at) => `failed/a/${at}`));
  });

  it('is one notification for many, and for more while some stand', async () => {
    add(item('a'), item('b'), item('c'));
    await clock.advance(1_000);
    expect(shown).toEqual(['many']);
    for (const [key, all] of [['d', ['many', 'failed/d']], ['e', ['many', 'failed/d', 'failed/e']], ['f', ['many', 'failed/d', 'failed/e', 'many']]] as const) {
      add(item(key));
      await clock.advance(3_000);
      expect(shown).toEqual(all);
    }
    for (const each of gone) each();
    add(item('g'));
    await clock.advance(3_000);
    expect(shown.at(-1)).toBe('failed/g');
  });

  it('leaves a while between two, and counts what nobody closed for a minute only', async () => {
    add(item('a'));
    await clock.advance(500);
    add(item('b'));
    await clock.advance(1_000);
    expect(shown).toEqual(['failed/a']);
    await clock.advance(1_500);
    expect(shown).toEqual(['failed/a', 'failed/b']);
    add(item('c'));
    await clock.advance(61_000);
    add(item('d'));
    await clock.advance(3_000);
    expect(shown).toEqual(['failed/a', 'failed/b', 'failed/c', 'failed/d']);
  });

  it('is nothing of what was answered at once, what its chat shows, what another window told, and what is not wanted', async () => {
    add(item('a'));
    waiting.clear();
    await clock.advance(1_000);
    world.seen.add('failed/b');
    add(item('b'));
    await clock.advance(5_000);
    expect(claimed).toEqual(['failed/b']);
    world.others.add('failed/c');
    add(item('c'));
    await clock.advance(5_000);
    world.wanted = false;
    add(item('d'));
    await clock.advance(5_000);
    expect(shown).toEqual([]);
    expect(claimed).not.toContain('failed/d');
  });

  it('waits in a window that the person is not at, for the one that they are at', async () => {
    world.focused = false;
    add(item('a'));
    await clock.advance(2_000);
    expect([claimed, shown]).toEqual([[], []]);
    await clock.advance(1_000);
    expect(shown).toEqual(['failed/a']);
    await clock.advance(60_000);
    expect(claimed).toEqual([]);
  });

  it('is over with the window', async () => {
    add(item('a'));
    notices.dispose();
    await clock.advance(5_000);
    expect([shown, clock.waiting]).toEqual([[], 0]);
  });
});

describe('the walk', () => {
  it('goes through the sessions in their order, each at what waits first in it, and begins anew', () => {
    const walk = new AttentionWalk();
    const items = [asks('a', 'x', 'x'), item('b'), item('a'), item('c', { kind: 'finished' })];
    expect([1, 2, 3, 4].map(() => walk.next(items)?.id)).toEqual(['asks/a', 'failed/b', 'finished/c', 'asks/a']);
  });

  it('goes on with what was passed over, and comes back to what is asked anew', () => {
    const walk = new AttentionWalk();
    const [a, b, c] = [item('a'), item('b'), item('c')];
    expect(walk.next([a, b, c])).toBe(a);
    expect(walk.next([a, b, c])).toBe(b);
    const anew = asks('b', 'x', 'x');
    expect(walk.next([anew, a, c])).toBe(anew);
    expect(walk.next([a, c])).toBe(c);
    expect(walk.next([])).toBeNull();
  });
});
