import { pathToFileURL } from 'node:url';
import type { ContentBlock } from '@agentclientprotocol/sdk';
import type { Prompt } from '../../../model/backend.ts';
import type { Attachment } from '../../../model/entry.ts';
import { PilothouseError } from '../../../model/errors.ts';
import type { AgentFacts } from './link.ts';

function isText(mediaType: string): boolean {
  return /^text\/|[/+](?:json|xml|yaml|javascript|typescript)$/.test(mediaType);
}

/** One attachment as the agent can take it: an image or text within the prompt where it declared that, else a link to the file (which every agent takes). */
function blockFor(attachment: Attachment, facts: AgentFacts): ContentBlock {
  const { name, mediaType, data, path, size } = attachment;
  const image = mediaType.startsWith('image/');
  if (image && data !== null && facts.images) return { type: 'image', mimeType: mediaType, data };
  if (path !== null) return { type: 'resource_link', name, uri: pathToFileURL(path).href, mimeType: mediaType, ...(size === null ? {} : { size }) };
  if (image) throw new PilothouseError('invalid_argument', 'This agent takes no images. Leave the image out.');
  if (data === null) throw new PilothouseError('invalid_argument', `The attachment ${name} has no content. Attach it again.`);
  const uri = `attachment:///${encodeURIComponent(name)}`;
  if (facts.embedded) {
    const text = isText(mediaType) ? Buffer.from(data, 'base64').toString('utf8') : null;
    return { type: 'resource', resource: text === null ? { uri, mimeType: mediaType, blob: data } : { uri, mimeType: mediaType, text } };
  }
  if (!isText(mediaType)) throw new PilothouseError('invalid_argument', `This agent does not take attachments of type ${mediaType}. Leave ${name} out.`);
  return { type: 'text', text: `${name}:\n${Buffer.from(data, 'base64').toString('utf8')}` };
}

/** A prompt as content blocks (schema v1). Throws `invalid_argument` for what this agent cannot take. */
export function promptBlocks(prompt: Prompt, facts: AgentFacts): ContentBlock[] {
  return [...(prompt.text === '' ? [] : [{ type: 'text' as const, text: prompt.text }]), ...prompt.attachments.map((one) => blockFor(one, facts))];
}
