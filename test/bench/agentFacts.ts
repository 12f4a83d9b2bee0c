/** What the bench's agent and the bench agree on. */

/** The whole of an answer in 50,000 pieces. */
export const FLOOD = { chars: 1_000_000, piece: 20, end: '\n\nTHE END OF THE FLOOD' } as const;
export const STEADY = { chars: 200_000, piece: 4, piecesPerSecond: 5_000, end: '\n\nTHE END OF THE ANSWER' } as const;
export const REPLAY_EVENTS = 10_000;
/** The session that the agent replays. */
export const REPLAYED = { id: 'replayed', title: 'Replayed by its agent', end: 'THE END OF THE REPLAY' } as const;
/** Sessions that the store has, with so many entries. */
export const STORED = [{ id: 'stored-1000', title: 'Stored, 1,000 entries', entries: 1_000 }, { id: 'stored-100000', title: 'Stored, 100,000 entries', entries: 100_000 }] as const;

/** Milliseconds since the epoch: when the agent was asked, wrote its first and had written its last update. */
export interface WriteTimes {
  readonly what: 'flood' | 'steady' | 'replay';
  readonly asked: number;
  readonly first: number;
  readonly last: number;
}
