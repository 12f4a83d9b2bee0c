import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { Entry } from '../../../src/core/model/entry.ts';
import type { JsonValue } from '../../../src/core/model/json.ts';
import type { Row } from '../../../src/core/model/row.ts';
import { viewOf } from '../../../src/core/session/view.ts';
import type { MessageInput } from '../../../src/core/systems/happy/normalise/index.ts';
import { plainContext, SessionNormaliser } from '../../../src/core/systems/happy/normalise/index.ts';
import { checkTranscript, partitioned, randomFrom, repeated, runs, shuffled } from '../session/properties.ts';
import { readRecording, recordings } from './normaliseRecording.ts';
import type { GeneratedSession } from './normaliseSessions.ts';
import { happySessions } from './normaliseSessions.ts';

interface Source {
  readonly messages: readonly MessageInput[];
  readonly states: readonly { readonly agentState: JsonValue; readonly version: number }[];
}
const sourceOf = ({ messages, states }: GeneratedSession): Source => ({ messages, states: states.map((agentState, version) => ({ agentState, version })) });

/** The batches of entries that a session gives when its messages come in these portions, and versions of its state in between, each in its order. */
function followed(portions: readonly (readonly MessageInput[])[], states: Source['states'], at: (index: number) => number, of = plainContext): Entry[][] {
  const log = new SessionNormaliser(of);
  const batches: Entry[][] = [];
  let next = 0;
  portions.forEach((portion, index) => {
    for (; next < states.length && at(next) <= index; next += 1) batches.push(log.agentState(states[next]?.agentState, states[next]?.version ?? 0));
    batches.push(log.messages(portion));
  });
  for (; next < states.length; next += 1) batches.push(log.agentState(states[next]?.agentState, states[next]?.version ?? 0));
  return batches;
}

function viewAsItCame({ messages, states }: Source, of = plainContext): Row[] {
  return viewOf(followed([messages], states, () => 1, of).flat());
}

/** As a client may meet it: in any order, any portions, some of it again, versions of the state anywhere between. */
function anyhow({ messages, states }: Source, seed: number, of = plainContext): Entry[][] {
  const random = randomFrom(seed);
  const order = seed % 4 === 0 ? [...messages].reverse() : shuffled(repeated(messages, random), random);
  const portions = partitioned(order, random);
  const places = states.map(() => Math.floor(random() * (portions.length + 1))).sort((a, b) => a - b);
  return followed(portions, states, (index) => places[index] ?? 0, of);
}

describe('P1 and P2: the view of a Happy session follows from the set of its messages', () => {
  it('generated sessions, every order and partition, with repetitions', () => {
    fc.assert(
      fc.property(happySessions, fc.integer({ min: 0 }), (session, seed) => {
        const source = sourceOf(session);
        assert.deepEqual(viewOf(anyhow(source, seed).flat()), viewAsItCame(source));
      }),
      { numRuns: runs(1_000, 10_000) },
    );
  }, 600_000);

  it('generated sessions, live with little memory: what is taken back goes from the list too', async () => {
    await fc.assert(
      fc.asyncProperty(happySessions, fc.record({ seed: fc.integer({ min: 0 }), tailRows: fc.integer({ min: 1, max: 8 }), keepRows: fc.integer({ min: 1, max: 12 }), reopen: fc.boolean() }), async (session, setting) => {
        const batches = anyhow(sourceOf(session), setting.seed);
        await checkTranscript(batches.flat(), batches, setting);
      }),
      { numRuns: runs(300, 3_000) },
    );
  }, 600_000);

  it.each(recordings)('recorded: %s', (name) => {
    const source = readRecording(name);
    const { context } = source;
    const expected = viewAsItCame(source, context);
    for (let seed = 0; seed < runs(50, 1_000); seed += 1) assert.deepEqual(viewOf(anyhow(source, seed, context).flat()), expected, `seed ${seed}`);
  }, 600_000);

  it.each(['12b-queue-batching', '13-ask-plan-task-todo-title', '26-terminal-local-mode', '33-codex-aborts', '38-codex-fork', '42-gemini'])('recorded, live: %s', async (name) => {
    const source = readRecording(name);
    const { context } = source;
    for (let seed = 0; seed < runs(20, 200); seed += 1) {
      const batches = anyhow(source, seed, context);
      await checkTranscript(batches.flat(), batches, { seed, tailRows: 1 + (seed % 7), keepRows: 1 + (seed % 11), reopen: seed % 3 === 2 });
    }
  }, 600_000);
});
