import type { Connection } from '../../core/fleet/connection.ts';
import type { Places } from '../../core/model/backend.ts';
import { PilothouseError } from '../../core/model/errors.ts';
import type { Choice, Machine } from '../../core/model/session.ts';
import { age, oneLine } from '../tree/text.ts';
import { machinesToPick } from './remotePlaces.ts';

/** Where and with which agent a session can begin. */
export interface StartChoice {
  readonly connection: Connection;
  readonly machine: Machine | null;
  /** One of several agents of the machine; null where the connection is one agent. */
  readonly agent: Choice | null;
  /** Set where sessions are made on another machine. */
  readonly places: Places | null;
}

/** What narrows the choice: a command's arguments, or the group of the tree that it was called on. */
export interface StartWish {
  readonly connectionId: string | null;
  readonly machineId: string | null;
  readonly agent: string | null;
}

interface Fleet {
  connections(): readonly Connection[];
  machinesOf(connectionId: string): readonly Machine[];
  backend(connectionId: string): { readonly places?: Places };
}

/** A machine that does not say which agents it has is waited for so long, in milliseconds; then it is offered without one. */
const AGENTS_MS = 5_000;

/** All that fits the wish, this computer first, machines that answer before those that do not. Throws what the person must do where nothing does. */
export async function startChoices(fleet: Fleet, wish: StartWish): Promise<readonly StartChoice[]> {
  // One that was named says itself what keeps it.
  const fits = (connection: Connection): boolean => (wish.connectionId === null ? connection.traits.spawn && connection.state.status === 'ready' : connection.connectionId === wish.connectionId);
  const fitting = fleet.connections().filter(fits).sort((one, other) => Number(one.system !== 'local') - Number(other.system !== 'local'));
  if (fitting.length === 0) throw new PilothouseError('no_connection', 'There is no connection that can do this. Use Add Connection…, or open the Connections view to see what each one needs.');
  const choices = (await Promise.all(fitting.map((connection) => choicesOf(fleet, connection, wish)))).flat();
  if (choices.length > 0) return choices;
  if (wish.machineId !== null) throw new PilothouseError('machine_not_found', 'This machine is not known any more. Refresh the connection.');
  throw new PilothouseError('no_machine', `No machine is known to ${oneLine(fitting[0]?.name ?? '', 60)} yet. Set the agent up on one, then refresh the connection.`, { personMustAct: true });
}

async function choicesOf(fleet: Fleet, connection: Connection, wish: StartWish): Promise<readonly StartChoice[]> {
  const machines = machinesToPick(fleet.machinesOf(connection.connectionId)).filter((machine) => wish.machineId === null || machine.id === wish.machineId);
  const { places = null } = fleet.backend(connection.connectionId);
  const [first = null] = machines;
  if (places === null) return wish.machineId !== null && first === null ? [] : [{ connection, machine: first, agent: null, places }];
  const agents = async (machine: Machine): Promise<readonly (Choice | null)[]> => {
    if (machine.state === 'offline') return [null];
    const told = await places.agents(machine.id, { signal: AbortSignal.timeout(AGENTS_MS) }).catch((): readonly Choice[] => []);
    if (wish.agent !== null) return [told.find((agent) => agent.id === wish.agent) ?? { id: wish.agent, label: wish.agent, description: null }];
    return told.length === 0 ? [null] : told;
  };
  return (await Promise.all(machines.map(async (machine) => (await agents(machine)).map((agent) => ({ connection, machine, agent, places }))))).flat();
}

/** Throws where the machine of a choice does not answer. */
export function requireOnline({ machine, places }: StartChoice): void {
  if (places !== null && machine?.state === 'offline') throw new PilothouseError('machine_offline', `${oneLine(machine.name, 60)} is offline. Start it, or what runs agents on it, then try again.`, { personMustAct: true });
}

/** How a choice reads: its group, its name, and what tells it from others of that name. */
export function choiceLine({ connection, machine, agent, places }: StartChoice, now: number): { readonly group: string; readonly label: string; readonly description: string; readonly icon: string } {
  if (places === null || machine === null) return { group: machine?.name ?? 'This computer', label: connection.name, description: connection.state.version ?? '', icon: 'hubot' };
  if (machine.state === 'offline') return { group: connection.name, label: machine.name, description: `offline${machine.seenAt === null ? '' : ` · seen ${age(machine.seenAt, now)} ago`}`, icon: 'vm-outline' };
  return { group: connection.name, label: agent?.label ?? 'Its usual agent', description: `on ${machine.name}${machine.state === 'unknown' ? ' · no contact' : ''}`, icon: 'hubot' };
}
