/** How contents are shown: in VS Code's image viewer, in an editor, or not at all. */
type ContentKind = 'image' | 'text' | 'binary';

/** Endings that VS Code's own image viewer takes. */
const VIEWED = /\.(?:png|jpe?g|jpe|gif|bmp|ico|webp|avif)$/i;
/** Bytes of the beginning that are looked at. */
const LOOKED_AT = 8_000;

/** True where the name alone makes VS Code open its image viewer. */
export function isImageName(name: string): boolean {
  return VIEWED.test(name);
}

/** What a file is, by its name and how it begins: an image's name on a text (a pointer of Git LFS) makes no image of it. */
export function kindOf(name: string, head: Uint8Array): ContentKind {
  if (imageEnding(head) !== null) return 'image';
  if (looksLikeText(head.subarray(0, LOOKED_AT))) return 'text';
  return isImageName(name) ? 'image' : 'binary';
}

/** The ending for an image by how it begins; null for what is none of a known kind. */
export function imageEnding(head: Uint8Array): string | null {
  const begin = Buffer.from(head.subarray(0, 16)).toString('latin1');
  if (begin.startsWith('\u0089PNG\r\n\u001A\n')) return '.png';
  if (begin.startsWith('\u00FF\u00D8\u00FF')) return '.jpg';
  if (/^GIF8[79]a/.test(begin)) return '.gif';
  if (/^RIFF.{4}WEBP/s.test(begin)) return '.webp';
  if (/^.{4}ftypavi[fs]/s.test(begin)) return '.avif';
  return null;
}

/** A name under which the image viewer takes it: attachments come with any name, or with none. */
export function viewedName(name: string, head: Uint8Array): string {
  const ending = isImageName(name) || kindOf(name, head) !== 'image' ? null : imageEnding(head);
  return ending === null ? name : name + ending;
}

function looksLikeText(head: Uint8Array): boolean {
  const [first, second] = head;
  // UTF-16 is full of zeros, but says what it is.
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true;
  if (Buffer.from(head.subarray(0, 5)).toString('latin1') === '%PDF-') return false;
  let odd = 0;
  for (const byte of head) {
    if (byte === 0) return false;
    if (byte < 7 || (byte > 13 && byte < 32 && byte !== 27)) odd += 1;
  }
  return odd <= head.length / 50;
}

/** Bytes for a person: `3.4 MB`. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  const [unit, by] = bytes < 1_000_000 ? ['KB', 1_000] as const : bytes < 1_000_000_000 ? ['MB', 1_000_000] as const : ['GB', 1_000_000_000] as const;
  return `${(bytes / by).toFixed(bytes / by < 10 ? 1 : 0)} ${unit}`;
}
