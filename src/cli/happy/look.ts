import { flag, parsed } from '../args.ts';
import type { CliIo } from '../io.ts';
import { common, idIn, inAccount, sessionOf, show } from './call.ts';
import { machinesTable, sessionFacts, sessionsTable } from './print.ts';
import { rowsOf, transcriptText } from './transcript.ts';

const one = 'One id is enough.';

export function machines(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, active: flag }, 0);
  return inAccount(values, io, async (call) => {
    const all = await call.client.listMachines({ activeOnly: values.active === true, signal: call.signal });
    show(call, all, machinesTable(all));
  });
}

export function sessions(args: readonly string[], io: CliIo): Promise<number> {
  const { values } = parsed(args, { ...common, active: flag }, 0);
  return inAccount(values, io, async (call) => {
    const all = await call.client.listSessions({ activeOnly: values.active === true, signal: call.signal });
    show(call, all, sessionsTable(all, Date.now()));
  });
}

export function get(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, common, 1, one);
  const id = idIn(positionals);
  return inAccount(values, io, async (call) => {
    const session = await sessionOf(call, id);
    show(call, session, sessionFacts(session, call.io));
  });
}

export function alive(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, common, 1, one);
  const id = idIn(positionals);
  return inAccount(values, io, async (call) => {
    const session = await sessionOf(call, id);
    show(call, { sessionId: session.id, alive: session.active }, session.active ? 'alive' : 'not alive');
  });
}

export function messages(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parsed(args, common, 1, one);
  const id = idIn(positionals);
  return inAccount(values, io, async (call) => {
    const session = await sessionOf(call, id);
    const all = await call.client.getMessages(session.id, { signal: call.signal });
    show(call, all, call.json ? '' : transcriptText(rowsOf(session, all)));
  });
}
