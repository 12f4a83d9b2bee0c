type Child = Node | string | null;

/** An element with classes and children. Strings become text, never markup. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, ...children: readonly Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/** A codicon, hidden from assistive technology: what it means stands beside it in words. */
export function icon(name: string): HTMLElement {
  const element = el('span', `codicon codicon-${name}`);
  element.setAttribute('aria-hidden', 'true');
  return element;
}

interface ButtonOptions {
  readonly label: string;
  readonly icon?: string;
  /** Text on the button; without it the label is its name only. */
  readonly text?: string;
  readonly className?: string;
}

export function button(options: ButtonOptions, press: (event: MouseEvent) => void): HTMLButtonElement {
  const element = el('button', options.className ?? 'quiet');
  element.type = 'button';
  if (options.icon !== undefined) element.append(icon(options.icon));
  if (options.text !== undefined) element.append(el('span', 'button-text', options.text));
  if (options.text !== options.label) element.setAttribute('aria-label', options.label);
  if (options.text === undefined) element.title = options.label;
  element.addEventListener('click', press);
  return element;
}

/** True while the focus is on a row itself that is not the last one: somebody reads it by keys. */
export function readsRow(log: HTMLElement): boolean {
  const row = document.activeElement;
  return row?.parentElement === log && row.matches('[role="article"]') && row.nextElementSibling?.matches('[role="article"]') === true;
}

/** Sets an attribute only when it differs: setting it again would invalidate style. */
export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Says of a node that is not the parser's own whether it now shows what `wanted` does; null where the node is like any other. */
type Own = (old: Node, wanted: Node) => boolean | null;

/** Makes `target` look like `source` by changing as few nodes as it can: what did not change keeps its nodes, its selection and its focus. */
export function morph(target: Node, source: Node, own?: Own): void {
  let old = target.firstChild;
  let wanted = source.firstChild;
  while (wanted !== null) {
    const next: ChildNode | null = wanted.nextSibling;
    if (old === null) target.appendChild(wanted);
    else if (!morphNode(old, wanted, own)) {
      const after: ChildNode | null = old.nextSibling;
      target.replaceChild(wanted, old);
      old = after;
    } else old = old.nextSibling;
    wanted = next;
  }
  while (old !== null) {
    const after: ChildNode | null = old.nextSibling;
    target.removeChild(old);
    old = after;
  }
}

function morphNode(old: Node, wanted: Node, own?: Own): boolean {
  const decided = own?.(old, wanted) ?? null;
  if (decided !== null) return decided;
  if (old.nodeType !== wanted.nodeType || old.nodeName !== wanted.nodeName) return false;
  if (old instanceof Text && wanted instanceof Text) {
    if (old.data !== wanted.data) {
      if (wanted.data.startsWith(old.data)) old.appendData(wanted.data.slice(old.data.length));
      else old.data = wanted.data;
    }
    return true;
  }
  if (!(old instanceof Element) || !(wanted instanceof Element)) return true;
  for (const { name } of Array.from(old.attributes)) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) setAttribute(old, name, value);
  morph(old, wanted, own);
  return true;
}

/** Height of a space, in CSS pixels. */
export function setHeight(element: HTMLElement, height: number): void {
  const value = `${Math.max(0, height)}px`;
  if (element.style.height !== value) element.style.height = value;
}
