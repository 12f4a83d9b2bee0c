import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fit, Gallery, SCENES, THEMES, settled, setTheme } from './rig.ts';

/** Every scene fits where it is shown, and can be read and worked there. */
let gallery: Gallery;
let page: Page;

beforeAll(async () => {
  gallery = await Gallery.open();
  page = await gallery.page();
});
afterAll(async () => {
  await gallery?.close();
});

/** What does not fit, a line each: the page scrolled sideways, things beyond its edge, text cut without a sign or a title, and controls that are too small. */
function misfits(): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = [];
    const name = (element: Element): string => `${element.tagName.toLowerCase()}.${[...element.classList].join('.')} "${(element.textContent ?? '').trim().slice(0, 40)}"`;
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth || document.body.scrollWidth > document.body.clientWidth) wrong.push(`the page is ${Math.max(root.scrollWidth, document.body.scrollWidth)} wide`);
    const log = document.querySelector<HTMLElement>('.log');
    if (log !== null) {
      log.scrollLeft = 1_000;
      if (log.scrollLeft !== 0) wrong.push(`the transcript scrolls sideways by ${log.scrollLeft}`);
    }
    const scrolls = (element: Element): boolean => /auto|scroll/.test(getComputedStyle(element).overflowX) && element !== log && element.tagName !== 'TEXTAREA';
    for (const element of document.querySelectorAll<HTMLElement>('#root *')) {
      if (element.closest('.sr-only, .mirror, [hidden]') !== null || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const style = getComputedStyle(element);
      const rect = element.getBoundingClientRect();
      let holder: Element | null = element.parentElement;
      let clipped = false;
      while (holder !== null && holder.id !== 'root') {
        if (scrolls(holder) || (getComputedStyle(holder).overflowX === 'hidden' && holder !== log)) clipped = true;
        holder = holder.parentElement;
      }
      if (!clipped && rect.width > 0 && (rect.right > innerWidth + 1 || rect.left < -1)) wrong.push(`${name(element)} reaches from ${Math.round(rect.left)} to ${Math.round(rect.right)}`);
      // Text that is cut says so, and can be had whole: by its title, by one of what holds it, by opening, or by scrolling.
      const cut = style.overflowX === 'hidden' && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && (element.textContent ?? '').trim() !== '';
      if (cut && style.textOverflow !== 'ellipsis' && element !== log && style.display !== '-webkit-box' && element.querySelector('.cut, .cut-start, .subject, .verb, .outbox-text, .popup-label') === null) wrong.push(`${name(element)} is cut without a sign`);
      if (cut && style.textOverflow === 'ellipsis' && element.closest('[title], .line.can-open, [aria-expanded]') === null && element.querySelector('[title]') === null) wrong.push(`${name(element)} is cut and can not be read`);
      if (element.matches('button, [role="combobox"], input:not([type="file"])') && rect.width > 0 && !element.matches('.text-button, .line-head, .button.text, input, .attachment')) {
        if (rect.height < 20 || rect.width < 18) wrong.push(`${name(element)} is ${Math.round(rect.width)}×${Math.round(rect.height)}`);
      }
    }
    return [...new Set(wrong)];
  });
}

describe('at 300 pixels', () => {
  test.each(SCENES)('%s', async (scene) => {
    await page.setViewportSize({ width: 300, height: 700 });
    await gallery.show(page, scene);
    await fit(page, 300);
    expect(await misfits()).toEqual([]);
  });
});

describe('at twice the size', () => {
  test.each(['turn', 'tools', 'kinds', 'cards', 'questions', 'queue', 'markdown', 'opened', 'long-lines', 'signed-out', 'mode-picker', 'commands', 'empty', 'find', 'find-hidden'])('%s', async (scene) => {
    // A page of 600 pixels at 200 % has 300 of its own; letters alone at twice their size are harder.
    await page.setViewportSize({ width: 600, height: 1_000 });
    await gallery.show(page, scene);
    await page.evaluate(() => document.documentElement.style.setProperty('--vscode-font-size', '26px'));
    await settled(page);
    expect(await misfits()).toEqual([]);
  });
});

test.each(['turn', 'kinds', 'cards', 'questions', 'queue', 'markdown', 'signed-out', 'opened', 'find-hidden'])('what has the focus shows it, in the order in which it stands: %s', async (scene) => {
  await page.setViewportSize({ width: 800, height: 700 });
  await gallery.show(page, scene);
  await fit(page, 800);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  const wrong: string[] = [];
  let last = { what: '', top: -1, left: -1, region: '' };
  const seen = new Set<string>();
  for (let each = 0; each < 150; each += 1) {
    await page.keyboard.press('Tab');
    const now = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === null || element === document.body) return null;
      const rect = element.getBoundingClientRect();
      const style = getComputedStyle(element);
      const around = element.closest('.composer, .text-area') === null ? null : getComputedStyle(element.closest('.composer, .text-area') ?? element);
      const ring = style.outlineStyle !== 'none' && style.outlineWidth !== '0px';
      const path: number[] = [];
      for (let at: Element | null = element; at !== null && at.id !== 'root'; at = at.parentElement) path.unshift(at.parentElement === null ? 0 : [...at.parentElement.children].indexOf(at));
      const accent = getComputedStyle(document.documentElement).getPropertyValue('--vscode-focusBorder').trim();
      const probe = document.createElement('i');
      probe.style.color = accent;
      document.body.append(probe);
      const accentColour = getComputedStyle(probe).color;
      probe.remove();
      return {
        id: path.join('.'), what: `${element.tagName.toLowerCase()}.${[...element.classList].join('.')} "${(element.getAttribute('aria-label') ?? element.textContent ?? '').slice(0, 40)}"`, top: rect.top + (element.closest('.log')?.scrollTop ?? 0), left: rect.left, height: rect.height, width: rect.width,
        region: element.closest('header, .banner, .log, .find, .dock')?.className ?? '', ring: ring || around?.borderTopColor === accentColour, visible: element.checkVisibility({ opacityProperty: true, visibilityProperty: true }), inCard: element.closest('.card, .code-tools, .line, .outbox') !== null,
      };
    });
    if (now === null || seen.has(now.id)) break;
    seen.add(now.id);
    if (!now.visible || now.height < 1 || now.width < 1) wrong.push(`${now.what} has the focus and is not seen`);
    if (!now.ring) wrong.push(`${now.what} does not show its focus`);
    if (now.region === last.region && now.region === 'log' && !now.inCard && now.top < last.top - 40) wrong.push(`${now.what} comes after what stands below it (${last.what})`);
    last = now;
  }
  expect(seen.size).toBeGreaterThan(6);
  expect(wrong).toEqual([]);
});

test('nothing moves for who asked for less motion, in any theme', async () => {
  for (const scene of ['turn', 'tools', 'queue', 'thinking', 'answering', 'retrying']) {
    await page.setViewportSize({ width: 800, height: 700 });
    await gallery.show(page, scene);
    for (const theme of THEMES) {
      await setTheme(page, theme);
      expect(await page.evaluate(() => document.getAnimations().filter((each) => each.playState === 'running').length), `${scene} ${theme}`).toBe(0);
    }
  }
  const moving = await gallery.page({ motion: 'no-preference' });
  await gallery.show(moving, 'tools');
  expect(await moving.evaluate(() => document.getAnimations().length)).toBeGreaterThan(0);
  await moving.context().close();
});

test('what does not fit is seen', async () => {
  await page.setViewportSize({ width: 300, height: 700 });
  await gallery.show(page, 'finished');
  await page.evaluate(() => {
    const wide = document.createElement('div');
    wide.textContent = 'x'.repeat(200);
    wide.className = 'planted';
    const cut = document.createElement('div');
    cut.textContent = 'y'.repeat(200);
    Object.assign(cut.style, { overflow: 'hidden', whiteSpace: 'nowrap' });
    document.querySelector('.dock')?.append(wide, cut);
  });
  const wrong = (await misfits()).join('\n');
  expect(wrong).toContain('div. "yyyy');
  expect(wrong).toMatch(/the page is|div\.planted/);
});
