import type { AgentWorkerOptions } from '../../core/fleet/worker.ts';
import { AgentWorker } from '../../core/fleet/worker.ts';
import type { Reviewer } from '../../core/fleet/workerJob.ts';
import { endLeftSessions, isWithin, WorkerSessions } from '../../core/fleet/workerSessions.ts';
import type { Fleet } from '../../core/fleet/fleet.ts';
import type { Clock, Logger } from '../../core/model/context.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { SessionControls, SessionKey } from '../../core/model/session.ts';
import type { Store } from '../../core/session/store-api.ts';
import { HebingHttp } from '../../core/systems/hebing/http.ts';
import { HttpWorkerApi } from '../../core/systems/hebing/workerApi.ts';
import type { ProxySource } from '../../core/transport/proxy.ts';
import { defaultMode } from '../commands/remotePlaces.ts';
import type { HebingAccess } from '../hebing/access.ts';
import { oneLine } from '../tree/text.ts';
import type { WorkerDefinition } from './definition.ts';
import { leaseOf } from './definition.ts';

/** What a worker of this window is made of. */
export interface WorkerParts {
  readonly definition: WorkerDefinition;
  readonly access: HebingAccess;
  readonly fleet: Fleet;
  readonly store: Pick<Store, 'keep' | 'leases'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly proxy: ProxySource | undefined;
  /** Why nothing may be begun in this window now; null where it may. */
  readonly refuses: () => string | null;
  /** Folders of the workspace. */
  readonly roots: () => readonly string[];
  readonly reviewer: Reviewer | null;
  readonly onChange: () => void;
  readonly onEnd: AgentWorkerOptions['onEnd'];
}
export interface RunningWorker {
  readonly worker: AgentWorker;
  /** Settles when it has ended. */
  readonly run: Promise<void>;
}

/** Begins to work. Rejects with what keeps it from that: the folder, the agent, its permission mode. */
export async function runWorker(parts: WorkerParts): Promise<RunningWorker> {
  const { definition, access, fleet, store, clock, log } = parts;
  const leaseName = leaseOf(definition);
  const refusal = await refusalOf(parts);
  if (refusal !== null) throw new PilothouseError('worker_refused', refusal, { personMustAct: true });
  const mode = await modeOf(parts);
  const { connectionId, local: _local, agent, model, ...place } = definition.place;
  const http = new HebingHttp(access.apiKey, { baseUrl: access.server.serverUrl, allowPlainHttp: access.server.allowPlainHttp, clock, ...(parts.proxy === undefined ? {} : { proxy: parts.proxy }) });
  const spawn = { ...place, ...(agent === null ? {} : { agent }), ...(model === null ? {} : { model }), ...(mode === null ? {} : { mode }) };
  const worker = new AgentWorker({
    api: new HttpWorkerApi(http, clock), clock, log, leases: store.leases, leaseName,
    rules: { capabilityKey: definition.capabilityKey, template: definition.template, ceilingNc: definition.ceilingNc, concurrency: definition.concurrency, wantsObject: definition.wantsObject },
    agents: new WorkerSessions({ fleet, store, clock, log, leaseName, connectionId, spawn }),
    reviewer: parts.reviewer,
    refuses: () => refusalOf(parts),
    onLead: () => endLeft(parts, leaseName, new Set(worker.state.jobs.flatMap((job) => job.session ?? []))),
    onChange: parts.onChange, onEnd: parts.onEnd,
  });
  return { worker, run: worker.run().finally(() => http[Symbol.asyncDispose]()) };
}

/** Ends what workers of dead windows left running; of `leaseName`, which this window has, or, null, of those that no window has. */
export function endLeft({ fleet, store, log }: Pick<WorkerParts, 'fleet' | 'store' | 'log'>, leaseName: string | null, mine?: ReadonlySet<SessionKey>): Promise<void> {
  return endLeftSessions({ fleet, store, leases: store.leases, log }, leaseName, mine);
}

async function refusalOf({ definition, fleet, refuses, roots }: WorkerParts): Promise<string | null> {
  const { place } = definition;
  const refusal = refuses();
  if (refusal !== null) return refusal;
  const connection = fleet.connections().find((each) => each.connectionId === place.connectionId);
  if (connection === undefined) return 'The connection of the worker’s agent is not there any more. Start another worker.';
  if (connection.state.status !== 'ready' || !connection.traits.spawn) return `${oneLine(connection.name, 60)} is not ready. ${oneLine(connection.state.message ?? 'See to it in the Connections view.', 200)}`;
  if (place.local && !(await isWithin(place.folder, roots()))) return `${oneLine(place.folder, 200)} is not within this workspace: a worker works nowhere else.`;
  return null;
}

/** The mode in which the agent asks before it acts; null where it has no modes. Rejects with `mode_unsafe` for one that would begin in a mode that asks for nothing. */
async function modeOf({ definition, fleet }: WorkerParts): Promise<string | null> {
  const { connectionId, folder, machineId, agent } = definition.place;
  const controls = await fleet.controls(connectionId, { folder, machineId, ...(agent === null ? {} : { agent }) });
  return askingMode(controls);
}

export function askingMode(controls: Pick<SessionControls, 'modes' | 'mode'>): string | null {
  const mode = defaultMode(controls);
  if (mode === null && controls.mode !== null) throw new PilothouseError('mode_unsafe', `This agent begins in the permission mode “${oneLine(controls.mode, 40)}”, which asks for nothing. Change that in its own settings: jobs of others are done only by an agent that asks.`, { personMustAct: true });
  return mode;
}
