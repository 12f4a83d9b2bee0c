/** What the page must do with what the person does, and must not do with what an agent writes. Each check gives what is wrong, or null. */

const asked = (page, ask) => page.evaluate((kind) => window.gallery.host.asked.filter((each) => each.ask === kind), ask);
const message = (page) => page.getByRole('textbox', { name: 'Message', exact: true });
const same = (given, wanted) => (JSON.stringify(given) === JSON.stringify(wanted) ? null : `got ${JSON.stringify(given)} for ${JSON.stringify(wanted)}`);

/** Ways in which text has become code elsewhere. Each would set `window.owned` or ask for something. */
const PAYLOADS = [
  '<img src=x onerror="window.owned=1">', '<script>window.owned=1</script>', '<svg/onload=window.owned=1>', '<iframe srcdoc="<script>parent.owned=1</script>">', '[a](javascript:window.owned=1)', '[a](JaVa\tScRiPt:window.owned=1)',
  '![a](https://example.com/a.png)', '<a href="javascript:window.owned=1">a</a>', '"><img src=x onerror=window.owned=1>', "' onmouseover='window.owned=1", '`<img src=x onerror=window.owned=1>`', '```"><img src=x onerror=window.owned=1>\ncode\n```',
  '[a](data:text/html,<script>window.owned=1</script>)', '<math><mtext></p><style><img src=x onerror=window.owned=1>', '[a]: javascript:window.owned=1\n[a]', '<details open ontoggle=window.owned=1>', '&lt;img src=x onerror=window.owned=1&gt;',
  '| a |\n|---|\n| <img src=x onerror=window.owned=1> |', '<link rel=stylesheet href=https://example.com/a.css>', '<style>@import "https://example.com/a.css"</style>', '<form action="javascript:window.owned=1"><button>a</button></form>', '\u001B]8;;javascript:window.owned=1\u0007a\u001B]8;;\u0007',
];

export const pageChecks = {
  'Enter sends, Shift+Enter does not, nor does the Enter of an input method': async (page, open) => {
    await open('scene=finished');
    const box = message(page);
    await box.fill('one');
    await box.press('Shift+Enter');
    await box.pressSequentially('two');
    await box.evaluate((element) => {
      element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true }));
      element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true }));
    });
    if ((await asked(page, 'send')).length > 0) return 'sent too early';
    await box.press('Enter');
    await page.waitForTimeout(50);
    if ((await box.inputValue()) !== '') return 'the box was not emptied';
    return same(await asked(page, 'send'), [{ ask: 'send', text: 'one\ntwo', attachments: [], how: 'send' }]);
  },
  'sending while a turn runs queues, or steers': async (page, open) => {
    await open('scene=queue');
    await message(page).fill('later');
    await page.getByRole('button', { name: 'Queue', exact: true }).click();
    await message(page).fill('now');
    await page.getByRole('button', { name: 'Steer', exact: true }).click();
    await page.waitForTimeout(50);
    return same((await asked(page, 'send')).map((each) => [each.text, each.how]), [['later', 'queue'], ['now', 'steer']]);
  },
  'ArrowUp brings back what was said, ArrowDown what was being written': async (page, open) => {
    await open('scene=finished');
    const box = message(page);
    await box.fill('own words');
    await box.press('Home');
    await box.press('ArrowUp');
    const first = await box.inputValue();
    await box.press('ArrowUp');
    const second = await box.inputValue();
    await box.press('End');
    await box.press('ArrowDown');
    await box.press('End');
    await box.press('ArrowDown');
    return same([first, second.slice(0, 16), await box.inputValue()], ['Now the report.', 'Move the invoice', 'own words']);
  },
  'a snapshot takes nobody away from where they read, though a search is open': async (page, open) => {
    await open('scene=long-session&rows=3000');
    await page.evaluate(() => window.gallery.host.find());
    await page.getByRole('textbox', { name: 'Find' }).fill('Prompt 2960');
    await page.waitForTimeout(150);
    await page.evaluate(() => window.gallery.host.found(2960));
    const row = page.locator('[role=article]').filter({ hasText: 'Prompt 2960' });
    await row.waitFor();
    const log = page.locator('.log');
    await log.hover();
    await page.mouse.wheel(0, -2500);
    await page.waitForTimeout(300);
    const before = await log.evaluate((element) => Math.round(element.scrollTop));
    const searches = (await asked(page, 'find')).length;
    await page.evaluate(() => window.gallery.host.snapshot());
    await page.waitForTimeout(100);
    if ((await asked(page, 'find')).length === searches) return 'the search was not asked for again';
    await page.evaluate(() => window.gallery.host.found(2960));
    await page.waitForTimeout(300);
    const after = await log.evaluate((element) => Math.round(element.scrollTop));
    return Math.abs(after - before) > 2 ? `from ${before} to ${after}` : null;
  },
  'a draft reaches the host': async (page, open) => {
    await open('scene=finished');
    await message(page).fill('half a thought');
    await page.waitForTimeout(400);
    return same(await page.evaluate(() => window.gallery.host.posted.filter((each) => each.type === 'draft').map((each) => [each.text, 'files' in each])), [['half a thought', false]]);
  },
  'who sends from further up is led to what was said; who queues is left where they read': async (page, open) => {
    const far = () => page.evaluate(() => {
      const log = document.querySelector('.log');
      return Math.round(log.scrollHeight - log.scrollTop - log.clientHeight);
    });
    await open('scene=long-session&rows=1000');
    await page.locator('.log').hover();
    await page.mouse.wheel(0, -900);
    await page.waitForTimeout(200);
    if ((await far()) < 100) return 'not further up';
    await message(page).fill('Go on.');
    await message(page).press('Enter');
    await page.waitForTimeout(200);
    if ((await far()) > 2) return `${await far()} px from the end`;
    await open('scene=reading-back-asked');
    const before = await far();
    await message(page).fill('Later.');
    await message(page).press('Enter');
    await page.waitForTimeout(200);
    return same((await far()) === before, true);
  },
  'several files are attached at once, and the draft keeps them': async (page, open) => {
    await open('scene=finished');
    await page.locator('input[type=file]').setInputFiles(['a.txt', 'b.txt', 'c.txt'].map((name) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(name) })));
    await page.getByRole('button', { name: 'Remove c.txt' }).waitFor({ timeout: 3_000 });
    await page.waitForTimeout(400);
    const kept = await page.evaluate(() => window.gallery.host.posted.findLast((each) => each.type === 'draft')?.files.map((file) => file.name));
    return same(kept, ['a.txt', 'b.txt', 'c.txt']);
  },
  'a pasted picture goes along, one that is too large does not': async (page, open) => {
    await open('scene=finished');
    await message(page).evaluate((element) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array([137, 80, 78, 71])], 'shot.png', { type: 'image/png' }));
      data.items.add(new File([new Uint8Array(9 * 1024 * 1024)], 'huge.bin'));
      element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await page.getByRole('button', { name: 'Remove shot.png' }).waitFor({ timeout: 3_000 });
    await page.getByText('huge.bin is 9.0 MB').waitFor({ timeout: 3_000 });
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.waitForTimeout(50);
    return same((await asked(page, 'send'))[0]?.attachments, [{ name: 'shot.png', mediaType: 'image/png', size: 4, data: 'iVBORw==', path: null }]);
  },
  'an answer says Enter only where Enter gives it': async (page, open) => {
    await open('scene=turn');
    const allow = page.getByRole('button', { name: 'Allow', exact: true });
    const look = () => allow.evaluate((button) => ({ key: getComputedStyle(button, '::after').content.split(' / ')[0], width: button.getBoundingClientRect().width }));
    const away = await look();
    await allow.focus();
    const here = await look();
    if (away.key !== '"Ctrl+⏎"' || here.key !== '"⏎"') return `it says ${away.key}, and ${here.key} with the focus`;
    return away.width === here.width ? null : `it is ${away.width} wide, and ${here.width} with the focus: what is pressed beside it moves`;
  },
  'a question is skipped, not denied': async (page, open) => {
    await open('scene=questions');
    const names = await page.locator('.card .buttons').first().getByRole('button').allInnerTexts();
    return names.join() === 'Answer,Skip' ? null : `its buttons are ${names.join()}`;
  },
  'a permission is answered once': async (page, open) => {
    await open('scene=turn');
    const card = page.getByRole('group', { name: 'Permission: Bash' });
    await card.getByRole('button', { name: 'Allow', exact: true }).dblclick();
    await page.waitForTimeout(50);
    if (await card.getByRole('button', { name: 'Deny', exact: true }).isEnabled()) return 'it can still be denied';
    return same((await asked(page, 'answer')).map((each) => each.decision), [{ outcome: 'allow' }]);
  },
  'Ctrl+Enter in an empty box goes to the answer, and only Enter there gives it': async (page, open) => {
    await open('scene=turn');
    await message(page).fill('');
    // Held, the key goes on where the focus went: that is no answer.
    await message(page).focus();
    await page.keyboard.down('Control');
    for (let down = 0; down < 4; down += 1) await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    await page.keyboard.up('Control');
    await message(page).focus();
    await page.keyboard.down('Control');
    await page.keyboard.down('Enter');
    await page.keyboard.up('Control');
    for (let down = 0; down < 3; down += 1) await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    await message(page).press('Control+Enter');
    const focused = await page.evaluate(() => document.activeElement?.textContent);
    if (focused !== 'Allow' || (await asked(page, 'answer')).length > 0) return `the focus is on ${focused}`;
    await page.keyboard.press('Enter');
    await page.waitForTimeout(50);
    return same((await asked(page, 'answer')).length, 1);
  },
  'an answer that was begun outlives a reload': async (page, open) => {
    await open('scene=cards');
    await page.getByRole('button', { name: 'Deny with a reason…' }).first().click();
    await page.getByRole('textbox', { name: 'Reason' }).fill('use staging');
    await page.waitForTimeout(400);
    const kept = await page.evaluate(() => window.gallery.host.kept);
    await open('scene=cards&wait=1');
    await page.evaluate((state) => {
      window.gallery.host.kept = state;
      window.gallery.show();
    }, kept);
    await page.waitForTimeout(300);
    return same(await page.getByRole('textbox', { name: 'Reason' }).inputValue(), 'use staging');
  },
  'links open through the host only': async (page, open) => {
    await open('scene=markdown');
    if ((await page.locator('[href]:not(link)').count()) > 0) return 'there is an address in the page';
    await page.getByRole('link', { name: "the ledger's notes" }).click();
    await page.getByRole('link', { name: 'src/invoice.ts:42' }).focus();
    await page.keyboard.press('Enter');
    await page.waitForTimeout(50);
    return same([await asked(page, 'open-link'), await asked(page, 'open-file')], [[{ ask: 'open-link', href: 'https://example.com/ledger' }], [{ ask: 'open-file', path: 'src/invoice.ts', line: 42 }]]);
  },
  'Copy and Insert give the code as it was written': async (page, open) => {
    await open('scene=markdown');
    const block = page.locator('.code-block').nth(1);
    await block.hover();
    await block.getByRole('button', { name: 'Copy' }).click();
    await block.getByRole('button', { name: 'Insert' }).click();
    await page.waitForTimeout(50);
    const [copied] = await asked(page, 'copy');
    const [inserted] = await asked(page, 'insert-code');
    return copied?.text === inserted?.text && copied?.text.startsWith('npm test -- --run invoice && git push') ? null : `copied ${copied?.text}`;
  },
  'a picker is worked by keys alone': async (page, open) => {
    await open('scene=finished');
    const picker = page.getByRole('combobox', { name: 'Permission Mode', exact: true });
    await picker.focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Escape');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.type('pl');
    await page.keyboard.press('Enter');
    await page.waitForTimeout(50);
    return same([await asked(page, 'set'), await picker.getAttribute('aria-expanded')], [[{ ask: 'set', what: 'mode', id: 'plan' }], 'false']);
  },
  'an output that does not come by itself is asked for, waited for, and said why it can not be had': async (page, open) => {
    await open('scene=outputs');
    const tool = (command) => page.getByRole('article', { name: `Ran ${command}` });
    if ((await page.getByRole('article', { name: /Edited/ }).getByRole('button', { name: 'Show Output' }).count()) > 0) return 'a change has its own view';
    await tool('wc -l src/*.ts').getByRole('button', { name: 'Show Output' }).click();
    await tool('wc -l src/*.ts').getByText('Fetching the output from build-01…').waitFor({ timeout: 1_000 }).catch(() => undefined);
    await page.evaluate(() => {
      const { host } = window.gallery;
      host.patch({ op: 'update', at: 3, row: { ...host.row(3), output: '12 src/a.ts' } });
    });
    await tool('wc -l src/*.ts').getByText('12 src/a.ts').waitFor({ timeout: 2_000 });
    if ((await tool('wc -l src/*.ts').getByRole('button', { name: 'Show Output' }).count()) > 0) return 'it is offered again';
    await tool('cat server.log').getByRole('button', { name: 'Show Output' }).click();
    await tool('cat server.log').getByText('build-01 is offline').waitFor({ timeout: 2_000 });
    await tool('cat server.log').getByRole('button', { name: 'Show Output' }).click();
    await page.waitForTimeout(50);
    if ((await page.locator('[data-path]').count()) > 0) return 'a path that leads nowhere is a link';
    return same((await asked(page, 'fetch-output')).map((each) => each.row), ['o1', 'o2', 'o2']);
  },
  'a call that is still being written shows what can be read of it, and no pieces of JSON': async (page, open) => {
    await open('scene=calls');
    for (const line of await page.locator('.row.tool button.line-head').all()) await line.click();
    const words = await page.locator('.log').innerText();
    if (words.includes('{')) return `pieces of JSON: ${words}`;
    if ((await page.locator('.row.tool .body').count()) !== 1) return 'a body with nothing to say';
    if (!words.includes('notes/plan.md') || !(await page.locator('pre.command').innerText()).includes('wc -l "$each"')) return 'what is known is not told';
    await page.evaluate(() => {
      const { host } = window.gallery;
      host.patch({ op: 'update', at: 4, row: { ...host.row(4), input: { state: 'open', limit: 20 } } });
    });
    await page.locator('pre.json').getByText('"state": "open"').waitFor({ timeout: 2_000 });
    return null;
  },
  'a session of a terminal is taken over by its button, and by sending': async (page, open) => {
    await open('scene=terminal');
    await page.getByRole('button', { name: 'Take Over', exact: true }).click();
    await message(page).fill('go on here');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.waitForTimeout(50);
    if ((await page.getByRole('button', { name: 'Fork', exact: true }).count()) !== 1) return 'it can not be forked';
    return same([(await asked(page, 'take-over')).length, (await asked(page, 'send')).map((each) => each.text)], [1, ['go on here']]);
  },
  'what an agent writes stays text, wherever it is shown': async (page, open) => {
    const requests = [];
    const note = (request) => requests.push(request.url());
    await open('scene=empty');
    page.on('request', note);
    try {
      await page.evaluate((payloads) => {
        const { host } = window.gallery;
        for (const words of payloads) host.patch({ op: 'splice', at: host.count, remove: 0, rows: window.gallery.hostileRows(words) });
      }, PAYLOADS);
      for (let each = 0; each < 30; each += 1) {
        await page.evaluate(() => {
          for (const fold of document.querySelectorAll('.log [aria-expanded="false"]')) fold.click();
          document.querySelector('.log').scrollTop -= 600;
        });
        await page.waitForTimeout(30);
      }
    } finally {
      page.off('request', note);
    }
    const owned = await page.evaluate(() => window.owned);
    const foreign = requests.filter((url) => !url.startsWith('blob:') && !url.startsWith('data:'));
    const elements = await page.evaluate(() => document.querySelectorAll('.log :is(script, iframe, object, embed, form, style, link, base, meta, svg, math)').length);
    return owned !== undefined ? 'it ran' : foreign.length > 0 ? `it asked for ${foreign[0]}` : elements > 0 ? `${elements} elements of it` : null;
  },
  'code in a list that still grows keeps its nodes, and what is selected in it': async (page, open) => {
    await open('scene=finished');
    const say = (text) => page.evaluate(async (piece) => {
      const { host } = window.gallery;
      const at = host.count - 1;
      const row = host.row(at);
      if (row.key !== 'growing') host.patch({ op: 'splice', at: host.count, remove: 0, rows: [{ kind: 'text', key: 'growing', at: null, turn: null, text: piece, streaming: true }] });
      else host.patch({ op: 'append', at, key: 'growing', field: 'text', from: window.said.length, text: piece });
      window.said = (window.said ?? '') + piece;
      for (let frame = 0; frame < 3; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    }, text);
    const state = () => page.evaluate(() => {
      const pres = [...document.querySelectorAll('.md-tail pre.code')];
      window.first ??= pres[0];
      return { texts: pres.map((pre) => pre.textContent), same: window.first === pres[0], selected: String(document.getSelection()) };
    });
    await say('1. Look:\n\n   ```ts\n   const a = 1;\n   const b');
    await page.locator('.md-tail .segment').first().waitFor();
    await state();
    await page.evaluate(() => document.getSelection().setBaseAndExtent(window.first.querySelector('.segment').firstChild, 6, window.first.querySelector('.segment').firstChild, 11));
    await say(' = 2;\n   a + ');
    await say('b;\n   ```\n2. And *then*:\n\n   ```sh\n   npm t');
    // The open tail is drawn later where frames are slow.
    const ends = (words) => page.waitForFunction((text) => [...document.querySelectorAll('.md-tail pre.code')].at(-1)?.textContent === text, words, { timeout: 5_000 }).catch(() => undefined);
    await ends('npm t');
    const grown = await state();
    await say('est\n   ```\n');
    await ends('npm test');
    const wanted = { texts: ['const a = 1;\nconst b = 2;\na + b;', 'npm test'], same: true, selected: 'a = 1' };
    return same(grown, { ...wanted, texts: [wanted.texts[0], 'npm t'] }) ?? same(await state(), wanted);
  },
  'who was refused an answer by key has the focus where it was': async (page, open) => {
    await open('scene=answer-refused');
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    await page.evaluate(() => Object.assign(window.gallery.host, { reply: function reply(request) {
      // Longer than a frame: by then the browser has taken the focus from the button that waits.
      setTimeout(() => this.listener({ type: 'reply', request, ok: false, code: 'offline', message: 'build-01 is offline.' }), 200);
    } }));
    await page.getByRole('group', { name: 'Permission: Bash' }).getByRole('button', { name: 'Deny', exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.waitForTimeout(100);
    const meanwhile = await focused();
    await page.waitForTimeout(300);
    return same([meanwhile === 'Deny', await focused()], [false, 'Deny']);
  },
};
