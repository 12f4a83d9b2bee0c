import type { Prompt } from '../../../model/backend.ts';
import type { Attachment } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { JsonObject } from '../../../model/json.ts';

const images = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

function blockOf(attachment: Attachment): JsonObject {
  const { data, mediaType, name, path } = attachment;
  if (data !== null && images.has(mediaType)) return { type: 'image', source: { type: 'base64', media_type: mediaType, data } };
  if (data !== null && mediaType === 'application/pdf') return { type: 'document', title: name, source: { type: 'base64', media_type: mediaType, data } };
  if (path !== null) return { type: 'text', text: `@${path}` };
  if (data !== null && (mediaType.startsWith('text/') || mediaType === 'application/json')) {
    return { type: 'text', text: `<file name=${JSON.stringify(name)}>\n${Buffer.from(data, 'base64').toString('utf8')}\n</file>` };
  }
  throw new PilothouseError('invalid_argument', `Claude Code cannot take ${name} (${mediaType}). Save it in the folder and name its path instead.`);
}

/** The user message of a prompt as stdin takes it. Rejects attachments that the agent cannot take with `invalid_argument`. */
export function userMessage(prompt: Prompt, uuid: string): JsonObject {
  const text: JsonObject[] = prompt.text === '' ? [] : [{ type: 'text', text: prompt.text }];
  // A slash command is one only as a plain text.
  const content = prompt.attachments.length === 0 ? prompt.text : [...text, ...prompt.attachments.map(blockOf)];
  return { type: 'user', message: { role: 'user', content }, parent_tool_use_id: null, uuid };
}
