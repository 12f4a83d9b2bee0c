/**
 * What compares pictures of the gallery. Two builds of Chromium draw the edges of the same letters differently: at most one pixel in a hundred, but by as much as black from white.
 * The mean colour of eight by eight pixels differs by 21 of 255 at most, so these means are what is kept and compared.
 */
const CELL = 8;
/** By how much a mean may differ, of 255, in any channel. */
const TOLERATED = 32;

async function pixels(base64: string): Promise<ImageData> {
  const bytes = Uint8Array.from(atob(base64), (char) => char.codePointAt(0) ?? 0);
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: 'none' });
  const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  if (pen === null) throw new Error('no canvas');
  pen.drawImage(bitmap, 0, 0);
  return pen.getImageData(0, 0, bitmap.width, bitmap.height);
}

async function encode(image: ImageData, type: 'image/png' | 'image/webp'): Promise<string> {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext('2d')?.putImageData(image, 0, 0);
  // Quality 1 is WebP without loss.
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type, quality: 1 })).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCodePoint(byte)).join(''));
}

/** The means of a picture's cells, a pixel each. */
function means(picture: ImageData): ImageData {
  const width = Math.ceil(picture.width / CELL);
  const height = Math.ceil(picture.height / CELL);
  const sums = new Float64Array(width * height * 4);
  for (let y = 0; y < picture.height; y += 1) {
    for (let x = 0; x < picture.width; x += 1) {
      const cell = (Math.floor(y / CELL) * width + Math.floor(x / CELL)) * 4;
      const at = (y * picture.width + x) * 4;
      for (let channel = 0; channel < 3; channel += 1) sums[cell + channel] = (sums[cell + channel] ?? 0) + (picture.data[at + channel] ?? 0);
      sums[cell + 3] = (sums[cell + 3] ?? 0) + 1;
    }
  }
  const result = new ImageData(width, height);
  for (let cell = 0; cell < sums.length; cell += 4) {
    for (let channel = 0; channel < 3; channel += 1) result.data[cell + channel] = Math.round((sums[cell + channel] ?? 0) / (sums[cell + 3] ?? 1));
    result.data[cell + 3] = 255;
  }
  return result;
}

/** Pictures of one scene in a row, each as its means. */
async function sheet(pictures: readonly string[]): Promise<ImageData> {
  const parts = (await Promise.all(pictures.map(pixels))).map(means);
  const result = new ImageData(parts.reduce((sum, part) => sum + part.width, 0), Math.max(...parts.map((part) => part.height)));
  let left = 0;
  for (const part of parts) {
    for (let y = 0; y < part.height; y += 1) result.data.set(part.data.subarray(y * part.width * 4, (y + 1) * part.width * 4), (y * result.width + left) * 4);
    left += part.width;
  }
  return result;
}

/** What a comparison tells: cells that differ, null where the sizes do; what came, as WebP to be kept; and a PNG with the cells that differ in red. */
export interface Comparison {
  readonly different: number | null;
  readonly kept: string;
  readonly diff: string | null;
}

/** Compares pictures (base64 of PNG) with a sheet that was kept (base64 of WebP), or with nothing. */
async function compare(pictures: readonly string[], expected: string | null): Promise<Comparison> {
  const came = await sheet(pictures);
  const kept = await encode(came, 'image/webp');
  const before = expected === null ? null : await pixels(expected);
  if (before === null || before.width !== came.width || before.height !== came.height) return { different: null, kept, diff: null };
  const diff = new ImageData(came.width, came.height);
  let different = 0;
  for (let at = 0; at < came.data.length; at += 4) {
    let by = 0;
    for (let channel = 0; channel < 4; channel += 1) by = Math.max(by, Math.abs((came.data[at + channel] ?? 0) - (before.data[at + channel] ?? 0)));
    if (by > TOLERATED) different += 1;
    diff.data.set(by > TOLERATED ? [255, 0, 0, 255] : [came.data[at] ?? 0, came.data[at + 1] ?? 0, came.data[at + 2] ?? 0, 90], at);
  }
  return { different, kept, diff: different === 0 ? null : await encode(diff, 'image/png') };
}

Object.assign(window, { compare });
