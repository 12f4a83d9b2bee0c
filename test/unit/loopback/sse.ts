import { z } from 'zod';

const eventSchema = z.looseObject({ type: z.string() });
export type Event = z.output<typeof eventSchema>;

/** Posts JSON to an endpoint. */
export async function post(url: string, body: unknown, options: { headers?: Record<string, string>; signal?: AbortSignal } = {}): Promise<Response> {
  return fetch(url, {
    method: 'POST', headers: { 'content-type': 'application/json', ...options.headers }, body: JSON.stringify(body),
    signal: AbortSignal.any([AbortSignal.timeout(10_000), ...(options.signal === undefined ? [] : [options.signal])]),
  });
}

/** Server-sent events as they come; checks that each `event:` line names the type of its data. */
export async function* events(response: Response): AsyncGenerator<Event> {
  if (response.body === null) throw new Error('The response has no body.');
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const [name, data] = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      if (name === undefined || data === undefined || !data.startsWith('data: ')) throw new Error(`No event: ${String(name)}`);
      const event = eventSchema.parse(JSON.parse(data.slice('data: '.length)));
      if (name !== `event: ${event.type}`) throw new Error(`${name} does not name ${event.type}`);
      yield event;
    }
  }
  if (rest !== '') throw new Error(`The stream ends within an event: ${rest.slice(0, 100)}`);
}

export async function all(response: Response): Promise<Event[]> {
  const got: Event[] = [];
  for await (const event of events(response)) got.push(event);
  return got;
}
