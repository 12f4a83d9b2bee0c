import type { Logger } from '../../../model/context.ts';
import type { JsonObject, JsonValue } from '../../../model/json.ts';
import type { RpcId } from '../rpc.ts';
import type { Routed } from './host.ts';
import type { Link } from './link.ts';
import { notFound } from './outcome.ts';
import { str } from './read.ts';

/** Updates that are kept for a session whose id the answer to `session/new` has not told yet; and how many such sessions. */
const earlyUpdates = 200;
const earlySessions = 20;
/** Requests that are remembered, so that the agent can take one back. */
const rememberedRequests = 200;

/** Hands the agent's messages to the sessions that they are for, in the order in which they came. */
export class Router {
  private readonly log: Logger;
  private readonly routes = new Map<string, Routed>();
  private readonly early = new Map<string, (JsonValue | undefined)[]>();
  private readonly asked = new Map<RpcId, Routed>();

  constructor(log: Logger) {
    this.log = log;
  }

  route(agentId: string, session: Routed): void {
    this.routes.set(agentId, session);
    const early = this.early.get(agentId);
    this.early.delete(agentId);
    for (const update of early ?? []) session.onUpdate(update);
  }

  unroute(agentId: string): void {
    this.routes.delete(agentId);
  }

  clear(): void {
    this.routes.clear();
    this.early.clear();
    this.asked.clear();
  }

  notification(method: string, params: JsonObject, link: () => Link | null): void {
    if (method === 'session/update') {
      this.update(str(params, 'sessionId') ?? '', params['update']);
      return;
    }
    if (method === '$/cancel_request') {
      const id = params['requestId'];
      const current = link();
      if ((typeof id === 'string' || typeof id === 'number') && current !== null) this.asked.get(id)?.onWithdrawn(id, current);
      return;
    }
    // Extensions (`_…`) tell states of the agent, such as its sign-in, and nothing of a session.
    this.log.trace('a notification was passed over', { method });
  }

  request(method: string, params: JsonObject, id: RpcId, link: () => Link | null): void {
    const current = link();
    if (current === null) return;
    const session = this.routes.get(str(params, 'sessionId') ?? '');
    if (session === undefined) {
      current.refuse(id, notFound, 'There is no such session.');
      return;
    }
    this.asked.set(id, session);
    for (const oldest of this.asked.keys()) {
      if (this.asked.size <= rememberedRequests) break;
      this.asked.delete(oldest);
    }
    session.onRequest(method, params, id, current);
  }

  private update(agentId: string, update: JsonValue | undefined): void {
    const session = this.routes.get(agentId);
    if (session !== undefined) {
      session.onUpdate(update);
      return;
    }
    const kept = this.early.get(agentId) ?? [];
    if (kept.length >= earlyUpdates || (kept.length === 0 && this.early.size >= earlySessions)) {
      this.log.debug('an update for no session of ours was left out', { count: kept.length });
      return;
    }
    kept.push(update);
    this.early.set(agentId, kept);
  }
}
