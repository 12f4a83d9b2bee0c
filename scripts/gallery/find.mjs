/** What find in chat must do with the rows that it marks. Each check gives what is wrong, or null. */

const same = (given, wanted) => (JSON.stringify(given) === JSON.stringify(wanted) ? null : `got ${JSON.stringify(given)} for ${JSON.stringify(wanted)}`);
const box = (page) => page.getByRole('textbox', { name: 'Find' });

/** What is marked, and what of it is the current match; `row`: how many rows are marked as a whole. */
const marks = (page) => page.evaluate(() => {
  const words = (name) => [...(CSS.highlights.get(name) ?? [])].map((range) => {
    const copy = document.createRange();
    copy.setStart(range.startContainer, range.startOffset);
    copy.setEnd(range.endContainer, range.endOffset);
    return range.startContainer.isConnected && range.endContainer.isConnected ? copy.toString() : 'gone';
  });
  return { all: words('find-match'), current: words('find-current'), row: document.querySelectorAll('.find-row').length };
});

/** Looks for words, and waits until they are marked. */
async function look(page, words) {
  await page.evaluate(() => window.gallery.host.find());
  await box(page).fill(words);
  await page.waitForTimeout(300);
}
const found = async (page, index, at = {}) => {
  await page.evaluate(([row, place]) => window.gallery.host.found(row, place), [index, at]);
  await page.waitForTimeout(300);
};
/** Adds rows at the end, or puts one in the place of another. */
const patch = async (page, ...ops) => {
  await page.evaluate((all) => window.gallery.host.patch(...all), ops);
  await page.waitForTimeout(400);
};
const text = (key, words, streaming = false) => ({ kind: 'text', key, at: null, turn: null, text: words, streaming });

export const findChecks = {
  'marks of find touch no node': async (page, open) => {
    await open('scene=finished');
    await patch(page, { op: 'splice', at: await page.evaluate(() => window.gallery.host.count), remove: 0, rows: [text('x', 'a **needle** and `needle`')] });
    const before = await page.locator('.log').innerHTML();
    await page.evaluate(() => {
      const touched = Object.assign(window, { touched: { all: 0, row: 0 } }).touched;
      const row = document.querySelector('[data-row="x"]');
      new MutationObserver((records) => {
        touched.all += records.length;
        touched.row += records.filter((record) => row.contains(record.target)).length;
      }).observe(document.querySelector('.log'), { subtree: true, childList: true, characterData: true, attributes: true });
    });
    await look(page, 'needle');
    const { all } = await marks(page);
    const marked = await page.evaluate(() => window.touched.all);
    // To show a match, the list may draw other rows anew: its own stays as it is.
    await found(page, await page.evaluate(() => window.gallery.host.count - 1), { of: 2 });
    const { current } = await marks(page);
    return same([all, current, marked, await page.evaluate(() => window.touched.row), (await page.locator('.log').innerHTML()) === before], [['needle', 'needle'], ['needle'], 0, 0, true]);
  },
  'marks of find follow a row that streams on, and one that is drawn anew': async (page, open) => {
    await open('scene=finished');
    const at = await page.evaluate(() => window.gallery.host.count);
    await patch(page, { op: 'splice', at, remove: 0, rows: [text('x', 'The first needle is here.\n\nAnd', true)] });
    await look(page, 'needle');
    await found(page, at);
    const first = await marks(page);
    await patch(page, { op: 'append', at, key: 'x', field: 'text', from: 30, text: ' the second **needle** too.\n\nAnd' });
    const grown = await marks(page);
    await patch(page, { op: 'update', at, row: text('x', 'Another text with one needle.') });
    const anew = await marks(page);
    await patch(page, { op: 'update', at, row: text('x', 'Another text with none.') });
    const none = await marks(page);
    return same([first, grown, anew, none.all], [
      { all: ['needle'], current: ['needle'], row: 0 }, { all: ['needle', 'needle'], current: ['needle'], row: 0 }, { all: ['needle'], current: ['needle'], row: 0 }, [],
    ]);
  },
  'marks of find are gone when it closes, and do not come back': async (page, open) => {
    await open('scene=finished');
    const at = await page.evaluate(() => window.gallery.host.count);
    await patch(page, { op: 'splice', at, remove: 0, rows: [text('x', 'a needle')] });
    await look(page, 'needle');
    await found(page, at, { hiddenLine: 12 });
    const shown = await marks(page);
    await box(page).press('Escape');
    await patch(page, { op: 'update', at, row: text('x', 'a needle and a needle') });
    return same([shown, await marks(page), await page.evaluate(() => CSS.highlights.size)], [{ all: ['needle'], current: [], row: 1 }, { all: [], current: [], row: 0 }, 0]);
  },
  'a match is shown in what is folded, and in rows that are not here': async (page, open) => {
    await open('scene=long-session&rows=3000');
    const at = 3_000;
    const call = { kind: 'tool', key: 'y', at: null, turn: null, name: 'Read', verb: 'read', title: 'a.txt', status: 'ok', input: {}, command: null, cwd: null, locations: [], diffs: [], output: `${'line\n'.repeat(300)}the needle\n`, outputOmitted: 0, exitCode: null, durationMs: 1, attachments: [], children: [] };
    await patch(page, { op: 'splice', at, remove: 0, rows: [{ ...call, key: 'agent', name: 'Task', verb: 'agent', title: 'Look', output: '', children: [text('c', 'Looking.'), call] }] });
    await look(page, 'needle');
    await found(page, at, { path: ['agent', 'y'], part: 'output' });
    const seen = await page.evaluate(() => {
      const [range] = [...(CSS.highlights.get('find-current') ?? [])];
      const log = document.querySelector('.log').getBoundingClientRect();
      const rect = range?.getBoundingClientRect();
      return rect !== undefined && rect.top > log.top && rect.bottom < log.bottom;
    });
    if (!seen) return 'a match in a folded output is not in the view';
    await box(page).fill('Prompt 40');
    await page.waitForTimeout(200);
    await found(page, 40);
    const { current } = await marks(page);
    return same(current, ['Prompt 40']);
  },
  'a match in the part of an output that is not shown marks its row, and leads to its line': async (page, open) => {
    await open('scene=find-hidden');
    const { current, row } = await marks(page);
    await page.getByRole('status', { name: 'Where the match is' }).getByRole('button', { name: 'Open Output' }).click();
    await page.waitForTimeout(50);
    const [asked] = await page.evaluate(() => window.gallery.host.asked.filter((each) => each.ask === 'open-output'));
    await found(page, 3);
    const left = await page.getByRole('status', { name: 'Where the match is' }).textContent();
    return same([current, row, asked?.line, left], [[], 1, 4_012, '']);
  },
  'nothing stands under the box of find for good, and who reads at the end stays there': async (page, open) => {
    const away = () => page.evaluate(() => {
      const log = document.querySelector('.log');
      return Math.round(log.scrollHeight - log.scrollTop - log.clientHeight);
    });
    await open('scene=long-session&rows=50');
    await look(page, 'Prompt');
    if ((await away()) > 2) return `${await away()} px from the end`;
    await found(page, 0);
    const [covered, top] = await page.evaluate(() => {
      const [range] = [...(CSS.highlights.get('find-current') ?? [])];
      return [document.querySelector('.find').getBoundingClientRect().bottom, range?.getBoundingClientRect().top ?? 0];
    });
    await page.evaluate(() => Object.assign(document.querySelector('.log'), { scrollTop: 1e9 }));
    await page.waitForTimeout(100);
    await box(page).press('Escape');
    await page.waitForTimeout(100);
    return top < covered ? `the first match stands at ${top}, under the box that ends at ${covered}` : (await away()) > 2 ? `${await away()} px from the end once it is closed` : null;
  },
  'a box that was open when its tab was hidden is open again with it, and takes neither the place nor the focus': async (page, open) => {
    await open('scene=long-session&rows=2000');
    await look(page, 'Prompt 12');
    await page.mouse.move(500, 400);
    await page.mouse.wheel(0, -3_000);
    await page.waitForTimeout(600);
    const place = () => page.evaluate(() => {
      const log = document.querySelector('.log');
      const top = log.getBoundingClientRect().top;
      const row = [...log.querySelectorAll(':scope > .row')].find((each) => each.getBoundingClientRect().top >= top);
      return [row?.dataset.row, Math.round((row?.getBoundingClientRect().top - top) / 4)];
    });
    const before = await place();
    const kept = await page.evaluate(() => window.gallery.host.kept);
    await open('scene=long-session&rows=2000&wait=1');
    await page.evaluate((state) => {
      window.gallery.host.kept = state;
      window.gallery.show();
    }, kept);
    await page.waitForTimeout(600);
    const [asked] = await page.evaluate(() => window.gallery.host.asked.filter((each) => each.ask === 'find'));
    const focused = await box(page).evaluate((element) => element === document.activeElement);
    const problem = same([await box(page).inputValue(), asked?.query.text, focused, await place()], ['Prompt 12', 'Prompt 12', false, before]);
    if (problem !== null) return problem;
    await box(page).press('Escape');
    await page.waitForTimeout(600);
    return same(await page.evaluate(() => window.gallery.host.kept.find), null);
  },
};
