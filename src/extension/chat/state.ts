import type { Fleet } from '../../core/fleet/fleet.ts';
import type { SessionRuntime } from '../../core/fleet/runtime.ts';
import type { OutboxItem } from '../../core/session/store-api.ts';
import type { ChatState } from '../../protocol/chat.ts';
import { folderOf, shortFolder } from '../tree/model.ts';
import { agentName } from '../tree/text.ts';
import { contactOf, problemOf } from './contact.ts';

/** Prompts that are shown beside the rows: one that is on its way and stands there already is not shown twice. */
function waitingItems(runtime: SessionRuntime): readonly OutboxItem[] {
  const stands = (item: OutboxItem): boolean => item.delivery === 'sending' && runtime.transcript.tail.some((row) => row.kind === 'prompt' && row.clientId === item.clientId);
  return runtime.outboxItems().filter((item) => !stands(item));
}

/** What a chat page shows beside its rows, from the fleet and the session's runtime. */
export function chatState(fleet: Fleet, runtime: SessionRuntime): ChatState {
  const session = fleet.session(runtime.key);
  const connection = fleet.connections().find((each) => each.connectionId === runtime.connectionId);
  const machine = fleet.machines().find((each) => each.id === session?.machineId);
  const homes = machine?.home === null || machine?.home === undefined ? [] : [machine.home];
  const dormant = connection?.dormant ?? false;
  return {
    title: session?.title ?? '',
    agent: session?.agent ?? '',
    agentName: session === null ? (connection?.name ?? '') : agentName(session, connection),
    machine: machine?.name ?? '',
    folder: session === null ? '' : shortFolder(folderOf(session), homes),
    ...(session === null ? {} : { root: session.folder }),
    ...(runtime.system === 'local' ? {} : { files: runtime.reach.readsFiles ? 'fetched' : 'none' }),
    branch: session?.branch ?? null,
    ...(session?.shipped === true ? { shipped: true } : {}),
    state: session?.state ?? 'unknown',
    activity: session?.activity ?? null,
    turnStartedAt: runtime.turnStartedAt,
    owner: runtime.followsWindow ? 'window' : (session?.owner ?? 'nobody'),
    ownerName: session?.ownerName ?? null,
    ...contactOf(connection?.state, machine, session?.state ?? 'unknown', Date.now()),
    asOf: runtime.asOf,
    problem: problemOf(connection, session),
    limit: session?.limit ?? null,
    ...(runtime.traits.goesOnFresh === true && session?.state === 'stopped' ? { closed: session.error } : {}),
    controls: runtime.controls(),
    traits: runtime.traits,
    usage: session?.usage ?? null,
    outbox: waitingItems(runtime).map(({ clientId, text, attachments, delivery, error, steer }) => ({ clientId, text, attachments, delivery, error, steer })),
    canRun: !dormant,
    ...(runtime.forksAt && !dormant ? { forksAt: true } : {}),
    waiting: (session?.waiting ?? []).map(({ requestId, ask }) => ({ requestId, ask })),
    loading: runtime.loading,
  };
}
