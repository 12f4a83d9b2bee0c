import { parentPort } from 'node:worker_threads';
import type { WritingRequest } from './writing.ts';
import { DocumentWriting } from './writing.ts';

/** The thread that writes one exported document: an entry file of its own. A megabyte of markdown takes most of a second to render, and a long list of it can only be rendered in one go. */
function serve(port: NonNullable<typeof parentPort>): void {
  const writing = new DocumentWriting();
  port.on('message', (request: WritingRequest) => {
    const reply = writing.answer(request);
    if (reply !== null) port.postMessage(reply, reply.document === null ? [] : [reply.document.buffer]);
  });
}

if (parentPort !== null) serve(parentPort);
