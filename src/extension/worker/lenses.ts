import * as vscode from 'vscode';
import { commandId } from '../contributions.ts';
import type { Answers } from './answers.ts';
import { TEMPLATE_FILE, WORKER_SCHEME } from './files.ts';
import { clockTime } from './line.ts';
import type { Workers } from './workers.ts';

/** What can be done with an answer or a prompt, above its first line. */
export class WorkerLenses implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly workers: Workers;
  private readonly answers: Answers;
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly disposables: { dispose(): unknown }[];
  readonly onDidChangeCodeLenses = this.changed.event;

  constructor(workers: Workers, answers: Answers) {
    this.workers = workers;
    this.answers = answers;
    this.disposables = [this.changed, vscode.languages.registerCodeLensProvider({ scheme: WORKER_SCHEME }, this), workers.onChange(() => this.changed.fire()), answers.onChange(() => this.changed.fire())];
  }

  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const [, id = '', name = ''] = uri.path.split('/');
    if (name === TEMPLATE_FILE) return this.promptLenses(id);
    const answer = this.answers.get(id);
    if (answer === null) return [lens('This answer does not wait any more: its job is over.')];
    const act = (title: string, what: string): vscode.CodeLens => lens(title, 'reviewAnswer', { answerId: id, do: what });
    return [act('$(check) Submit', 'submit'), act('Ask Again…', 'ask'), act('Discard', 'discard'), act('Open Session', 'session'), lens(`until ${clockTime(answer.until)}`)];
  }

  dispose(): void {
    for (const each of this.disposables) each.dispose();
  }

  private promptLenses(id: string): vscode.CodeLens[] {
    if (this.workers.definition(id) === null) return [];
    const running = this.workers.workers().some(({ definition }) => definition.id === id);
    return [running ? lens('This worker runs: what is saved here counts when it is started again.') : lens('$(play) Start Worker', 'startWorker', { workerId: id })];
  }
}

function lens(title: string, command?: 'reviewAnswer' | 'startWorker', target?: Readonly<Record<string, string>>): vscode.CodeLens {
  return new vscode.CodeLens(new vscode.Range(0, 0, 0, 0), { title, command: command === undefined ? '' : commandId(command), ...(target === undefined ? {} : { arguments: [target] }) });
}
