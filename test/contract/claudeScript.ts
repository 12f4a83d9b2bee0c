import { scripted } from '../loopback/script.ts';
import type { Script } from './types.ts';

const question = { question: 'Which harbour?', header: 'Harbour', multiSelect: false, options: [{ label: 'North', description: 'Nearer' }, { label: 'South', description: 'Warmer' }] };

/** What the model endpoint plays for Claude Code: markers in the prompts, and without one what it remembers. */
export const claudeScript: Script = {
  say: () => ({ prompt: scripted('Good evening', { text: 'The ferry leaves at eight.', chunkMs: 40 }), answer: /leaves at eight/ }),
  slow: () => ({ prompt: scripted('Tell me of the sea', { text: 'The sea is wide. '.repeat(60), chunkMs: 50 }), answer: /The sea is wide/ }),
  run: (command) => ({
    prompt: scripted('Run it', { text: 'I run it.', tools: [{ name: 'Bash', input: { command, description: 'Run it' } }] }, { text: 'That was it.' }),
    answer: /That was it/,
  }),
  edit: (file, before, after) => ({
    prompt: scripted('Edit it', { tools: [{ name: 'Read', input: { file_path: file } }] }, { tools: [{ name: 'Edit', input: { file_path: file, old_string: before, new_string: after } }] }, { text: 'Edited.' }),
    answer: /Edited/,
  }),
  ask: {
    prompt: scripted('Ask me', { tools: [{ name: 'AskUserQuestion', input: { questions: [question] } }] }, { text: 'South it is.' }),
    answers: (questions) => Object.fromEntries(questions.map((one) => [one.id, ['South']])),
    answer: /South it is/,
  },
  remember: () => ({ first: { prompt: 'The password is lighthouse.', answer: /lighthouse/ }, second: { prompt: 'What is it?', answer: /Earlier: The password is lighthouse\./ } }),
};
