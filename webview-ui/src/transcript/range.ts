import type { Virtualizer } from '@tanstack/virtual-core';

/** How far beyond the view rows are in the page, in CSS pixels. */
const MARGIN = 700;

/** Places of the first and last item that are to be in the page; `following`: whatever the page shows now, the view stands at the end. */
export function rangeOf(virtual: Virtualizer<HTMLElement, HTMLElement>, count: number, log: HTMLElement, following: boolean): [number, number] {
  if (count === 0) return [0, -1];
  const height = log.clientHeight || 800;
  if (following) {
    const end = virtual.getTotalSize();
    return [virtual.getVirtualItemForOffset(Math.max(0, end - height - MARGIN))?.index ?? 0, count - 1];
  }
  const top = log.scrollTop;
  return [
    virtual.getVirtualItemForOffset(Math.max(0, top - MARGIN))?.index ?? 0,
    virtual.getVirtualItemForOffset(top + height + MARGIN)?.index ?? count - 1,
  ];
}
