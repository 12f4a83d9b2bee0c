/** Where VS Code's window is, which may be another computer than the one that its extensions run on. */
const platform = typeof navigator === 'undefined' ? '' : navigator.platform;
export const MAC = /^(?:Mac|iPhone|iPad)/.test(platform);
const WINDOWS = platform.startsWith('Win');

/** Keys of the page and of VS Code's that act on it, as this platform writes them. */
export const KEYS = {
  send: MAC ? '⌘⏎' : 'Ctrl+Enter',
  steer: MAC ? '⌥⏎' : 'Alt+Enter',
  /** As the key binding of Interrupt Turn. */
  stop: MAC ? '⌘⎋' : WINDOWS ? 'Alt+Backspace' : 'Ctrl+Escape',
  transcript: MAC ? '⌘↑' : 'Ctrl+UpArrow',
  /** On a row of the transcript, with nothing selected. */
  copy: MAC ? '⌘C' : 'Ctrl+C',
  document: MAC ? '⌥F2' : 'Alt+F2',
} as const;

/** An Enter that goes on from where it was pressed: the focus has moved since, and nobody has pressed what has it now. */
export function isHeldEnter(event: { readonly key: string; readonly repeat: boolean }): boolean {
  return event.key === 'Enter' && event.repeat;
}
