import type { Turn } from './turn.ts';
import { fence } from './turn.ts';

/** Does a job as a worker hands it over: its data are in fenced blocks. Gives back the text of it; a prompt that says `slowly` is talked about first. */
export async function job(turn: Turn, prompt: string): Promise<void> {
  const [, data = 'null'] = /^```data\n([\s\S]*?)\n```$/m.exec(prompt.slice(prompt.indexOf('\n\n'))) ?? [];
  if (/\bslowly\b/.test(prompt)) await turn.say('I look at it from every side. '.repeat(200), 10);
  const input: unknown = JSON.parse(data);
  const text = typeof input === 'object' && input !== null && 'text' in input ? input.text : input;
  await turn.say(fence(JSON.stringify({ echo: text }), 'json'));
}
