import type { Prompt } from '../../../model/backend.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonValue } from '../../../model/json.ts';

/**
 * `input` of turn/start and turn/steer. Images go as data URLs or by their path, other files by their path, texts within the prompt. Throws
 * `invalid_argument` for what Codex cannot take.
 */
export function inputOf(prompt: Prompt): JsonValue[] {
  const texts = prompt.text === '' ? [] : [prompt.text];
  const images: JsonValue[] = [];
  for (const { name, mediaType, data, path } of prompt.attachments) {
    if (mediaType.startsWith('image/') && data !== null) images.push({ type: 'image', url: `data:${mediaType};base64,${data}` });
    else if (mediaType.startsWith('image/') && path !== null) images.push({ type: 'localImage', path });
    else if (path !== null) texts.push(`Attached file: ${path}`);
    else if (data !== null && /^text\/|json$|xml$/.test(mediaType)) texts.push(`Attached file ${name}:\n${Buffer.from(data, 'base64').toString('utf8')}`);
    else throw new PilothouseError('invalid_argument', `Codex cannot take ${name}: it takes images, texts and files of this computer.`);
  }
  if (texts.join('').trim() === '' && images.length === 0) throw new PilothouseError('invalid_argument', 'There is nothing to send. Write something first.');
  return [...(texts.length === 0 ? [] : [{ type: 'text', text: texts.join('\n\n'), text_elements: [] }]), ...images];
}
