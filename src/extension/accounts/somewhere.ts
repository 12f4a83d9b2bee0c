import type { JsonValue } from '../../core/model/json.ts';
import type { AskPerson } from './ask.ts';
import { OtherServer } from './ask.ts';
import { agreedServer, serverProblem } from './server.ts';
import type { AccountSystem, Given, Server } from './system.ts';

/** Signs in to a server: the one that is known, else the system's own, else the one that is asked for, and again to another one when the person changes it. Throws Dismissed, and what the sign-in brings. */
export async function signInSomewhere(ask: AskPerson, system: AccountSystem, known: Server | null, given: Given): Promise<{ readonly server: Server; readonly secret: JsonValue }> {
  let server = known;
  let value = known?.serverUrl ?? system.defaultServer();
  if (server === null && system.ownServer === true && serverProblem(value, system.example) === null) server = await agreedServer(ask, system, value);
  for (;;) {
    server ??= await agreedServer(ask, system, await ask.text({
      title: `${system.name}: server`, prompt: `Its address, such as ${system.example}.`, value, check: (text) => serverProblem(text, system.example),
    }));
    try {
      return { server, secret: await system.signIn(ask, server, given) };
    } catch (error) {
      if (!(error instanceof OtherServer)) throw error;
      value = server.serverUrl;
      server = null;
    }
  }
}
