import type { Disposable } from '../../core/model/backend.ts';
import { TranscriptFind } from '../../core/session/find.ts';
import type { TranscriptView } from '../../core/session/transcript-api.ts';
import { promptFrom, promptsBefore, rowOfRequest } from '../../core/session/turns.ts';
import type { HostMessage, PageRequest, ReplyValue } from '../../protocol/chat.ts';
import { findPattern, findReach } from '../../protocol/find.ts';

/** What a page asks about the session as a whole. */
type FindingRequest = Extract<PageRequest, { ask: 'find' | 'find-step' | 'find-end' | 'prompt' | 'prompts' | 'place' | 'request-place' }>;

const DONE: ReplyValue = { kind: 'done', message: null };

/** Finding in one chat: at most one search at a time, whose counts and matches go to the page as they come. */
export class ChatFinding implements Disposable {
  private readonly transcript: TranscriptView;
  private readonly post: (message: HostMessage) => void;
  private readonly showsThinking: () => boolean;
  private running: { readonly id: number; readonly find: TranscriptFind } | null = null;

  constructor(transcript: TranscriptView, showsThinking: () => boolean, post: (message: HostMessage) => void) {
    this.transcript = transcript;
    this.showsThinking = showsThinking;
    this.post = post;
  }

  async answer(body: FindingRequest): Promise<ReplyValue> {
    switch (body.ask) {
      case 'find':
        this.begin(body);
        return DONE;
      case 'find-step':
        if (this.running?.id === body.id) await this.running.find.step(body.step);
        return DONE;
      case 'find-end':
        this.dispose();
        return DONE;
      case 'prompt': {
        const found = await promptFrom(this.transcript, body.from, body.step);
        return { kind: 'place', index: found?.index ?? 0, row: found?.row.key ?? null };
      }
      case 'prompts': {
        const { prompts, next } = await promptsBefore(this.transcript, body.before);
        return { kind: 'prompts', prompts: prompts.map((row) => row.text), next };
      }
      case 'request-place': {
        const found = await rowOfRequest(this.transcript, body.requestId);
        return { kind: 'place', index: found?.index ?? 0, row: found?.row.key ?? null };
      }
      case 'place': {
        const index = await this.transcript.indexOf(body.row);
        const row = index === null ? undefined : (await this.transcript.rows(index, index + 1)).rows[0];
        return { kind: 'place', index: index ?? 0, row: row?.key ?? null };
      }
    }
  }

  /** Ends the search: nobody looks any more. */
  dispose(): void {
    this.running?.find.dispose();
    this.running = null;
  }

  private begin({ id, query, from }: Extract<FindingRequest, { ask: 'find' }>): void {
    this.dispose();
    const pattern = findPattern(query);
    if (pattern === null) {
      this.post({ type: 'find', id, total: 0, searching: false, position: null, failed: false });
      return;
    }
    const find = new TranscriptFind({
      transcript: this.transcript, pattern, reach: findReach(query), thinking: this.showsThinking(), from,
      onStatus: (status) => this.post({ type: 'find', id, ...status }),
      onPlace: (place) => this.post({ type: 'found', id, place }),
    });
    this.running = { id, find };
  }
}
