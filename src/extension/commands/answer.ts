import { answersAtOnce } from '../../core/fleet/attention.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { SessionKey, WaitingPermission } from '../../core/model/session.ts';
import type { Services } from '../services.ts';
import { connectionOf } from './pick.ts';
import { withRuntime } from './withRuntime.ts';

/**
 * Answers a request from outside of its chat, in the tree or on a notification, as it was shown there. Rejects with `already_answered`, also where its id stands for another request by now, with `no_contact`
 * where nobody knows whether it waits, and with `needs_review` for what may be allowed only where all of it is seen.
 */
export async function answerRequest(services: Services, key: SessionKey, shown: WaitingPermission, outcome: 'allow' | 'deny'): Promise<void> {
  mayAnswer(services, key, shown, outcome);
  await withRuntime(services, key, async (runtime) => {
    // Another may wait by now: it takes a while to open a session.
    mayAnswer(services, key, shown, outcome);
    await runtime.answer(shown.requestId, { outcome });
  });
}

function mayAnswer(services: Services, key: SessionKey, shown: WaitingPermission, outcome: 'allow' | 'deny'): void {
  const session = services.fleet.session(key);
  const request = session?.waiting.find((each) => each.requestId === shown.requestId && each.askedAt === shown.askedAt && each.whole === shown.whole);
  if (session === null || request === undefined) {
    if (session?.state === 'unknown') throw new PilothouseError('no_contact', 'There is no contact with this session now: it is not known whether it still asks. Try again when there is.');
    throw new PilothouseError('already_answered', 'This request was answered or withdrawn already.');
  }
  if (outcome === 'allow' && !answersAtOnce(request, connectionOf(services, session))) throw new PilothouseError('needs_review', 'This request is more than one line can say. Open it, and allow it there.');
}
