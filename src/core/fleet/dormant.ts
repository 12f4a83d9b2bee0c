import type { ConnectionState, Disposable, Page, SessionBackend, SessionHandle, StopReport } from '../model/backend.ts';
import type { Entry } from '../model/entry.ts';
import { PilothouseError } from '../model/errors.ts';
import type { Machine, Session, SessionControls, SystemId, Traits } from '../model/session.ts';
import type { Clock } from '../model/context.ts';
import type { ConnectionSpec, Dormant } from './connection.ts';

/** The refusal of everything that would run or change something. */
export function refusalOf(dormant: Dormant): PilothouseError {
  return new PilothouseError(dormant.code, dormant.message, { personMustAct: true });
}

const NO_TRAITS: Traits = {
  spawn: false, interrupt: false, steer: false, stop: false, resume: false, fork: false, rename: 'ours', archive: 'ours', remove: false, images: false, permissions: false,
};
const NO_CONTROLS: SessionControls = { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] };

/**
 * Stands in for the backend of a connection that is not run, or that nobody is signed in to: it starts nothing, looks for nothing, knows nothing but what is known
 * anyway, and refuses the rest.
 */
export class DormantBackend implements SessionBackend {
  readonly system: SystemId;
  readonly connectionId: string;
  readonly traits = NO_TRAITS;
  private readonly spec: Pick<ConnectionSpec, 'connectionId' | 'system' | 'machines'>;
  private readonly dormant: Dormant;
  private readonly clock: Clock;
  private readonly state: ConnectionState;

  /** `state` is how the connection stands: offline, unless it is told. */
  constructor(spec: Pick<ConnectionSpec, 'connectionId' | 'system' | 'machines'>, dormant: Dormant, clock: Clock, state?: ConnectionState) {
    this.spec = spec;
    this.dormant = dormant;
    this.clock = clock;
    this.state = state ?? { status: 'offline', message: dormant.message, remedy: null, version: null };
    this.system = spec.system;
    this.connectionId = spec.connectionId;
  }

  connect(): Promise<ConnectionState> {
    return Promise.resolve(this.state);
  }
  machines(): Promise<readonly Machine[]> {
    return Promise.resolve(this.spec.machines?.(this.clock.now()) ?? []);
  }
  sessions(): Promise<Page<Session>> {
    return this.refuse();
  }
  watch(): Disposable {
    return NOTHING;
  }
  controls(): Promise<SessionControls> {
    return Promise.resolve(NO_CONTROLS);
  }
  spawn(): Promise<Session> {
    return this.refuse();
  }
  session(id: string): SessionHandle {
    const refuse = <T>(): Promise<T> => this.refuse<T>();
    return {
      id,
      history: (): Promise<Page<Entry>> => Promise.resolve({ items: [], next: null }),
      live: () => NOTHING,
      controls: () => NO_CONTROLS,
      send: () => refuse<void>(), interrupt: () => refuse<StopReport>(), answer: () => refuse<void>(), setModel: () => refuse<void>(), setMode: () => refuse<void>(), setEffort: () => refuse<void>(),
      rename: () => refuse<void>(), archive: () => refuse<void>(), stop: () => refuse<StopReport>(), resume: () => refuse<void>(), fork: () => refuse<Session>(),
      removalPreview: () => refuse<readonly string[]>(), remove: () => refuse<void>(),
    };
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  private refuse<T>(): Promise<T> {
    return Promise.reject(refusalOf(this.dormant));
  }
}

const NOTHING: Disposable = { dispose: () => undefined };
