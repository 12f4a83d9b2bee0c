import type { BackendEvent, ConnectionState, Disposable, Page, SessionBackend, SessionHandle } from '../../src/core/model/backend.ts';
import type { Machine, Session, SessionControls, Traits } from '../../src/core/model/session.ts';
import { Emitter } from '../../src/core/transport/emitter.ts';

const READY: ConnectionState = { status: 'ready', message: null, remedy: null, version: '1.0' };
const TRAITS: Traits = { spawn: false, interrupt: true, steer: true, stop: true, resume: true, fork: false, rename: 'ours', archive: 'ours', remove: true, images: false, permissions: true };
const NO_CONTROLS: SessionControls = { models: [], model: null, modes: [], mode: null, efforts: [], effort: null, commands: [] };

export interface Size {
  readonly connections: number;
  /** Machines of each connection. */
  readonly machines: number;
  /** Sessions of each machine. */
  readonly sessions: number;
}

/** One account's end: machines and sessions that it holds in memory, and tells of as they change. Nothing can be asked of its sessions. */
export class SimulatedBackend implements SessionBackend {
  readonly system = 'happy';
  readonly traits = TRAITS;
  readonly connectionId: string;
  readonly held: Session[];
  private readonly list: readonly Machine[];
  private readonly events = new Emitter<BackendEvent>();
  private readonly away: boolean;

  /** `away`: it never answers. */
  constructor(connectionId: string, size: Size, now: number, away = false) {
    this.connectionId = connectionId;
    this.away = away;
    this.list = Array.from({ length: size.machines }, (_, place): Machine => ({ id: `${connectionId}-m${place}`, connectionId, name: `build-${connectionId}-${place}`, state: 'online', seenAt: now, home: '/home/ada' }));
    this.held = this.list.flatMap((machine) => Array.from({ length: size.sessions }, (_, place): Session => ({
      id: `${machine.id}-s${place}`, connectionId, machineId: machine.id, folder: `/home/ada/project${place % 8}`, agent: 'claude', title: `Work on part ${place}`, state: 'idle', createdAt: now - 1e9, updatedAt: now - place * 60_000, archived: false,
      owner: 'nobody', ownerName: null, branch: 'main', activity: null, usage: null, model: 'a-model', waiting: [], error: null,
    })));
  }

  /** The session at a place is this now. */
  tell(place: number, session: Session): void {
    this.held[place] = session;
    this.events.emit({ type: 'session', session });
  }

  connect(): Promise<ConnectionState> {
    return this.away ? new Promise(() => undefined) : Promise.resolve(READY);
  }
  machines(): Promise<readonly Machine[]> {
    return Promise.resolve(this.list);
  }
  sessions(): Promise<Page<Session>> {
    return Promise.resolve({ items: this.held, next: null });
  }
  watch(listener: (event: BackendEvent) => void): Disposable {
    return this.events.on(listener);
  }
  controls(): Promise<SessionControls> {
    return Promise.resolve(NO_CONTROLS);
  }
  spawn(): Promise<Session> {
    return Promise.reject(new Error('nothing is begun here'));
  }
  session(): SessionHandle {
    throw new Error('nothing is asked of sessions here');
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
