import type { OutlineTurn } from '../../core/session/turns.ts';
import { age, pickText } from '../tree/text.ts';

/** A turn in a quick pick: the prompt's first line, and how the turn went. `now` in ms since the epoch. */
export function turnItem(turn: Pick<OutlineTurn, 'text' | 'at' | 'state' | 'filesChanged'>, now: number): { readonly label: string; readonly description: string } {
  const words = [
    turn.state === null || turn.state === 'completed' ? '' : turn.state,
    turn.filesChanged === 0 ? '' : `${turn.filesChanged} ${turn.filesChanged === 1 ? 'file' : 'files'} changed`,
    turn.at === null ? '' : age(turn.at, now),
  ];
  return { label: pickText(turn.text.trimStart().split('\n', 1)[0] ?? '', 120) || 'A prompt without words', description: words.filter((word) => word !== '').join(' · ') };
}
