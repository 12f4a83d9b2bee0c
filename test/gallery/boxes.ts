import type { Page } from 'playwright-core';

/** One thing that can be seen: what it is, its own text, where it stands, and its colours: text, ground and edge. */
export type Box = readonly [what: string, text: string, x: number, y: number, width: number, height: number, colours: string];

/** Everything of the page that shows text, a picture, a ground or an edge, in the order of the document. Rectangles in whole CSS pixels. */
export function boxesOf(page: Page): Promise<Box[]> {
  return page.evaluate(() => {
    const hex = (colour: string): string => {
      const [, red = 0, green = 0, blue = 0, alpha = 1] = colour.startsWith('color(srgb')
        ? [0, ...(colour.match(/[\d.e-]+/g) ?? []).map(Number).map((part, place) => (place < 3 ? part * 255 : part))]
        : [0, ...(colour.match(/[\d.]+/g) ?? []).map(Number)];
      return `#${[red, green, blue].map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}${alpha === 1 ? '' : `*${alpha.toFixed(2)}`}`;
    };
    const clear = (colour: string): boolean => colour === 'rgba(0, 0, 0, 0)' || colour === 'transparent' || colour.endsWith(' / 0)');
    const found: Box[] = [];
    for (const element of document.body.querySelectorAll<HTMLElement>('*')) {
      if (element.closest('.sr-only, script, .mirror') !== null || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const style = getComputedStyle(element);
      const text = Array.from(element.childNodes, (node) => (node.nodeType === Node.TEXT_NODE ? (node.textContent ?? '') : '')).join(' ').replace(/\s+/g, ' ').trim();
      const glyph = element.classList.contains('codicon') ? getComputedStyle(element, '::before').content : '';
      const field = element.matches('input, textarea, img');
      const ground = !clear(style.backgroundColor);
      const edge = style.borderTopWidth !== '0px' || style.borderInlineStartWidth !== '0px' || style.borderBottomWidth !== '0px';
      const edgeColour = style.borderTopWidth !== '0px' ? style.borderTopColor : style.borderBottomWidth !== '0px' ? style.borderBottomColor : style.borderInlineStartColor;
      if (text === '' && glyph === '' && !field && !ground && (!edge || clear(edgeColour))) continue;
      const rect = element.getBoundingClientRect();
      if (rect.width < 1 || rect.height < 1) continue;
      const value = element instanceof HTMLTextAreaElement ? element.value || `(${element.placeholder})` : element instanceof HTMLInputElement ? String(element.checked) : '';
      const faint = style.opacity === '1' ? '' : ` ${style.opacity}`;
      found.push([
        [element.tagName.toLowerCase(), ...element.classList].join('.'), (text || glyph || value).slice(0, 60), Math.round(rect.x), Math.round(rect.y), Math.round(rect.width), Math.round(rect.height),
        [hex(style.color), ground ? hex(style.backgroundColor) : '', edge && !clear(edgeColour) ? hex(edgeColour) : ''].join(' ').trimEnd() + faint,
      ]);
    }
    return found;
  });
}

/** What differs between two lists of boxes, a line each, at most ten. A rectangle may differ by one pixel. */
export function boxDiffs(expected: readonly Box[], actual: readonly Box[]): string[] {
  const wrong: string[] = [];
  const say = (box: Box | undefined): string => (box === undefined ? 'nothing' : `${box[0]} "${box[1]}" at ${box[2]},${box[3]} ${box[4]}×${box[5]} ${box[6]}`);
  for (let place = 0; place < Math.max(expected.length, actual.length) && wrong.length < 10; place += 1) {
    const before = expected[place];
    const after = actual[place];
    const same = before !== undefined && after !== undefined && before.every((part, index) => (typeof part === 'number' ? Math.abs(part - Number(after[index])) <= 1 : part === after[index]));
    if (!same) wrong.push(`${say(before)} became ${say(after)}`);
  }
  return wrong;
}
