import type { Machine } from '../model/session.ts';

/** Every machine once; one that several connections reach, as one of them that has contact knows it. */
export function eachMachineOnce(lists: Iterable<readonly Machine[]>): readonly Machine[] {
  const byId = new Map<string, Machine>();
  for (const machines of lists) {
    for (const machine of machines) {
      const known = byId.get(machine.id);
      if (known === undefined || (known.state !== 'online' && machine.state === 'online')) byId.set(machine.id, machine);
    }
  }
  return [...byId.values()];
}
