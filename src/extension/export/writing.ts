import type { Row } from '../../core/model/row.ts';
import type { ExportFormat, ExportHead } from '../../core/session/export.ts';
import { jsonFormat, markdownFormat } from '../../core/session/export.ts';
import { htmlFormat } from './html.ts';

export type DocumentKind = 'markdown' | 'html' | 'json';

/** What the thread that writes a document is asked, in this order: its beginning, its rows, what it waits for (`page`), its end. */
export type WritingRequest =
  | { readonly ask: 'begin'; readonly kind: DocumentKind; readonly head: ExportHead }
  | { readonly ask: 'row'; readonly row: Row }
  | { readonly ask: 'page' }
  | { readonly ask: 'end' };

/** The answer to `page`, and to `end` with the document as UTF-8. */
export interface WritingReply {
  readonly document: Uint8Array<ArrayBuffer> | null;
}

const FORMATS: Readonly<Record<DocumentKind, ExportFormat>> = { markdown: markdownFormat, html: htmlFormat, json: jsonFormat };

/** A document that is put together a row at a time. Give it what is asked, in the order of WritingRequest. */
export class DocumentWriting {
  private readonly encoder = new TextEncoder();
  private readonly parts: Uint8Array[] = [];
  private format: ExportFormat = markdownFormat;
  private first = true;

  answer(request: WritingRequest): WritingReply | null {
    switch (request.ask) {
      case 'begin':
        this.format = FORMATS[request.kind];
        this.add(this.format.head(request.head));
        return null;
      case 'row':
        this.add(this.format.row(request.row, this.first));
        this.first = false;
        return null;
      case 'page':
        return { document: null };
      case 'end':
        this.add(this.format.tail());
        return { document: this.whole() };
    }
  }

  private add(text: string): void {
    this.parts.push(this.encoder.encode(text));
  }

  private whole(): Uint8Array<ArrayBuffer> {
    const whole = new Uint8Array(this.parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}
