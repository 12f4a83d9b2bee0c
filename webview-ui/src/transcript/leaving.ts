/** Where a view stands on what it scrolls, in CSS pixels. */
export interface Stand {
  readonly top: number;
  readonly height: number;
}

/**
 * True when a view that followed the end was taken up from it by the person, or by what reads for them, which nothing else tells of. What the browser does by itself is no more than what was lost of
 * the height, and, where as much came meanwhile, not a view's height beyond that.
 */
export function isLeaving(before: Stand, now: Stand & { readonly view: number }, meant: boolean): boolean {
  const up = before.top - now.top;
  if (up <= 1) return false;
  return meant || before.height === now.height || up > Math.max(0, before.height - now.height) + now.view;
}
