import { rmSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { describeError, PilothouseError } from '../../model/errors.ts';
import { SearchIndex } from './blocks.ts';
import { loadIndex, saveIndex } from './indexFile.ts';
import { StoreReader } from './reader.ts';
import { Scanner } from './scanner.ts';
import type { SearchAsk, SearchReply, SearchRequest, SearchWorkerOptions } from './wire.ts';

/** Bytes of what is remembered of a store: enough for some millions of entries. */
const MOST_BYTES = 96 * 1024 * 1024;
/** Entries of which nothing is on disk yet, from which on writing pays. */
const WORTH_SAVING = 4_096;

/** The search's thread: an entry file of its own. It reads the store's file by a connection of its own, so that the store's thread is never held. */
function serve(port: NonNullable<typeof parentPort>): void {
  const options = workerData as SearchWorkerOptions;
  const wanted = new Int32Array(options.wanted);
  const reply = (message: SearchReply): void => port.postMessage(message);
  let opened: { readonly reader: StoreReader; readonly index: SearchIndex; readonly scanner: Scanner } | null = null;
  const open = (): NonNullable<typeof opened> => {
    const reader = new StoreReader(options.file, options.key);
    const index = new SearchIndex(MOST_BYTES);
    loadIndex(options.indexFile, index, reader);
    return { reader, index, scanner: new Scanner(reader, index) };
  };
  const save = (least: number): void => {
    if (opened === null || opened.index.unsaved < least) return;
    try {
      saveIndex(options.indexFile, opened.index, opened.reader);
    } catch {
      // What could not be written is looked through again.
      return;
    }
  };
  const trim = (): void => {
    try {
      opened ??= open();
      save(0);
    } catch {
      // Without the store's file there is nothing to be found by it either.
      rmSync(options.indexFile, { force: true });
    }
  };
  const search = (id: number, request: SearchRequest): void => {
    try {
      opened ??= open();
      const whole = opened.scanner.run({ request, tell: (update) => reply({ type: 'update', id, update }), cancelled: () => Atomics.load(wanted, 0) !== id });
      if (whole) save(WORTH_SAVING);
      else reply({ type: 'cancelled', id });
    } catch (error) {
      const code = error instanceof PilothouseError ? error.code : 'search_failed';
      reply({ type: 'failed', id, code, message: error instanceof PilothouseError ? error.message : `The search broke off: ${describeError(error)}. Try again; report it with the log if it stays.` });
    }
  };
  port.on('message', (ask: SearchAsk) => {
    if (ask.ask === 'search') {
      if (Atomics.load(wanted, 0) === ask.id) search(ask.id, ask.request);
      else reply({ type: 'cancelled', id: ask.id });
      return;
    }
    if (ask.ask === 'trim') {
      trim();
      return;
    }
    save(1);
    opened?.reader.close();
    opened = null;
    reply({ type: 'ended' });
    port.close();
  });
}

if (parentPort !== null) serve(parentPort);
