import type { JsonValue } from '../../core/model/json.ts';
import type { AskPerson } from './ask.ts';
import { OtherServer } from './ask.ts';
import { agreedServer, serverProblem } from './server.ts';
import type { AccountSystem, Given, Server } from './system.ts';

/** Signs in to a server: the one that is known, else the one that is asked for, and again to another one when the person changes it. Throws Dismissed, and what the sign-in brings. */
export async function signInSomewhere(ask: AskPerson, system: AccountSystem, known: Server | null, given: Given): Promise<{ readonly server: Server; readonly secret: JsonValue }> {
  let server = known;
  let value = known?.serverUrl ?? system.defaultServer();
  for (;;) {
    server ??= await agreedServer(ask, system, await ask.text({ title: system.label.replace('…', ': server'), prompt: 'Address of its server.', value, check: serverProblem }));
    try {
      return { server, secret: await system.signIn(ask, server, given) };
    } catch (error) {
      if (!(error instanceof OtherServer)) throw error;
      value = server.serverUrl;
      server = null;
    }
  }
}
