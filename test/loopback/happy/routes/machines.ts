import { z } from 'zod';
import { ok, refuse, type Router } from '../router.ts';
import type { MachineRow } from '../rows.ts';
import type { World } from '../world.ts';

const createBody = z.object({ id: z.string(), metadata: z.string(), daemonState: z.string().optional(), dataEncryptionKey: z.string().nullish() });

/** Machines: list, get, get-or-create by id, remove (happy.md A, B8). */
export function machineRoutes(router: Router, world: World): void {
  const { database, hub } = world;
  const owned = (accountId: string, id: string | undefined): MachineRow => database.machine(accountId, id ?? '') ?? refuse(404, 'Machine not found');

  router.on('POST', '/v1/machines', {
    body: createBody,
    run: ({ accountId, body }) => {
      let row = database.machine(accountId, body.id);
      if (row === undefined) {
        const now = database.now();
        row = {
          id: body.id, accountId, metadata: body.metadata, metadataVersion: 1, daemonState: body.daemonState ?? null, daemonStateVersion: body.daemonState === undefined ? 0 : 1,
          dataEncryptionKey: body.dataEncryptionKey ?? null, seq: 0, active: false, activeAt: now, createdAt: now, updatedAt: now,
        };
        database.addMachine(row);
        database.changed();
        const { id, ...view } = machineView(row);
        hub.update(accountId, { t: 'new-machine', machineId: id, ...view });
        hub.update(accountId, { t: 'update-machine', machineId: id, metadata: { version: 1, value: body.metadata } }, { machine: id });
      }
      const { seq: _seq, ...view } = machineView(row);
      return ok({ machine: view });
    },
  });

  router.on('GET', '/v1/machines', {
    run: ({ accountId }) => ok([...database.machines.values()].filter((row) => row.accountId === accountId).sort((a, b) => b.activeAt - a.activeAt).map(machineView)),
  });

  router.on('GET', '/v1/machines/:id', { run: ({ accountId, params }) => ok({ machine: machineView(owned(accountId, params['id'])) }) });

  router.on('DELETE', '/v1/machines/:id', {
    run: ({ accountId, params }) => {
      const row = owned(accountId, params['id']);
      database.removeMachine(row);
      database.changed();
      hub.update(accountId, { t: 'delete-machine', machineId: row.id });
      return ok({ success: true });
    },
  });
}

function machineView(row: MachineRow): Omit<MachineRow, 'accountId'> {
  const { accountId: _account, ...view } = row;
  return view;
}
