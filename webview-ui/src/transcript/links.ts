import type { ChatPage } from '../page.ts';

/** Follows the page's links: none has an address of its own, so only this opens one, and only through the host. */
export function followLinks(root: HTMLElement, page: ChatPage): void {
  const follow = (event: Event): boolean => {
    const link = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-href], [data-path]') : null;
    if (link === null || !root.contains(link)) return false;
    const { href, path, line } = link.dataset;
    if (href !== undefined) void page.ask({ ask: 'open-link', href });
    else if (path !== undefined) void page.ask({ ask: 'open-file', path, line: line === undefined ? null : Number(line) });
    event.preventDefault();
    return true;
  };
  root.addEventListener('click', (event) => {
    // A selection that ends on a link is no click on it.
    if (document.getSelection()?.isCollapsed !== false) follow(event);
  });
  root.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.target instanceof Element && event.target.matches('[data-href], [data-path]')) follow(event);
  });
}
