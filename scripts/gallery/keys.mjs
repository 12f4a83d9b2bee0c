/** What the page must do by keys alone, say to a screen reader, and offer in a state that keeps the person waiting. Each check gives what is wrong, or null. */

const asked = (page, ask) => page.evaluate((kind) => window.gallery.host.asked.filter((each) => each.ask === kind), ask);
const message = (page) => page.getByRole('textbox', { name: 'Message', exact: true });
const same = (given, wanted) => (JSON.stringify(given) === JSON.stringify(wanted) ? null : `got ${JSON.stringify(given)} for ${JSON.stringify(wanted)}`);

export const keyChecks = {
  'the Enter of an input method answers and saves nothing either': async (page, open) => {
    const compose = (box) => box.evaluate((element) => {
      for (const init of [{ isComposing: true }, { keyCode: 229 }]) element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...init }));
    });
    await open('scene=deny-reason');
    await compose(page.getByRole('textbox', { name: 'Reason' }));
    await open('scene=plan-comment');
    await compose(page.getByRole('textbox', { name: 'Comment' }));
    const answers = await asked(page, 'answer');
    await open('scene=edit-queued');
    await compose(page.getByRole('textbox', { name: 'Queued message' }));
    await page.waitForTimeout(50);
    return same([answers.length, (await asked(page, 'outbox-edit')).length], [0, 0]);
  },
  'the other Enter setting: Enter makes a line, Ctrl+Enter sends': async (page, open) => {
    await open('scene=enter-newline');
    const box = message(page);
    await box.fill('one');
    await box.press('Enter');
    await box.pressSequentially('two');
    await box.press('Control+Enter');
    await page.waitForTimeout(50);
    return same((await asked(page, 'send')).map((each) => each.text), ['one\ntwo']);
  },
  'a dropped file goes along, one of the explorer is mentioned': async (page, open) => {
    await open('scene=finished');
    await page.locator('.composer').evaluate((element) => {
      const files = new DataTransfer();
      files.items.add(new File(['a,b'], 'march.csv', { type: 'text/csv' }));
      element.dispatchEvent(new DragEvent('drop', { dataTransfer: files, bubbles: true, cancelable: true }));
    });
    await page.getByRole('button', { name: 'Remove march.csv' }).waitFor({ timeout: 3_000 });
    await page.locator('.composer').evaluate((element) => {
      const names = new DataTransfer();
      names.setData('text/uri-list', 'file:///home/me/billing/src/report.ts');
      element.dispatchEvent(new DragEvent('drop', { dataTransfer: names, bubbles: true, cancelable: true }));
    });
    await page.waitForTimeout(50);
    const written = await message(page).inputValue();
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.waitForTimeout(50);
    return same([written, (await asked(page, 'send'))[0]?.attachments.map((file) => [file.name, file.data])], ['@src/report.ts ', [['march.csv', 'YSxi']]]);
  },
  'what can be named and run is chosen by keys alone': async (page, open) => {
    await open('scene=finished');
    const box = message(page);
    await box.pressSequentially('/comp');
    await page.getByRole('listbox', { name: 'Commands' }).waitFor({ timeout: 2_000 });
    await box.press('Enter');
    const command = await box.inputValue();
    await box.fill('');
    await box.pressSequentially('look at @invoice');
    await page.getByRole('option', { name: /invoice\.ts/ }).waitFor({ timeout: 2_000 });
    await box.press('Tab');
    const mention = await box.inputValue();
    await box.pressSequentially('and @');
    await page.getByRole('listbox', { name: 'Files' }).waitFor({ timeout: 2_000 });
    await box.press('Escape');
    if ((await page.getByRole('listbox').count()) > 0) return 'the list is still there';
    if ((await asked(page, 'send')).length > 0) return 'it was sent';
    return same([command, mention], ['/compact ', 'look at @src/invoice.ts ']);
  },
  'queued messages are edited, moved, steered and dropped by keys': async (page, open) => {
    await open('scene=queue');
    const press = async (name) => {
      await page.getByRole('button', { name }).first().focus();
      await page.keyboard.press('Enter');
    };
    await press(/^Edit: Then write the changelog/);
    await page.getByRole('textbox', { name: 'Queued message' }).fill('Write the changelog.');
    await page.keyboard.press('Enter');
    await page.getByRole('textbox', { name: 'Queued message' }).waitFor({ state: 'detached', timeout: 2_000 });
    await press(/^Move down: Then write/);
    await press(/^Steer now: Then write/);
    await press(/^Drop: Then write/);
    await press(/^Retry: Push it/);
    await page.waitForTimeout(50);
    return same([await asked(page, 'outbox-edit'), (await asked(page, 'outbox')).map((each) => `${each.clientId} ${each.what}`)], [[{ ask: 'outbox-edit', clientId: 'a', text: 'Write the changelog.' }], ['a down', 'a steer', 'a drop', 'c retry']]);
  },
  'rows are gone through by arrows, opened and folded, and Escape leads back to the message': async (page, open) => {
    await open('scene=tools');
    await message(page).focus();
    await page.keyboard.press('Control+ArrowUp');
    const label = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.tagName);
    const rows = await page.evaluate(() => [...document.querySelectorAll('.log > [role="article"]')].map((row) => row.getAttribute('aria-label')));
    if ((await label()) !== rows.at(-1)) return `begins at ${await label()}`;
    for (let at = rows.length - 2; at >= 0; at -= 1) {
      for (let tries = 0; (await label()) !== rows[at] && tries < 30; tries += 1) await page.keyboard.press('ArrowUp');
      if ((await label()) !== rows[at]) return `no way to ${rows[at]}`;
    }
    await page.keyboard.press('End');
    if ((await label()) !== rows.at(-1)) return 'End is not the end';
    await page.keyboard.press('Home');
    if ((await label()) !== rows[0]) return `Home is ${await label()}`;
    const fold = () => page.evaluate(() => document.activeElement?.querySelector('[aria-expanded]')?.getAttribute('aria-expanded') ?? null);
    for (let tries = 0; (await fold()) !== 'false' && tries < 60; tries += 1) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    if ((await fold()) !== 'true') return 'Enter does not open';
    await page.keyboard.press('ArrowLeft');
    if ((await fold()) !== 'false') return 'ArrowLeft does not fold';
    await page.keyboard.press('Escape');
    return same(await label(), 'Message');
  },
  'who reads a row by keys is not carried away by what streams, until the end is asked for': async (page, open) => {
    await open('scene=long-session&rows=1000');
    await page.evaluate(() => Object.assign(window, { run: new window.gallery.StreamRun(window.gallery.host, 500, 400, 100, 'markdown') }));
    await message(page).focus();
    await page.keyboard.press('Control+ArrowUp');
    for (let each = 0; each < 4; each += 1) await page.keyboard.press('ArrowUp');
    await page.waitForTimeout(200);
    const place = () => page.evaluate(() => [document.activeElement?.dataset.row ?? null, Math.round(document.activeElement?.getBoundingClientRect().top ?? 0)]);
    const before = await place();
    for (let each = 0; each < 20; each += 1) await page.evaluate(() => window.run.step());
    const problem = same(await place(), before);
    if (problem !== null) return problem;
    await page.keyboard.press('End');
    await page.evaluate(() => window.run.step());
    return page.evaluate(() => {
      const log = document.querySelector('.log');
      return log.scrollHeight - log.scrollTop - log.clientHeight < 2 ? null : 'the end is not followed';
    });
  },
  'a screen reader is told little while much is streamed': async (page, open) => {
    await open('scene=long-session&rows=200');
    await page.evaluate(() => {
      const heard = [];
      const live = (node) => {
        const region = (node instanceof Element ? node : node.parentElement)?.closest('[role="status"], [role="alert"], [role="log"], [aria-live]');
        return region !== null && region !== undefined && region.getAttribute('aria-live') !== 'off';
      };
      new MutationObserver((records) => {
        for (const record of records) if (live(record.target)) heard.push(`${(record.target instanceof Element ? record.target : record.target.parentElement)?.outerHTML.slice(0, 120)} ${record.type}`);
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
      Object.assign(window, { heard, run: new window.gallery.StreamRun(window.gallery.host, 5_000, 400, 100, 'markdown') });
    });
    for (let each = 0; each < 120; each += 1) {
      await page.evaluate(() => window.run.step());
      if (each % 10 === 0) await page.evaluate((at) => window.gallery.host.setState({ activity: { phase: 'answering', since: at, detail: null, until: null }, usage: { inputTokens: at, outputTokens: at, cachedTokens: null, costUsd: at / 100, contextTokens: at * 100, contextWindow: 200_000 } }), each);
    }
    const silent = await page.evaluate(() => window.heard.length);
    await page.evaluate(() => {
      const { host } = window.gallery;
      host.patch({ op: 'splice', at: host.count, remove: 0, rows: [{ key: 'end', at: null, turn: 't', kind: 'turn', state: 'completed', durationMs: 4_000, figures: null, filesChanged: [], error: null }] });
    });
    await page.waitForTimeout(100);
    const heard = await page.evaluate(() => window.heard);
    return silent > 0 ? `heard ${silent} times meanwhile: ${heard[0]}` : heard.length === 1 && /finished/.test(heard[0]) ? null : `heard ${JSON.stringify(heard)}`;
  },
  'a stop says what it waits for, and how it went': async (page, open) => {
    await open('scene=stopping');
    const status = page.getByRole('status', { name: 'Message status' });
    await status.getByText('Ending its process…').waitFor({ timeout: 2_000 });
    const stop = page.getByRole('button', { name: 'Stop', exact: true });
    if ((await stop.getAttribute('aria-busy')) !== 'true') return 'the button does not say that it is under way';
    if (!(await stop.evaluate((element) => element === document.activeElement))) return 'the button lost the focus';
    await stop.press('Enter');
    if ((await asked(page, 'interrupt')).length !== 1) return 'it was asked for again';
    await page.evaluate(() => window.gallery.host.finish('Claude Code did not answer and was killed.'));
    await status.getByText('was killed').waitFor({ timeout: 2_000 });
    await open('scene=stop-refused');
    await status.getByRole('button', { name: 'Stop Session' }).click();
    await page.waitForTimeout(50);
    return same(await asked(page, 'run'), [{ ask: 'run', command: 'stop' }]);
  },
  'a context that is nearly full is compacted by its button, or waved away until it is full anew': async (page, open) => {
    await open('scene=context-full');
    const notice = page.getByRole('region', { name: 'Session notice' });
    await notice.getByRole('button', { name: 'Compact' }).click();
    await notice.getByRole('button', { name: 'Dismiss' }).click();
    await notice.waitFor({ state: 'detached', timeout: 2_000 });
    await page.evaluate(() => window.gallery.host.setState({ usage: { inputTokens: 1, outputTokens: 1, cachedTokens: null, costUsd: null, contextTokens: 10_000, contextWindow: 200_000 } }));
    await page.evaluate(() => window.gallery.host.setState({ usage: { inputTokens: 1, outputTokens: 1, cachedTokens: null, costUsd: null, contextTokens: 190_000, contextWindow: 200_000 } }));
    await notice.getByText('95 % of the context is used').waitFor({ timeout: 2_000 });
    return same((await asked(page, 'send')).map((each) => [each.text, each.how]), [['/compact', 'send']]);
  },
  'a row is copied by Ctrl+C where nothing is selected, a folded line with all of its rows': async (page, open) => {
    await open('scene=turn');
    await message(page).focus();
    await page.keyboard.press('Control+c');
    await page.keyboard.press('Control+ArrowUp');
    await page.keyboard.press('Control+c');
    const focused = await page.evaluate(() => document.activeElement?.dataset.row);
    await page.evaluate(() => getSelection()?.selectAllChildren(document.activeElement));
    await page.keyboard.press('Control+c');
    await page.evaluate(() => getSelection()?.removeAllRanges());
    const group = await page.evaluate(() => {
      const row = document.querySelector('.log > [data-row^="group:"]');
      row?.setAttribute('tabindex', '-1');
      row?.focus();
      return row?.dataset.row ?? 'no group';
    });
    await page.keyboard.press('Control+c');
    await page.waitForTimeout(50);
    const [one, folded, ...more] = await asked(page, 'run-row');
    if (more.length > 0 || !(folded?.rows?.length > 1) || folded.row !== folded.rows[0] || group !== `group:${folded.row}`) return `for ${group} got ${JSON.stringify([folded, ...more])}`;
    return same(one, { ask: 'run-row', command: 'copyRow', row: focused });
  },
  'what waits far above is announced and reached by keys, and the way there is gone once it is in the view': async (page, open) => {
    await open('scene=waiting-above');
    const way = page.getByRole('button', { name: 'Waiting for you above' });
    await way.waitFor({ timeout: 3_000 });
    const said = await page.getByRole('status', { name: 'Updates' }).textContent();
    if (!/^Waiting for you above\. .* goes there\./.test(said ?? '')) return `said ${JSON.stringify(said)}`;
    await message(page).press('Control+Enter');
    await page.getByRole('group', { name: 'Permission: Bash' }).waitFor({ timeout: 3_000 });
    await way.waitFor({ state: 'detached', timeout: 3_000 });
    await page.waitForFunction(() => document.activeElement?.textContent === 'Allow', null, { timeout: 3_000 });
    await page.keyboard.press('Enter');
    await page.waitForTimeout(50);
    return same((await asked(page, 'answer')).map((each) => each.decision.outcome), ['allow']);
  },
  'a request that was chosen in the tree is shown, and no answer of it has the focus': async (page, open) => {
    await open('scene=waiting-above');
    await page.evaluate(() => {
      const { host } = window.gallery;
      host.review(host.row(2).requestId);
    });
    await page.getByRole('group', { name: 'Permission: Bash' }).waitFor({ timeout: 3_000 });
    await page.waitForFunction(() => document.activeElement?.dataset.kind === 'permission', null, { timeout: 3_000 });
    await page.getByRole('button', { name: 'Waiting for you above' }).waitFor({ state: 'detached', timeout: 3_000 });
    await page.keyboard.press('End');
    await page.getByRole('button', { name: 'Waiting for you above' }).waitFor({ timeout: 3_000 });
    return null;
  },
  'every prompt of a long session is had by ArrowUp, those that are not here too': async (page, open) => {
    await open('scene=long-session&rows=3000');
    const wanted = await page.evaluate(() => {
      const { host } = window.gallery;
      const texts = [];
      for (let index = host.count - 1; index >= 0; index -= 1) if (host.row(index).kind === 'prompt') texts.push(host.row(index).text);
      return texts.filter((text, place) => text !== texts[place - 1]);
    });
    const box = message(page);
    await box.focus();
    const seen = [];
    for (let press = 0; press < wanted.length; press += 1) {
      await box.press('ArrowUp');
      for (let tries = 0; tries < 40 && (await box.inputValue()) === (seen.at(-1) ?? ''); tries += 1) await page.waitForTimeout(10);
      seen.push(await box.inputValue());
    }
    if (wanted.length < 100) return `only ${wanted.length} prompts`;
    return same(seen, wanted);
  },
};
