import type { Attachment } from '../types.ts';

/** Reads a file whole. Rejects in words for the person when it can't be read. */
export function readAttachment(file: File): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      const url = typeof reader.result === 'string' ? reader.result : '';
      resolve({ name: file.name === '' ? 'image.png' : file.name, mediaType: file.type === '' ? 'application/octet-stream' : file.type, size: file.size, data: url.slice(url.indexOf(',') + 1), path: null });
    });
    reader.addEventListener('error', () => reject(new Error(`${file.name} could not be read. A folder can't be attached: mention it with @ instead.`)));
    reader.readAsDataURL(file);
  });
}
