import type { JSX } from 'preact';
import { Icon } from '../cards/parts.tsx';
import { attachmentLine } from '../model/words.ts';
import { imageSource } from '../rows/parts.ts';
import type { Draft } from './draft.ts';

/** Files that go with the message. */
export function Files({ draft }: { readonly draft: Draft }): JSX.Element | null {
  const files = draft.files.value;
  if (files.length === 0) return null;
  return (
    <ul class="files" aria-label="Attached files">
      {files.map((file, place) => {
        const source = imageSource(file);
        return (
          <li key={place} class="file-chip" title={attachmentLine(file)}>
            {source === null ? <Icon name="file" /> : <img src={source} alt="" />}
            <span class="cut">{file.name}</span>
            <button type="button" class="tool-button" aria-label={`Remove ${file.name}`} onClick={() => draft.removeFile(place)}><Icon name="close" /></button>
          </li>
        );
      })}
    </ul>
  );
}
