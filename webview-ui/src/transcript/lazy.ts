/** Tells of elements that come near the view and go away from it, so that what is far away need not be in the page. */
export class Lazy {
  private readonly observer: IntersectionObserver;
  private readonly listeners = new WeakMap<Element, (near: boolean) => void>();

  constructor(root: HTMLElement) {
    this.observer = new IntersectionObserver((entries) => {
      for (const entry of entries) this.listeners.get(entry.target)?.(entry.isIntersecting);
    }, { root, rootMargin: '1200px 0px' });
  }

  watch(element: Element, listener: (near: boolean) => void): void {
    this.listeners.set(element, listener);
    this.observer.observe(element);
  }

  unwatch(element: Element): void {
    this.listeners.delete(element);
    this.observer.unobserve(element);
  }
}
