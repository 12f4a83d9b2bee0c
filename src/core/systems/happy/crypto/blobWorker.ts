import { parentPort } from 'node:worker_threads';
import type { BlobReply, BlobRequest } from './blobWork.ts';
import { doBlob } from './blobWork.ts';

/** The thread of attachments: an entry file of its own. tweetnacl takes 100 ms for the 10 MiB that Happy allows, and can only do them in one go. */
function serve(port: NonNullable<typeof parentPort>): void {
  port.on('message', ({ id, ...work }: BlobRequest) => {
    const bytes = doBlob(work);
    work.key.fill(0);
    const reply: BlobReply = { id, bytes };
    port.postMessage(reply, bytes === null ? [] : [bytes.buffer as ArrayBuffer]);
  });
}

if (parentPort !== null) serve(parentPort);
